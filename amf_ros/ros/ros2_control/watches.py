"""Whether the arm may move, as far as its driver says: controllers, safety topics, and the URDF.

Each watch has ``problem``, one line that says why not and what to do, empty where nothing is wrong; ``look``
is called a few times a second and never waits.
"""

from __future__ import annotations

import importlib
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from amf_ros.arm.robot_file import RobotFile, SafetySpec
from amf_ros.core.errors import ConfigError
from amf_ros.ros import qos
from amf_ros.ros.conversions import message_class

ANSWER_S = 2.0
TOLERANCE = 1e-3  # relative, of a limit: files round


class ControllerWatch:
    """Asks the controller manager whether the controllers are active: a command to another one vanishes.

    Where controller_manager_msgs is not installed, or the file names no manager, all that can be seen is
    whether somebody listens to the commands, and an inactive controller listens too; that is said once.
    """

    def __init__(self, node: Node, robot: RobotFile, addresses: Sequence[str]) -> None:
        self._node, self._robot = node, robot
        self._addresses = [address for address in addresses if address]
        self._client, self._asked_s = None, 0.0
        self._waiting: Any = None
        self.problem = f"it is not known yet whether controller {robot.arm.controller} is active"
        service = list_controllers_type() if robot.controller_manager else None
        if service is not None:
            self._request = service.Request
            name = f"{robot.controller_manager}/list_controllers"
            self._name, self._client = name, node.create_client(service, name)
        else:
            node.get_logger().warning(
                "whether controllers are active cannot be asked (controller_manager_msgs is not installed, "
                "or the robot file names no controller_manager): only whether somebody listens to commands"
            )

    def look(self) -> None:
        """Ask again, where the last answer has come."""
        deaf = [one for one in self._addresses if not self._node.count_subscribers(one)]
        if deaf:
            self.problem = (
                f"nobody listens to {deaf[0]}: controller {self._robot.arm.controller} is not loaded, or has "
                "another name or namespace (`ros2 control list_controllers`)"
            )
            return
        if self._client is None:
            self.problem = ""
            return
        now_s = time.monotonic()
        if self._waiting is not None and now_s - self._asked_s < ANSWER_S:
            return
        if self._waiting is not None or not self._client.service_is_ready():
            self._waiting = None
            self.problem = f"{self._name} does not answer: is the controller manager running?"
            if not self._client.service_is_ready():
                return
        self._asked_s = now_s
        self._waiting = self._client.call_async(self._request())
        self._waiting.add_done_callback(self._on_answer)

    def _on_answer(self, future: Any) -> None:
        if future is not self._waiting:
            return  # one that was given up
        self._waiting = None
        states = {one.name: one.state for one in future.result().controller}
        for name in self._robot.controllers:
            if states.get(name) != "active":
                what = f"is {states[name]}" if name in states else "is not loaded"
                self.problem = (
                    f"controller {name} {what}: `ros2 control switch_controllers --activate {name}`; there "
                    f"are {', '.join(f'{k} ({v})' for k, v in states.items()) or 'none'}"
                )
                return
        self.problem = ""


def list_controllers_type() -> Any | None:
    """Return the class of the controller manager's service, or None where it is not installed."""
    try:
        return importlib.import_module("controller_manager_msgs.srv").ListControllers
    except (ImportError, AttributeError):
        return None


