"""How commands reach the controllers: as trajectories, as bare numbers, or as goals of a gripper's action.

outputs = make_outputs(node, robot, period_ns, rehearsal=False)
outputs[0].send(points, velocities, stamp_ns)        # (n, n_joints), one row for each period
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

import numpy as np
from builtin_interfaces.msg import Duration
from rclpy.action import ActionClient
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_ros.arm.robot_file import ACTIONS, TRAJECTORY, GripperSpec, RobotFile
from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Array
from amf_ros.ros import qos
from amf_ros.ros.conversions import time_msg


class CommandOutput(Protocol):
    """What takes the commands of some joints.

    Attributes:
        joints: in the order of its columns.
        listened_to: the topic that a controller must listen to; empty where it is an action.
        grips: whether it is a gripper's own, which holds of the arm do not concern.
    """

    joints: tuple[str, ...]
    listened_to: str
    grips: bool

    def send(self, points: Array, velocities: Array | None, stamp_ns: int) -> None:
        """Send targets, one row for each period to come."""

    def stay(self, position: Array) -> None:
        """Send where the joints are."""


def make_outputs(
    node: Node, robot: RobotFile, period_ns: int, *, rehearsal: bool
) -> tuple[CommandOutput, ...]:
    """Make the outputs of arm and gripper.

    Raises:
        ConfigError: the gripper is an action, and its interface is not installed.
    """
    arm = robot.arm
    made: list[CommandOutput] = []
    if arm.kind == TRAJECTORY:
        made.append(TrajectoryOutput(node, arm.address, robot.wire_joints, period_ns, arm.stamp == "now"))
    else:
        made.append(NumbersOutput(node, arm.address, robot.wire_joints))
    gripper = robot.gripper
    if gripper is None or gripper.kind == "joint":
        return tuple(made)
    made.append(_gripper(node, robot, gripper, period_ns, rehearsal=rehearsal))
    made[-1].grips = True
    return tuple(made)


def _gripper(
    node: Node, robot: RobotFile, gripper: GripperSpec, period_ns: int, *, rehearsal: bool
) -> CommandOutput:
    kind, address = gripper_channel(gripper, rehearsal=rehearsal)
    joint = robot.joints[-1:]
    if kind == TRAJECTORY:
        return TrajectoryOutput(node, address, joint, period_ns, robot.arm.stamp == "now")
    if kind == "forward_position":
        return NumbersOutput(node, address, joint, gripper.command_scale)
    return GripperAction(node, address, joint, gripper)


def gripper_channel(gripper: GripperSpec, *, rehearsal: bool) -> tuple[str, str]:
    """Return kind and address of a gripper of its own, as this computer can speak to it.

    Without control_msgs a mock is told by bare numbers, on both sides alike; a real gripper is not.

    Raises:
        ConfigError: a real gripper is an action, and control_msgs is not installed.
    """
    if gripper.kind not in ACTIONS or action_type(gripper.kind) is not None:
        return gripper.kind, gripper.address
    if rehearsal:
        return "forward_position", f"{gripper.controller}/commands"
    raise ConfigError(
        f"gripper.kind is {gripper.kind}, which needs the ROS package control_msgs: install and source "
        "it, or take a gripper that listens to a topic (kind joint_trajectory or forward_position)"
    )


def action_type(kind: str) -> Any:
    """Return the class of a gripper's action, or None where control_msgs is not installed or lacks it."""
    name = "GripperCommand" if kind == "gripper_command" else "ParallelGripperCommand"
    try:
        return getattr(importlib.import_module("control_msgs.action"), name, None)
    except ImportError:
        return None


class TrajectoryOutput:
    """Sends ``trajectory_msgs/JointTrajectory``: several points where more than the next is known.

    Args:
        stamped: whether commands are stamped with the time at which they count, or 0.
    """

    def __init__(
        self, node: Node, address: str, joints: tuple[str, ...], period_ns: int, stamped: bool
    ) -> None:
        self.joints, self.listened_to, self.grips = joints, node.resolve_topic_name(address), False
        self._period_ns, self._stamped = period_ns, stamped
        self._publisher = node.create_publisher(JointTrajectory, address, qos.STREAM)

    def send(self, points: Array, velocities: Array | None, stamp_ns: int) -> None:
        """Send points that are reached after one period each."""
        message = JointTrajectory(joint_names=list(self.joints))
        if self._stamped and stamp_ns:
            message.header.stamp = time_msg(stamp_ns)
        for k, row in enumerate(points):
            point = JointTrajectoryPoint(positions=row.tolist())
            if velocities is not None:
                point.velocities = velocities[k].tolist()
            seconds, rest = divmod((k + 1) * self._period_ns, 1_000_000_000)
            point.time_from_start = Duration(sec=int(seconds), nanosec=int(rest))
            message.points.append(point)
        self._publisher.publish(message)

    def stay(self, position: Array) -> None:
        """Send one point, where the joints are, stamped 0: it counts whenever it comes."""
        self.send(position[None], None, 0)


class NumbersOutput:
    """Sends ``std_msgs/Float64MultiArray`` to a forward_position_controller: the next target alone.

    It has no names on the wire, and a wrong number of them would deactivate it: the order is the file's.
    """

    def __init__(self, node: Node, address: str, joints: tuple[str, ...], scale: float = 1.0) -> None:
        self.joints, self.listened_to, self.grips = joints, node.resolve_topic_name(address), False
        self._scale = scale
        self._publisher = node.create_publisher(Float64MultiArray, address, qos.STREAM)

    def send(self, points: Array, velocities: Array | None, stamp_ns: int) -> None:
        """Send the first row."""
        self._publisher.publish(Float64MultiArray(data=(points[0] * self._scale).tolist()))

    def stay(self, position: Array) -> None:
        """Send where the joints are."""
        self.send(position[None], None, 0)


class GripperAction:
    """Sends goals to a gripper, and only where the target changed: no gripper takes a stream of them.

    A change is a move by a share of the stroke, the file's ``hysteresis``, or arrival at open or closed.
    """

    def __init__(self, node: Node, address: str, joint: tuple[str, ...], spec: GripperSpec) -> None:
        self.joints, self.listened_to, self.grips = joint, "", True
        self._spec, self._type = spec, action_type(spec.kind)
        self._client = ActionClient(node, self._type, address)
        self._sent: float | None = None

    def send(self, points: Array, velocities: Array | None, stamp_ns: int) -> None:
        """Send a goal, if the target is another one than the last goal's."""
        target = float(points[0, 0])
        if not self._is_news(target):
            return
        self._sent = target
        value = target * self._spec.command_scale
        goal = self._type.Goal()
        if self._spec.kind == "gripper_command":
            goal.command.position, goal.command.max_effort = value, self._spec.max_effort
        else:
            goal.command.name, goal.command.position = list(self.joints), [value]
            if self._spec.max_effort:
                goal.command.effort = [self._spec.max_effort]
        self._client.send_goal_async(goal)

    def stay(self, position: Array) -> None:
        """Send nothing: a gripper that holds something is to go on holding it."""

    def _is_news(self, target: float) -> bool:
        if self._sent is None:
            return True
        spec = self._spec
        moved = abs(target - self._sent)
        at_end = bool(np.isclose(target, (spec.open, spec.closed), atol=1e-6).any()) and moved > 1e-6
        return at_end or moved >= spec.hysteresis * abs(spec.open - spec.closed)
