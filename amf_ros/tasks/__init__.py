"""Tasks: what can be asked of the robot, when it is done, and how a scripted expert does it.

    base.py      protocols: suite, with its expert and scene for a robot or with its own simulator
    loading.py   suites by name, an outsider's checked
    table.py     what suites inherit: tasks looked up and told apart;  language.py: by what is said of them
    gym.py       gymnasium's environments as a suite
    judge.py     success: true or false, and with dwell
    tabletop/    16 tasks of an arm on a table, in PyBullet
    kinematic/   16 tasks without physics, for benchmarks;  integrator.py: twelve goals on a circle

Imports types, errors, registry and config only; never robots, policies, selection or data.
"""
