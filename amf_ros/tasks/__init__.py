"""Tasks: what can be asked of the robot, and when it is done.

    base.py      protocols: a suite for a robot, and one with its own simulator
    loading.py   suites by name, an outsider's checked
    table.py     what suites inherit: tasks looked up and told apart;  language.py: by what is said of them
    task_file.py tasks of an arm as a YAML file
    gym.py       gymnasium's environments as a suite
    judge.py     success: true or false, and with dwell
    tabletop/    16 tasks of an arm on a table, in PyBullet
    kinematic/   16 tasks without physics, for benchmarks;  integrator.py: twelve goals on a circle

Imports core and contract only; never arm, policies, selection or store.
"""
