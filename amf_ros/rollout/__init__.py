"""Roll-outs: episodes with a policy or with a scripted expert, on a robot or in a simulator of a suite.

    environment.py        what every environment offers: observations in, actions out, success and time judged
    robot_environment.py  a robot as an environment: contract, gate and judge;  which environment a suite has
    suite_environment.py  the simulator that a suite brings along, as an environment
    episodes.py           one episode of a policy, or of a scripted expert
    suite_check.py        what would make the numbers of a suite wrong, found before anything is learned
    suite_findings.py     what that check found, as values

May import sim and what lies below.
"""
