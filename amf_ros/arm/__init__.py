"""Before any arm, simulated or real: what an arm offers, and what stands between it and whoever commands.

    protocol.py   what an arm offers (connect, read, write, hold, close), and what its maker is given
    robot_file.py one real arm in YAML: joints, controllers, limits, topics that say whether it may move
    loading.py    finds and checks the arm that ``robot:=`` names
    gate.py       bounds every command: limits, and refusal of what is no number
    arbiter.py    who drives, along which plan, when the arm holds, and when it is stopped
    turns.py      passes time and sends what was decided: lock-step (simulators) or real time
    presence.py   whether a real arm is there, and how old its state is
    tally.py      counts what became of commands
    episode_follower.py  tells from the stamps of states alone when to act in an episode

Imports core and contract only. Simulators are in ``sim/``; the node around it all is ``nodes/robot.py``.
"""
