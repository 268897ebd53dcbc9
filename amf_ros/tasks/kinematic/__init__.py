"""The kinematic suite: a tool with suction takes one of four objects to one of four goals, no physics.

A step costs microseconds, so that a whole session of a network fits into seconds: for benchmarks and tests
of selection. Imports types and errors.

    suite = KinematicSuite()                    # one task element each: tasks share nothing by name
    suite = KinematicAttributesSuite()          # object and goal elements: tasks share half of their name
"""

from amf_ros.tasks.kinematic.suite import KinematicAttributesSuite, KinematicSuite

__all__ = ["KinematicAttributesSuite", "KinematicSuite"]
