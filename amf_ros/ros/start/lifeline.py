"""Ties a process to the one that started it, and ends a process that was told to leave and does not.

    os.environ.update(tied_to_this_process())    # before starting nodes, however many shells are in between
    die_with_parent()                            # in each of them: SIGTERM once that process is gone
    leave_within(7.0)                            # after SIGINT or SIGTERM, at the latest

A launcher killed with SIGKILL stops nobody, and a robot left behind would drive beside its successor. The
kernel's own way, PR_SET_PDEATHSIG, follows the thread that forked and stops at the first shell; a look at
/proc twice a second does neither. No rclpy here: launch files import it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from pathlib import Path

DIE_WITH_PARENT = "AMF_DIE_WITH_PARENT"  # environment: PID:START of the process whose end ends this one
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 1.0


def tied_to_this_process() -> dict[str, str]:
    """Environment that makes nodes and supervisors started with it end when this process does."""
    return {DIE_WITH_PARENT: _identity(os.getpid())}


def die_with_parent() -> None:
    """Get SIGTERM when the process that the environment names has ended (Linux only)."""
    named = os.environ.get(DIE_WITH_PARENT, "")
    if named:
        die_with(named)


def die_with(named: str) -> None:
    """Get SIGTERM when the process named ``PID:START`` has ended, at once if it already has."""
    if sys.platform.startswith("linux"):
        threading.Thread(target=_await_end, args=(named,), name="parent", daemon=True).start()


def parent() -> str:
    """Return the process that started this one, as :func:`die_with` takes it."""
    return _identity(os.getppid())


def ended(named: str) -> bool:
    """Say whether the process named ``PID:START`` is gone."""
    return _identity(int(named.partition(":")[0])) != named


def _await_end(named: str) -> None:
    while not ended(named):
        time.sleep(_LOOK_EVERY_S)
    # To the main thread itself: in a system call it would not notice a signal that another thread took.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _identity(pid: int) -> str:
    """``PID:START``, since numbers are used again; empty for a process that has ended."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{pid}:{rest[18]}"


def leave_within(limit_s: float) -> None:
    """End this process by force when it is still there so long after the first SIGINT or SIGTERM.

    One more signal, a second later, ends it at once. Python runs a signal's handler in the main thread and
    between two of its instructions: one that hangs in a library hears nothing. This does not need it. What
    every thread was doing is written to stderr.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_enforce, args=(told, limit_s), name="leave", daemon=True).start()


def end_within(limit_s: float) -> None:
    """End this process by force if it is still there after so long, even if no Python code can run."""
    faulthandler.dump_traceback_later(limit_s, exit=True)


def _enforce(told: int, limit_s: float) -> None:
    first_s = 0.0
    while True:
        number = os.read(told, 1)[0]
        if number not in (signal.SIGINT, signal.SIGTERM):
            continue
        if not first_s:
            first_s = time.monotonic()
            end_within(limit_s)
        elif time.monotonic() - first_s > _PATIENCE_S:
            os._exit(128 + number)
