"""ROS messages <-> values: the one list of message types that a contract can name.

A codec reads a message by attribute names, so that the same code serves rclpy's classes and those that are
made from a recording's definitions. Live nodes, the recorder and replay all go through it. A new type is one
more entry in :data:`CODECS`; where its fields are plain numbers, :func:`numbers_of` is all that it takes.
Imports core and pictures.

    value = to_value("sensor_msgs/msg/JointState", message)
    message = to_message("sensor_msgs/msg/JointState", value, message_class, "base_link")
"""

from __future__ import annotations

import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np

from amf_ros.contract.pictures import compressed_picture, image_fields, picture
from amf_ros.core.errors import DataError
from amf_ros.core.values import JointCommand, JointPlan, JointState, Numbers, Picture, SceneState, Value

JOINT_STATE: Final = "sensor_msgs/msg/JointState"
SCENE_STATE: Final = "amf_msgs/msg/SceneState"
JOINT_TRAJECTORY: Final = "trajectory_msgs/msg/JointTrajectory"
IMAGE: Final = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"

MOST_POINTS = 10_000
MOST_NUMBERS = 10_000
NS = 1_000_000_000

Kind = Literal["joints", "scene", "command", "numbers", "picture"]
Classes = Callable[[str], Any]
"""Gives the message class of a ROS type."""


@dataclass(frozen=True)
class Codec:
    """How messages of one ROS type are read, and written where this package publishes them.

    Attributes:
        kind: what its values are; a contract treats all types of one kind alike.
        read: gives the value of a message; raises DataError where the message's parts do not fit.
        write: gives the message's fields for a value, but for the header; None where nobody publishes it.
        stamped: whether the message begins with a header; without one its arrival is all that dates it.
        elements: names of the numbers that it holds; None where the contract names them.
    """

    kind: Kind
    read: Callable[[Any], Value]
    write: Callable[[Any, Classes], dict[str, Any]] | None = None
    stamped: bool = True
    elements: tuple[str, ...] | None = ()


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
    """Read the header's stamp [ns]."""
    return int(message.header.stamp.sec) * NS + int(message.header.stamp.nanosec)


def joint_state(message: Any) -> JointState:
    """Read a ``sensor_msgs/JointState``; velocities that are not given one to one are NaN, never zero.

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


def _joint_fields(joints: JointState, classes: Classes) -> dict[str, Any]:
    return {
        "name": list(joints.names),
        "position": array.array("d", np.ascontiguousarray(joints.position).tobytes()),
        "velocity": array.array("d", np.ascontiguousarray(joints.velocity).tobytes()),
    }


def scene_state(message: Any) -> SceneState:
    """Read an ``amf_msgs/SceneState``.

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


def _pose(pose: Any) -> tuple[float, ...]:
    p, q = pose.position, pose.orientation
    return (p.x, p.y, p.z, q.x, q.y, q.z, q.w)


def _scene_fields(scene: SceneState, classes: Classes) -> dict[str, Any]:
    pose, point, quaternion = (
        classes(f"geometry_msgs/msg/{name}") for name in ("Pose", "Point", "Quaternion")
    )
    return {
        "names": list(scene.names),
        "poses": [
            pose(position=point(x=x, y=y, z=z), orientation=quaternion(x=qx, y=qy, z=qz, w=qw))
            for x, y, z, qx, qy, qz, qw in scene.poses.tolist()
        ],
    }


def trajectory(message: Any) -> JointCommand | JointPlan:
    """Read a ``trajectory_msgs/JointTrajectory``: one point is a target after one period, several are a plan.

    A trajectory without points means stop, as it does to a joint_trajectory_controller.

    Raises:
        DataError: as :func:`joint_plan`.
    """
    plan = joint_plan(message)
    if len(plan.times_ns) != 1:
        return plan
    return JointCommand(plan.stamp_ns, plan.names, plan.positions[0])


