"""An arm under ros2_control, or its mock: ``robot:=ros2_control`` and ``robot:=mock``, by one robot file.

It holds together what the other files of this folder do: states by joint, watches that say why the arm may
not move, and outputs for arm and gripper. Everything runs in the robot node's executor; no call waits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from amf_ros.arm.protocol import JointLimit, RobotContext
from amf_ros.arm.robot_file import RobotFile, load_robot_file
from amf_ros.core.errors import ConfigError, RobotFault
from amf_ros.core.values import Array, JointCommand, JointState
from amf_ros.ros.ros2_control.outputs import make_outputs
from amf_ros.ros.ros2_control.states import JointReadings
from amf_ros.ros.ros2_control.watches import ControllerWatch, SafetyWatch, UrdfWatch

HORIZON_S = 0.15
"""How far ahead a controller is told: it goes to the last point even when nobody is left to stop it [s]."""
LOOK_S = 0.2


def make_ros2_control_arm(context: RobotContext) -> Ros2ControlArm:
    """Make the arm that ``robot:=ros2_control`` means.

    Raises:
        ConfigError: no robot file, one that says something wrong, or an interface that is not installed.
    """
    return Ros2ControlArm(context, rehearsal=False)


def make_mock_arm(context: RobotContext) -> Ros2ControlArm:
    """Make the arm that ``robot:=mock`` means: the same, before the mock's process.

    Interfaces that are not installed are done without, as the mock does them without (``rehearsal``).

    Raises:
        ConfigError: no robot file, or one that says something wrong.
    """
    return Ros2ControlArm(context, rehearsal=True)


class Ros2ControlArm:
    """Implements :class:`amf_ros.arm.protocol.Arm`; starts stopped, as all that is no simulator.

    Args:
        context: its ``config`` names the robot file, its ``node`` is the robot node.
        rehearsal: whether the other side is the mock.
    """

    simulated = False

    def __init__(self, context: RobotContext, *, rehearsal: bool) -> None:
        if context.node is None:
            raise ConfigError("this robot is reached over ROS: start its node, with `amf up` or ros2 launch")
        self._node = node = context.node
        self._robot: RobotFile = load_robot_file(context.config)
        self._period_ns = round(1e9 / context.rate_hz)
        self.lookahead = max(0, int(HORIZON_S * context.rate_hz + 1e-9) - 1)
        self.velocity_scale = self._robot.velocity_scale
        self._readings = JointReadings(node, self._robot)
        self._outputs = make_outputs(node, self._robot, self._period_ns, rehearsal=rehearsal)
        addresses = [output.listened_to for output in self._outputs]
        self._watches = (
            SafetyWatch(node, self._robot.safety),
            ControllerWatch(node, self._robot, addresses),
            UrdfWatch(node, self._robot),
        )
        self._looked_s = 0.0
        self._targets: dict[str, float] = {}
        self._measured: dict[str, float] = {}
        self._closed = False

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The robot file's joints, in its order."""
        return self._robot.joints

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """The robot file's limits."""
        return self._robot.joint_limits

    @property
    def state_topics(self) -> frozenset[str]:
        """The resolved topics on which the driver itself says the joints: nobody else says them there."""
        return self._readings.topics

    def connect(self) -> None:
        """Do nothing: subscriptions are there from the beginning, and :meth:`read` says what is missing."""

    def read(self) -> JointState | None:
        """Return the newest of every joint under the oldest stamp among the arm's.

        Raises:
            RobotFault: a joint is missing or too old, a controller is not active, or a safety topic forbids.
        """
        if self._closed:
            raise RobotFault("the arm is closed")
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            for watch in self._watches:
                watch.look()
        for watch in self._watches:  # first: it says more than that no state comes
            if watch.problem:
                raise RobotFault(watch.problem)
        state = self._readings.read()
        if state is not None:
            self._measured = dict(zip(state.names, state.position.tolist(), strict=True))
        return state

    def write(self, command: JointCommand, ahead: Sequence[JointCommand] = ()) -> None:
        """Send targets to the controllers; joints that are not named keep theirs.

        A command to stay where all joints are is a hold, and a gripper with a channel of its own hears
        nothing of it: what it holds, it is to go on holding with the force that its last target gives.

        Raises:
            RobotFault: it was never said where a joint is, or an output cannot take it.
        """
        if self._closed:
            raise RobotFault("the arm is closed")
        if not self._targets:
            self._targets = self._readings.positions()
        rows: list[dict[str, float]] = []
        for one in (command, *ahead):
            row = dict(rows[-1] if rows else self._targets)
            row.update(zip(one.names, one.position.tolist(), strict=True))
            rows.append(row)
        before = self._targets
        stamp_ns = self._readings.clock_ns(self._period_ns // 2)
        named = set(command.names).union(*(one.names for one in ahead))
        for output in self._outputs:
            if not named.intersection(output.joints) or (output.grips and self._is_hold(command)):
                continue
            points = np.array([[row[joint] for joint in output.joints] for row in rows])
            start = np.array([before[joint] for joint in output.joints])
            output.send(points, velocities(start, points, self._period_ns * 1e-9), stamp_ns)
        self._targets = rows[0]

    def hold(self) -> None:
        """Tell the controllers to stay where the joints are, as far as that is known.

        Where it is not, nothing is sent: controllers stay at their last point, which is near, and a position
        from before would move an arm that was moved meanwhile.
        """
        self._targets = {}
        try:
            state = self._readings.read()
        except RobotFault:
            return
        if state is None or not np.isfinite(state.position).all():
            return
        for output in self._outputs:
            if not output.grips:
                output.stay(state.positions(output.joints))

    def _is_hold(self, command: JointCommand) -> bool:
        asked = zip(command.names, command.position.tolist(), strict=True)
        return len(command.names) == len(self.joint_names) and all(
            self._measured.get(name) == position for name, position in asked
        )

    def close(self) -> None:
        """Take no more; controllers stay at their last point, which the node has made a hold."""
        self._closed = True


def velocities(start: Array, points: Array, period_s: float) -> Array | None:
    """Return the velocities with which a chunk of points joins smoothly, (n, n_joints); None for one point.

    They are central differences, and zero at the end, which joint_trajectory_controller asks for. With one
    point alone that would be to stop at each, so that goes without: a straight line.
    """
    if len(points) < 2:
        return None
    around = np.vstack([start, points])
    made = np.zeros_like(points)
    made[:-1] = (around[2:] - around[:-2]) / (2.0 * period_s)
    return made
