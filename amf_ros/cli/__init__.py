"""The ``amf`` command: thin clients of the running graph or of the library, one file per command.

    app.py           the commands, their errors and exit codes
    pretrain  up  next_task  record  tune  execute  evaluate  session  status  report  explanation
    bench  check_suite  doctor  demo  motion     one file for each command, or for what it shows
    options.py       options that several commands share;  checks.py: what ``amf doctor`` looks at
    output.py        tables, progress and ``--json``; people read stdout, programs too
    graph.py         the running graph, asked through ``ros/client``;  session_view.py: a session as it goes
    before.py  demo_files.py     what was there before a command;  the files of a demo
    ros_present.py   which ROS there is, and how one says that there is none

Imports at module level stay light (``amf --help`` needs neither ROS nor torch); rclpy, torch and the
simulator are imported by the command that needs them.

    amf demo --seed 0            # exit codes: 0 done, 1 an error in one line, 2 wrong usage, 130 Ctrl-C
"""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "leave", "main"]

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line. From here on Ctrl-C ends it without a traceback, also while it is imported."""
    signal.signal(signal.SIGINT, leave)
    from amf_ros.cli.app import main as run

    run()


def leave(number: int, frame: FrameType | None) -> None:
    """End at once: for moments in which nothing is under way that would have to be put in order."""
    os.write(2, b"interrupted\n")
    os._exit(EXIT_INTERRUPTED)
