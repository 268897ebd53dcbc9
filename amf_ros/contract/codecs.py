"""ROS messages -> values, by attribute names: one code for rclpy's classes and for those read from a file.

Imports types and errors only.

    value = to_value("sensor_msgs/msg/JointState", message)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from amf_ros.core.errors import DataError
from amf_ros.core.values import JointCommand, JointPlan, JointState, SceneState

MOST_POINTS = 10_000

Value = JointState | SceneState | JointCommand | JointPlan


@dataclass(frozen=True, slots=True)
class Arrived:
    """One recorded message.

    Attributes:
        value: None where the message could not be read.
        arrival_ns: when the recorder got it [ns]; 0 = unknown.
        publish_ns: when it was true, as the recorder judged; a header without a stamp does not say [ns].
        problem: why it could not be read.
    """

    value: Value | None
    arrival_ns: int = 0
    publish_ns: int = 0
    problem: str = ""


def stamp_ns(message: Any) -> int:
    """The header's stamp [ns]."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def joint_state(message: Any) -> JointState:
    """``sensor_msgs/JointState``; velocities that are not given one to one are NaN, never zero.

    Raises:
        DataError: positions do not belong one to one to the names.
    """
    names = tuple(message.name)
    position = np.array(message.position, dtype=np.float64)
    velocity = np.array(message.velocity, dtype=np.float64)
    if len(velocity) != len(names):  # whether that matters is for whoever uses velocities to say
        velocity = np.full(len(names), np.nan)
    if len(position) != len(names):
        raise DataError(
            f"joint state has {len(names)} names and {len(position)} positions; they must be equally many"
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
    found = trajectory(message)
    if isinstance(found, JointPlan):
        raise DataError(
            f"joint command for {len(found.names)} joints has {len(found.times_ns)} points, expected one"
        )
    return found


def trajectory(message: Any) -> JointCommand | JointPlan:
    """``trajectory_msgs/JointTrajectory``: targets to be at after one period, or, of several points, a plan.

    A trajectory without points means stop, as it does to a joint_trajectory_controller.

    Raises:
        DataError: as :func:`joint_plan`.
    """
    plan = joint_plan(message)
    if len(plan.times_ns) != 1:
        return plan
    return JointCommand(plan.stamp_ns, plan.names, plan.positions[0])


def joint_plan(message: Any) -> JointPlan:
    """``trajectory_msgs/JointTrajectory`` as targets at times; without points it means stop.

    Velocities, accelerations and efforts beside positions are not used: between points go straight lines.

    Raises:
        DataError: a point without a position for each joint, or times that do not increase.
    """
    names, points = tuple(message.joint_names), message.points
    if len(points) > MOST_POINTS:
        raise DataError(f"joint command has {len(points)} points; at most {MOST_POINTS} are taken")
    for number, point in enumerate(points, start=1):
        if len(point.positions) == len(names) > 0:
            continue
        given = f"{len(point.positions)} positions"
        if names and not len(point.positions):
            given = next((f"{kind} only" for kind in ("velocities", "effort") if getattr(point, kind)), given)
        raise DataError(
            f"joint command for {len(names)} joints has a point with {given} (the {number}.); "
            "expected a position for each joint in each point"
        )
    times = [_duration_ns(point.time_from_start) for point in points]
    if any(later <= earlier for earlier, later in pairwise([-1, *times])):
        raise DataError(f"joint command has points at {times[:8]} ns; times must increase, from 0 on")
    positions = np.array([point.positions for point in points], dtype=np.float64).reshape(
        len(points), len(names)
    )
    return JointPlan(stamp_ns(message), names, np.array(times, dtype=np.int64), positions)


def _duration_ns(duration: Any) -> int:
    return int(duration.sec) * 1_000_000_000 + int(duration.nanosec)


CONVERSIONS: Mapping[str, Callable[[Any], Value]] = {
    "sensor_msgs/msg/JointState": joint_state,
    "amf_msgs/msg/SceneState": scene_state,
    "trajectory_msgs/msg/JointTrajectory": trajectory,
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
