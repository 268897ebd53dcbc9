"""The arm: what carries out joint commands, and what stands before it.

    protocol.py   what an arm offers; joint limits
    gate.py       the gate that every command passes: limits, refusal of NaN, latched stop
    driver.py     time and turns of one arm: lock-step or real time, plans, holds;  tally.py counts
    episode_follower.py  tells from the stamps of states alone when to act in an episode

Imports core and contract only.
"""
