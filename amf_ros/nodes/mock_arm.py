"""mock_arm: the other side of ``robot:=mock``, an arm with ros2_control by its robot file, for rehearsals.

On the wire it is joint_state_broadcaster, the controllers of arm and gripper, the driver's safety topics,
and, where their interfaces are installed, the gripper's action and the controller manager's list service.
Parameters make it lag and tremble; ``ros2 param set /mock_arm fault freeze`` lets something go wrong.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from functools import reduce
from typing import Any

import numpy as np
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.action import ActionServer
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from amf_ros.arm.robot_file import ACTIONS, TRAJECTORY, SafetySpec, load_robot_file
from amf_ros.core.errors import ConfigError
from amf_ros.mock.mock_joints import FAULTS, MockJoints, MockWays
from amf_ros.mock.trajectory_controller import Dropped, Trajectory
from amf_ros.ros import qos
from amf_ros.ros.conversions import message_class, time_msg, to_ns
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.ros2_control.outputs import action_type, gripper_channel
from amf_ros.ros.ros2_control.watches import list_controllers_type, safety_type
from amf_ros.ros.settings import MockArmSettings

SAY_AGAIN_S = 5.0
SAFETY_S = 0.2


class MockArmNode(AmfNode):
    """An arm that is computed, behind the topics of a driver."""

    def __init__(self) -> None:
        super().__init__("mock_arm")
        self._settings = settings = declare(self, MockArmSettings)
        self._robot = robot = load_robot_file(settings.robot_config)
        ways = MockWays(
            lag_s=settings.lag_ms * 1e-3,
            steady_error=settings.steady_error,
            noise=settings.noise,
            split=settings.split_states,
        )
        self._joints = MockJoints(robot, ways)
        self._rng = np.random.default_rng(0)
        self._late: deque[tuple[int, JointState]] = deque()
        states = {robot.state_of(joint).topic for joint in robot.joints}
        self._states = {topic: self.create_publisher(JointState, topic, qos.STREAM) for topic in states}
        self._safety: dict[str, tuple[Any, list[SafetySpec]]] = {}  # topic -> publisher, fields that count
        for spec in robot.safety:
            kind = safety_type(spec)
            if kind is not None and spec.topic not in self._safety:
                self._safety[spec.topic] = self.create_publisher(kind, spec.topic, qos.LATCHED), []
            if kind is not None:
                self._safety[spec.topic][1].append(spec)
        self._listen()
        self._serve()
        self.declare_parameter(
            "fault", "", ParameterDescriptor(description=f"what goes wrong: {', '.join(FAULTS)}")
        )
        self.add_on_set_parameters_callback(self._on_parameters)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / settings.rate_hz, self._tick, clock=steady)
        self.create_timer(SAFETY_S, self._say_safety, clock=steady)
        self._say_safety()
        self.get_logger().info(
            f"a mock of {robot.name}: {len(robot.joints)} joints at {settings.rate_hz:g} Hz; no arm moves"
        )

    def _listen(self) -> None:
        robot = self._robot
        if robot.arm.kind == TRAJECTORY:
            self.create_subscription(JointTrajectory, robot.arm.address, self._on_trajectory, qos.STREAM)
        else:
            self.create_subscription(Float64MultiArray, robot.arm.address, self._on_numbers, qos.STREAM)
        gripper = robot.gripper
        if gripper is None or gripper.kind == "joint":
            return
        kind, address = gripper_channel(gripper, rehearsal=True)
        if kind == TRAJECTORY:
            self.create_subscription(JointTrajectory, address, self._on_gripper_trajectory, qos.STREAM)
        elif kind == "forward_position":
            self.create_subscription(Float64MultiArray, address, self._on_gripper_numbers, qos.STREAM)
        elif kind in ACTIONS:
            action = action_type(kind)
            self._result = action.Result
            self._action = ActionServer(self, action, address, self._on_gripper_goal)

    def _serve(self) -> None:
        kind = list_controllers_type() if self._robot.controller_manager else None
        if kind is not None:
            self.create_service(kind, f"{self._robot.controller_manager}/list_controllers", self._on_list)

    def _tick(self) -> None:
        now_ns = time.time_ns()
        for group in self._joints.step(now_ns):
            message = JointState(name=list(group.names), position=group.position.tolist())
            message.header.stamp = time_msg(group.stamp_ns)
            if self._settings.velocities:
                message.velocity = group.velocity.tolist()
            message.effort = [float("nan")] * len(group.names)
            delay_ns = int(self._rng.uniform(0.0, self._settings.jitter_ms) * 1e6)
            self._late.append((now_ns + delay_ns, message))
        while self._late and self._late[0][0] <= now_ns:
            self._publish(self._late.popleft()[1])

    def _publish(self, message: JointState) -> None:
        """Publish one message, on the topics on which the robot file says its joints come."""
        by_topic: dict[str, list[int]] = {}
        for row, name in enumerate(message.name):
            by_topic.setdefault(self._robot.state_of(name).topic, []).append(row)
        if len(by_topic) == 1:
            self._states[next(iter(by_topic))].publish(message)
            return
        for topic, rows in by_topic.items():
            part = JointState(header=message.header)
            for field in ("name", "position", "velocity", "effort"):
                values = list(getattr(message, field))
                setattr(part, field, [values[row] for row in rows] if values else [])
            self._states[topic].publish(part)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        self._take(lambda now_ns: self._joints.take_trajectory(read_trajectory(message), now_ns))

    def _on_gripper_trajectory(self, message: JointTrajectory) -> None:
        self._take(lambda now_ns: self._joints.take_gripper(read_trajectory(message), now_ns))

    def _on_numbers(self, message: Float64MultiArray) -> None:
        names = self._robot.wire_joints
        if len(message.data) != len(names):
            self._joints.fail("deactivated")
            self.get_logger().error(f"{len(message.data)} numbers for {len(names)} joints: deactivated")
            return
        at_once = Trajectory(0, names, (0,), (tuple(message.data),))
        self._take(lambda now_ns: self._joints.take_trajectory(at_once, now_ns))

    def _on_gripper_numbers(self, message: Float64MultiArray) -> None:
        if len(message.data) == 1:
            self._move_gripper(message.data[0])

    def _move_gripper(self, value: float) -> None:
        gripper = self._robot.gripper
        scale = gripper.command_scale if gripper is not None else 1.0
        at_once = Trajectory(0, self._robot.joints[-1:], (0,), ((value / scale,),))
        self._take(lambda now_ns: self._joints.take_gripper(at_once, now_ns))

    def _take(self, give: Any) -> None:
        try:
            give(time.time_ns())
        except Dropped as dropped:
            self.get_logger().error(f"message dropped: {dropped}", throttle_duration_sec=SAY_AGAIN_S)

    def _on_gripper_goal(self, goal: Any) -> Any:
        position = goal.request.command.position
        self._move_gripper(float(position if isinstance(position, float) else position[0]))
        goal.succeed()
        return self._result()

    def _on_list(self, _: Any, response: Any) -> Any:
        state_of = message_class("controller_manager_msgs/msg/ControllerState")
        for name in self._robot.controllers:
            active = name != self._robot.arm.controller or self._joints.controller.active
            response.controller.append(state_of(name=name, state="active" if active else "inactive"))
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name != "fault":
                continue
            try:
                self._joints.fail(str(parameter.value), time.time_ns())
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._say_safety()
            self.get_logger().warning(f"fault: {FAULTS[self._joints.fault]}")
        return SetParametersResult(successful=True)

    def _say_safety(self) -> None:
        stopped = self._joints.fault == "protective_stop"
        for publisher, specs in self._safety.values():
            message = publisher.msg_type()
            for spec in specs:
                *above, field = spec.field.split(".")
                setattr(reduce(getattr, above, message), field, _other(spec) if stopped else spec.may_move[0])
            publisher.publish(message)


def read_trajectory(message: JointTrajectory) -> Trajectory:
    """Read a message as it came: the controller judges it."""
    return Trajectory(
        to_ns(message.header.stamp),
        tuple(message.joint_names),
        tuple(to_ns(point.time_from_start) for point in message.points),
        tuple(tuple(point.positions) for point in message.points),
        tuple(tuple(point.velocities) for point in message.points),
    )


def _other(spec: SafetySpec) -> bool | int | str:
    """Return a value with which the arm may not move."""
    first = spec.may_move[0]
    if isinstance(first, bool):
        return not first
    return "STOPPED" if isinstance(first, str) else max(int(v) for v in spec.may_move) + 1


def main() -> int:
    """Entry point."""
    return run(MockArmNode)


if __name__ == "__main__":
    sys.exit(main())
