"""Scripted demonstrators for the tabletop as feedback laws: state in, next aim out, no hidden phases.

    moves.py    approach, grasp, place, release, push: what the laws are composed of
    laws.py     one law per task
    expert.py   a law, inverse kinematics, limits and injected noise as a demonstrator

Imports core, ``sim/tabletop`` and ``tasks/tabletop``.
"""

from amf_ros.sim.tabletop.experts.expert import TabletopExpert

__all__ = ["TabletopExpert"]
