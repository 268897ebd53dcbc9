"""Simulated arms.

    pybullet_arm.py  a Franka Panda in PyBullet; takes a scene, knows no task itself
    panda_world.py   one PyBullet world with that arm in it, its motors, and a bound on how fast joints move
    camera.py        pictures of a PyBullet world

May import core, contract, arm and tasks.
"""
