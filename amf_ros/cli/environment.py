"""Which ROS 2 there is, told without importing it.

problem = missing_ros()      # "" where rclpy and amf_msgs can be imported
"""

from __future__ import annotations

import importlib.util

from amf_ros.errors import AmfError


class NoRos(AmfError):
    """A command needs ROS 2 and there is none in this environment; says what to source."""


def missing_ros() -> str:
    """What to do so that rclpy and amf_msgs can be imported; empty where they can."""
    if importlib.util.find_spec("rclpy") is None:
        return (
            "ROS 2 is not sourced: run `source scripts/env.sh` (after `make setup`), or source your workspace"
        )
    messages = importlib.util.find_spec("amf_msgs")
    if messages is None or messages.origin is None:  # our folder of .msg files is not the built package
        return (
            "amf_msgs is not built or not sourced: run `make setup` and `source scripts/env.sh`, "
            "or colcon build and source install/setup.bash"
        )
    return ""


def require_ros() -> None:
    """Go on only where ROS 2 can be used.

    Raises:
        NoRos: with what to source.
    """
    problem = missing_ros()
    if problem:
        raise NoRos(problem)
