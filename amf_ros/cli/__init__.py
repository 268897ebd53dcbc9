"""The ``amf`` command: thin clients of the running graph or of the library, one file per command.

    app.py        the commands, their errors and exit codes
    options.py    options that several commands share
    output.py     tables, progress and ``--json``; people read stdout, programs too
    environment.py   which ROS there is, and how one says that there is none

Imports at module level stay light (``amf --help`` needs neither ROS nor torch); rclpy, torch and the
simulator are imported by the command that needs them.

    amf demo --seed 0            # exit codes: 0 done, 1 an error in one line, 2 wrong usage, 130 Ctrl-C
"""

from amf_ros.cli.app import main

__all__ = ["main"]
