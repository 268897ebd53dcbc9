"""Tasks: what can be asked of the robot, when it is done, and how a scripted expert does it.

    base.py      protocols: suite, expert, scene
    judge.py     success with dwell
    tabletop/    the built-in suite: 16 tasks on a table, in PyBullet

Imports types, errors, registry and config only; never robots, policies, selection or data.
"""
