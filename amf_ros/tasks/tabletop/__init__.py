"""The built-in suite: a Panda and a table with cubes, trays, a drawer, a door, a button, a faucet and a slot.

    suite.py        TabletopSuite, what everybody else imports
    tasks.py        the table of tasks and their roles
    success.py      when a task is done, from scene states only
    starts.py       where a task starts, drawn from a seed
    scene.py        the things themselves, in a PyBullet client
    experts/        scripted demonstrators as feedback laws
    kinematics.py   inverse kinematics for the experts
    geometry.py     angles and sizes
    assets/         URDFs of the fixtures

Imports types, errors and pybullet only.
"""

from amf_ros.tasks.tabletop.suite import TabletopSuite

__all__ = ["TabletopSuite"]
