"""ROS messages -> values, by attribute names: one code for rclpy's classes and for those read from a file.

Imports types and errors only.

    value = to_value("sensor_msgs/msg/JointState", message)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from amf_ros.errors import DataError
from amf_ros.types import JointCommand, JointState, SceneState

Value = JointState | SceneState | JointCommand


def stamp_ns(message: Any) -> int:
    """The header's stamp [ns]."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def joint_state(message: Any) -> JointState:
    """``sensor_msgs/JointState``; velocities that are not given are NaN, never zero.

    Raises:
        DataError: positions or velocities do not belong one to one to the names.
    """
    names = tuple(message.name)
    position = np.array(message.position, dtype=np.float64)
    velocity = np.array(message.velocity, dtype=np.float64)
    if len(velocity) == 0:
        velocity = np.full(len(names), np.nan)
    if len(position) != len(names) or len(velocity) != len(names):
        raise DataError(
            f"joint state has {len(names)} names, {len(position)} positions and {len(velocity)} velocities; "
            "they must be equally many"
        )
    return JointState(stamp_ns(message), names, position, velocity)


def scene_state(message: Any) -> SceneState:
    """``amf_msgs/SceneState``.

    Raises:
        DataError: poses do not belong one to one to the names.
    """
    names = tuple(message.names)
    if len(message.poses) != len(names):
        raise DataError(
            f"scene state has {len(names)} names and {len(message.poses)} poses; make them equally many"
        )
    poses = np.array([_pose(pose) for pose in message.poses], dtype=np.float64).reshape(len(names), 7)
    return SceneState(stamp_ns(message), names, poses)


def joint_command(message: Any) -> JointCommand:
    """``trajectory_msgs/JointTrajectory`` of one point: the targets to be at after one period.

    Raises:
        DataError: more or fewer points than one, or positions that do not fit the names.
    """
    names = tuple(message.joint_names)
    if len(message.points) != 1 or len(message.points[0].positions) != len(names):
        positions = [len(point.positions) for point in message.points]
        raise DataError(
            f"joint command for {len(names)} joints has points with {positions} positions; "
            "expected one point with a position for each joint"
        )
    return JointCommand(stamp_ns(message), names, np.array(message.points[0].positions, dtype=np.float64))


CONVERSIONS: Mapping[str, Callable[[Any], Value]] = {
    "sensor_msgs/msg/JointState": joint_state,
    "amf_msgs/msg/SceneState": scene_state,
    "trajectory_msgs/msg/JointTrajectory": joint_command,
}


def to_value(type_: str, message: Any) -> Value:
    """The value of a message of one of the types that a contract can name.

    Raises:
        DataError: any other type, or a message whose parts do not fit.
    """
    if type_ not in CONVERSIONS:
        raise DataError(f"no value for messages of type {type_!r}; known: {', '.join(CONVERSIONS)}")
    return CONVERSIONS[type_](message)


def _pose(pose: Any) -> tuple[float, ...]:
    p, q = pose.position, pose.orientation
    return (p.x, p.y, p.z, q.x, q.y, q.z, q.w)
