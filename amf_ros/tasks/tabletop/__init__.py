"""The built-in suite: a Panda and a table with cubes, trays, a drawer, a door, a button, a faucet and a slot.

    suite.py        TabletopSuite, what everybody else imports
    tasks.py        the table of tasks and their roles
    success.py      when a task is done, from scene states only
    geometry.py     angles and sizes

Imports core only. Scene, starts and scripted experts are in ``sim/tabletop``.
"""

from amf_ros.tasks.tabletop.suite import TabletopSuite

__all__ = ["TabletopSuite"]
