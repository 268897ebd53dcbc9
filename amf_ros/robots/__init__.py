"""Robots: what carries out joint commands.

    base.py       the protocol: reset, state, step; joint limits
    safety.py     the gate between every commander and the arm: limits, NaN refusal, latched stop
    driver.py     time and turns of one robot: lock-step or real time, plans, holds; tally.py counts
    pybullet.py   a simulated Panda; takes a scene from a task suite, knows no task itself
    panda.py      one PyBullet world with that arm in it, its motors, and a bound on how fast joints move
    camera.py     pictures of a PyBullet world

Imports types and errors only; never tasks, policies, selection or data.
"""
