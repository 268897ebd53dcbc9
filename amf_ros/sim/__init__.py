"""Simulated arms, and what suites put on stage for them.

    protocol.py      what a simulator offers beyond an arm; what a suite's staging offers
    staging.py       finds the staging of a suite
    tabletop/        the staging of the built-in suite
    pybullet_arm.py  a Franka Panda in PyBullet; takes a scene, knows no task itself
    panda_world.py   one PyBullet world with that arm in it, its motors, and a bound on how fast joints move
    camera.py        pictures of a PyBullet world
    bullet.py        PyBullet itself, without its greeting

May import core, contract, arm and tasks.
"""