def joint_plan(message: Any) -> JointPlan:
    """Read a ``trajectory_msgs/JointTrajectory`` as targets at times; without points it means stop.

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
    times = [int(p.time_from_start.sec) * NS + int(p.time_from_start.nanosec) for p in points]
    if any(later <= earlier for earlier, later in pairwise([-1, *times])):
        raise DataError(f"joint command has points at {times[:8]} ns; times must increase, from 0 on")
    positions = np.array([point.positions for point in points], dtype=np.float64).reshape(
        len(points), len(names)
    )
    return JointPlan(stamp_ns(message), names, np.array(times, dtype=np.int64), positions)


def _trajectory_fields(plan: JointPlan, classes: Classes) -> dict[str, Any]:
    point, duration = (
        classes("trajectory_msgs/msg/JointTrajectoryPoint"),
        classes("builtin_interfaces/msg/Duration"),
    )
    return {
        "joint_names": list(plan.names),
        "points": [
            point(
                positions=array.array("d", np.ascontiguousarray(row, dtype=np.float64).tobytes()),
                time_from_start=duration(sec=time // NS, nanosec=time % NS),
            )
            for time, row in zip(plan.times_ns.tolist(), plan.positions, strict=True)
        ],
    }


def numbers_of(*paths: str) -> Callable[[Any], Numbers]:
    """Make the reader of a message with a header and these fields, ``wrench.force.x`` for example.

    The elements carry the paths without their first part, which says no more than the type does.
    """
    split = [path.split(".") for path in paths]
    names = tuple(".".join(parts[1:]) for parts in split)

    def read(message: Any) -> Numbers:
        found = []
        for parts in split:
            value = message
            for part in parts:
                value = getattr(value, part)
            found.append(float(value))
        return Numbers(stamp_ns(message), names, np.array(found))

    return read


def multi_array(message: Any) -> Numbers:
    """Read a ``std_msgs/Float64MultiArray``, which has no header; the contract names its elements.

    Raises:
        DataError: more numbers than anybody has names for.
    """
    if len(message.data) > MOST_NUMBERS:
        raise DataError(f"array of {len(message.data)} numbers; at most {MOST_NUMBERS} are taken")
    return Numbers(0, (), np.array(message.data, dtype=np.float64))


_WRENCH = tuple(f"wrench.{part}.{axis}" for part in ("force", "torque") for axis in "xyz")

CODECS: Final[Mapping[str, Codec]] = {
    JOINT_STATE: Codec("joints", joint_state, _joint_fields),
    SCENE_STATE: Codec("scene", scene_state, _scene_fields),
    JOINT_TRAJECTORY: Codec("command", trajectory, _trajectory_fields),
    IMAGE: Codec("picture", lambda message: picture(message, stamp_ns(message)), image_fields),
    COMPRESSED_IMAGE: Codec("picture", lambda message: compressed_picture(message, stamp_ns(message))),
    "std_msgs/msg/Float64MultiArray": Codec("numbers", multi_array, stamped=False, elements=None),
    "geometry_msgs/msg/WrenchStamped": Codec(
        "numbers", numbers_of(*_WRENCH), elements=tuple(path.partition(".")[2] for path in _WRENCH)
    ),
}
"""ROS type -> codec."""


def of_kind(*kinds: Kind) -> tuple[str, ...]:
    """List the ROS types of some kinds."""
    return tuple(type_ for type_, codec in CODECS.items() if codec.kind in kinds)


def codec_of(type_: str) -> Codec:
    """Look up the codec of a ROS type.

    Raises:
        DataError: there is none.
    """
    if type_ not in CODECS:
        raise DataError(f"no value for messages of type {type_!r}; known: {', '.join(CODECS)}")
    return CODECS[type_]


def to_value(type_: str, message: Any, names: Sequence[str] = ()) -> Value:
    """Read a message, anything with its fields as attributes; ``names`` name its numbers if it does not.

    Raises:
        DataError: any other type, or a message whose parts do not fit.
    """
    value = codec_of(type_).read(message)
    if names and isinstance(value, Numbers):
        if len(names) != len(value.values):
            raise DataError(
                f"message holds {len(value.values)} numbers, and the contract names {len(names)} "
                f"({', '.join(names[:4])}, ...); they must be equally many"
            )
        return Numbers(value.stamp_ns, tuple(names), value.values)
    return value


def to_message(type_: str, value: Value | Picture, classes: Classes, frame_id: str) -> Any:
    """Write a value as a message that is made anew: a published one must not change under its readers.

    Args:
        type_: ROS type of the message.
        value: of the codec's kind; a command as a :class:`~amf_ros.core.values.JointPlan`.
        classes: gives message classes by ROS type.
        frame_id: of the header.

    Raises:
        DataError: the type is unknown, or nothing writes it.
    """
    codec = codec_of(type_)
    if codec.write is None:
        raise DataError(f"messages of type {type_!r} are read and not written; add write to its codec")
    stamp = classes("builtin_interfaces/msg/Time")(sec=value.stamp_ns // NS, nanosec=value.stamp_ns % NS)
    header = classes("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)
    return classes(type_)(header=header, **codec.write(value, classes))