class SafetyWatch:
    """Hears the safety topics. What was never said forbids, and so does what nobody says any more.

    Raises:
        ConfigError: the ROS type of a topic that is not optional is not installed, or lacks the field.
    """

    def __init__(self, node: Node, specs: Sequence[SafetySpec]) -> None:
        self._node = node
        self._specs: list[SafetySpec] = []
        self._values: dict[int, Any] = {}
        self._came_s: dict[int, float] = {}
        for spec in specs:
            kind = safety_type(spec)
            if kind is None:
                node.get_logger().warning(
                    f"safety topic {spec.topic} is not looked at: {spec.type} is not installed"
                )
                continue
            profile = qos.LATCHED if spec.latched else qos.UNRELIABLE
            node.create_subscription(kind, spec.topic, partial(self._on_value, len(self._specs)), profile)
            self._specs.append(spec)
        self.problem = ""
        self._judge()

    def _on_value(self, row: int, message: Any) -> None:
        value = reduce(getattr, self._specs[row].field.split("."), message)
        self._values[row], self._came_s[row] = value, time.monotonic()
        self._judge()

    def look(self) -> None:
        """Forget what a publisher said that is gone, or that should have said it again."""
        for row, spec in enumerate(self._specs):
            if row not in self._values:
                continue
            old = not spec.latched and time.monotonic() - self._came_s[row] > spec.max_age_ms * 1e-3
            if old or not self._node.count_publishers(spec.topic):
                del self._values[row]
        self._judge()

    def _judge(self) -> None:
        for row, spec in enumerate(self._specs):
            meaning = f": {spec.meaning}" if spec.meaning else ""
            if row not in self._values:
                self.problem = f"nothing is heard on safety topic {spec.topic}: is the driver running?"
                return
            if self._values[row] not in spec.may_move:
                allowed = ", ".join(map(str, spec.may_move))
                self.problem = (
                    f"{spec.topic} says {spec.field} = {self._values[row]}, with {allowed} the arm may move"
                    f"{meaning}"
                )
                return
        self.problem = ""


def safety_type(spec: SafetySpec) -> Any | None:
    """Return the class of a safety topic's messages; None where it is optional and not installed.

    Raises:
        ConfigError: it is not optional and not installed, or has no such field.
    """
    try:
        kind = message_class(spec.type)
    except ConfigError as error:
        if spec.optional:
            return None
        raise ConfigError(f"safety topic {spec.topic}: {error}") from error
    if spec.field.split(".")[0] not in kind.get_fields_and_field_types():
        raise ConfigError(f"safety topic {spec.topic}: {spec.type} has no field {spec.field!r}")
    return kind


class UrdfWatch:
    """Compares the robot file's limits with the URDF, once one comes: the file is never to be wider."""

    def __init__(self, node: Node, robot: RobotFile) -> None:
        self._robot = robot
        self.problem = ""
        if robot.urdf.topic:
            node.create_subscription(String, robot.urdf.topic, self._on_urdf, qos.LATCHED)

    def look(self) -> None:
        """Do nothing: the URDF comes by itself."""

    def _on_urdf(self, message: String) -> None:
        self.problem = wider_than_urdf(self._robot, message.data)


def wider_than_urdf(robot: RobotFile, urdf: str) -> str:
    """Return in what a robot file allows more than a URDF, or lacks there; empty where nothing is wrong."""
    where = robot.urdf.topic
    try:
        root = ElementTree.fromstring(urdf)
    except ElementTree.ParseError as error:
        return f"{where} holds no URDF: {error}"
    found = {one.get("name"): one for one in root.iter("joint") if one.find("child") is not None}
    for joint, limit in robot.limits.items():
        element = found.get(joint)
        if element is None:
            return f"the URDF on {where} has no joint {joint}, which the robot file names"
        bounds = element.find("limit")
        if bounds is None:
            continue
        kind = element.get("type")
        try:
            lower, upper = float(bounds.get("lower", 0.0)), float(bounds.get("upper", 0.0))
            velocity = float(bounds.get("velocity", 0.0))
        except ValueError as error:
            return f"the URDF on {where} has a limit of joint {joint} that is no number: {error}"
        slack = TOLERANCE * max(1.0, abs(lower), abs(upper))
        if kind != "continuous" and (limit.lower < lower - slack or limit.upper > upper + slack):
            return (
                f"the robot file lets {joint} go from {limit.lower:g} to {limit.upper:g}, its URDF from "
                f"{lower:g} to {upper:g}: tighten limits.{joint} of the robot file"
            )
        if velocity > 0 and limit.velocity > velocity * (1 + TOLERANCE):
            return (
                f"the robot file lets {joint} move at {limit.velocity:g} per second, its URDF at "
                f"{velocity:g}: lower limits.{joint}.velocity of the robot file"
            )
    return ""
