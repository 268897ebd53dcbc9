"""Signals as a terminal leaves them, for a test run that was started without one."""

from __future__ import annotations

import signal


def heed_signals() -> None:
    """Let Ctrl-C and a closed terminal end this process and those that it starts.

    A shell lets what it puts into the background ignore them, and whoever is started inherits that: tests
    which interrupt a command would wait for ever.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
