"""A test run in the background of a shell interrupts its children like any other."""

import signal
import subprocess
import sys
from pathlib import Path

TEST = Path(__file__).parents[1]
SCRIPT = """
import signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if sys.argv[2] == "heeded":
    from support.signals import heed_signals
    heed_signals()
child = "from signal import *; print(*(getsignal(number) == SIG_IGN for number in (SIGINT, SIGHUP)))"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip())
"""


def ignored(how: str) -> str:
    words = [sys.executable, "-c", SCRIPT, str(TEST), how]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_children_ignore_what_their_parent_ignores_until_it_heeds_it():
    assert ignored("as started") == "True True"
    assert ignored("heeded") == "False False"


def test_a_handler_that_is_there_stays():
    from support.signals import heed_signals

    before = signal.getsignal(signal.SIGINT)
    heed_signals()
    assert signal.getsignal(signal.SIGINT) is before and before is not signal.SIG_IGN
