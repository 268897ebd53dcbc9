"""A pretend arm with its device: states and commands on topics in real time, with the quirks of drivers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Pose, Quaternion
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import SceneState
from amf_ros.core.values import Task
from amf_ros.ros import qos
from amf_ros.ros.conversions import time_msg
from support.nodes import Bench

NS = 1_000_000_000
ARM = [f"panda_joint{i}" for i in range(1, 8)]
GRIPPER = "panda_finger_joint1"
HOME = [0.0, -0.328, 0.0, -2.549, 0.0, 2.221, 0.785, 0.03]


class Arm:
    """Joint states at 100 Hz, the scene at 50 Hz, commands at 20 Hz, stamped by the wall clock.

    Args:
        split: the gripper is in a message of its own, at 25 Hz.
        offsets: topic -> added to its stamps [s]; None = stamps are zero.
        late_ms: the gripper's messages are stamped so much earlier than they come.
        gripper: what it is commanded to.
        objects: in the scene; None = those of the task.
    """

    def __init__(
        self,
        on: Bench,
        task: Task,
        *,
        joints_qos: Any = qos.STREAM,
        split: bool = False,
        offsets: dict[str, float | None] | None = None,
        late_ms: float = 0.0,
        gripper: float = 0.03,
        objects: list[str] | None = None,
    ) -> None:
        self._on, self._split, self._offsets, self._gripper = on, split, offsets or {}, gripper
        self._late_ns = round(late_ms * 1e6)
        self._objects = ["tool0", *sorted(set(task.roles.values()))] if objects is None else objects
        client = on.client
        self._joints = client.create_publisher(JointState, "joint_states", joints_qos)
        self._scene = client.create_publisher(SceneState, "scene_state", qos.STREAM)
        self.commands = client.create_publisher(JointTrajectory, "teleop/command", qos.STREAM)
        self._start_ns = time.time_ns()
        self._count = 0

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Publish until something is the case."""
        end = time.monotonic() + timeout_s
        due = time.monotonic()
        while not done():
            assert time.monotonic() < end, f"waited {timeout_s} s for {what}"
            if time.monotonic() >= due:
                self.publish(time.time_ns())
                due = max(due + 0.01, time.monotonic() - 0.05)
            self._on.executor.spin_once(timeout_sec=0.002)

    def publish(self, ns: int) -> None:
        """What is due now."""
        count, self._count = self._count, self._count + 1
        arm = [0.2 * math.sin((ns - self._start_ns) * 1e-9), *HOME[1:7]]
        if self._split:
            self._state(ns, ARM, arm)
            if count % 4 == 0:
                self._state(ns - self._late_ns, [GRIPPER], HOME[7:])
        else:
            self._state(ns, [*ARM, GRIPPER], [*arm, HOME[7]])
        if count % 2 == 0:
            upright = [Pose(orientation=Quaternion(w=1.0)) for _ in self._objects]
            header = self._header("scene_state", ns)
            self._scene.publish(SceneState(header=header, names=self._objects, poses=upright))
        if count % 5 == 0:
            point = JointTrajectoryPoint(positions=[*arm, self._gripper])
            header = self._header("teleop/command", ns)
            names = [*ARM, GRIPPER]
            self.commands.publish(JointTrajectory(header=header, joint_names=names, points=[point]))

    def _state(self, ns: int, names: list[str], position: list[float]) -> None:
        header = self._header("joint_states", ns)
        self._joints.publish(JointState(header=header, name=names, position=position))

    def _header(self, topic: str, ns: int) -> Header:
        offset = self._offsets.get(topic, 0.0)
        return Header(stamp=time_msg(0 if offset is None else ns + round(offset * NS)))
