"""Which ROS 2 there is, told without importing it.

problem = missing_ros()      # "" where rclpy and amf_msgs can be imported
"""

from __future__ import annotations

import importlib.util
import os
import re

from amf_ros.core.errors import AmfError, ConfigError, shown

_MOST_DOMAIN = 232
_NAMESPACE = re.compile(r"/?|/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


class NoRos(AmfError):
    """A command needs ROS 2 and there is none in this environment; says what to source."""


def missing_ros() -> str:
    """Return what to do so that rclpy and amf_msgs can be imported; empty where they can."""
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


def require_ros(namespace: str = "") -> None:
    """Go on only where ROS 2 can be used, in this domain and namespace.

    Raises:
        NoRos: with what to source.
        ConfigError: ROS_DOMAIN_ID or the namespace cannot be one.
    """
    problem = missing_ros()
    if problem:
        raise NoRos(problem)
    ros_domain()
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigError(
            f"namespace {shown(namespace)}: use letters, digits and '_', no part beginning with a digit, "
            "parts joined by '/', for example left_arm"
        )


def ros_domain() -> int:
    """Return the ROS domain of this shell. Raises ConfigError where ROS_DOMAIN_ID is none."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdecimal() or int(text) > _MOST_DOMAIN:
        raise ConfigError(
            f"ROS_DOMAIN_ID {shown(text)} is not a number from 0 to {_MOST_DOMAIN}: "
            "unset it, or take one up to 101"
        )
    return int(text)
