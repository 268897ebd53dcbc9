"""Where the joints are, by name, from one topic of joint states or several, each with its own age.

Drivers say joints in any order, others among them, in several messages, at several rates, and without
velocities. What counts here is each joint's newest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState as JointStateMsg

from amf_ros.arm.robot_file import RobotFile
from amf_ros.contract.codecs import joint_state
from amf_ros.core.errors import DataError, RobotFault
from amf_ros.core.values import JointState

NEWEST = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=20)
"""Some broadcasters offer best effort only, and this takes both kinds; deep enough for several publishers."""


@dataclass
class _Reading:
    position: float
    velocity: float
    stamp_ns: int
    came_ns: int


class JointReadings:
    """The newest of each joint.

    Args:
        node: that hears them.
        robot: says which joint comes on which topic, and how old it may be.

    Attributes:
        topics: their resolved names.
    """

    def __init__(self, node: Node, robot: RobotFile) -> None:
        self._robot = robot
        self._of_topic: dict[str, set[str]] = {}
        for joint in robot.joints:
            self._of_topic.setdefault(robot.state_of(joint).topic, set()).add(joint)
        self._readings: dict[str, _Reading] = {}
        self._unreadable = ""
        self._newest_ns, self._newest_came_ns = 0, 0
        self.topics = frozenset(node.resolve_topic_name(topic) for topic in self._of_topic)
        for topic in self._of_topic:
            node.create_subscription(JointStateMsg, topic, partial(self._on_state, topic), NEWEST)

    def _on_state(self, topic: str, message: JointStateMsg) -> None:
        came_ns = time.monotonic_ns()
        try:
            state = joint_state(message)
        except DataError as error:  # one that cannot be read leaves the others, until they are too old
            self._unreadable = f"; one could not be read: {error}"
            return
        stamp_ns = state.stamp_ns or time.time_ns()
        wanted = self._of_topic[topic]
        heard = False
        for name, position, velocity in zip(state.names, state.position, state.velocity, strict=True):
            if name not in wanted:
                continue
            heard = True
            known = self._readings.get(name)
            if known is None or known.stamp_ns != stamp_ns:  # the same stamp again is no news
                self._readings[name] = _Reading(float(position), float(velocity), stamp_ns, came_ns)
        if heard and stamp_ns > self._newest_ns:
            self._newest_ns, self._newest_came_ns = stamp_ns, came_ns

    def read(self) -> JointState | None:
        """Return all joints in the robot file's order; None before anything came.

        Raises:
            RobotFault: a joint never came, or not for longer than its topic allows.
        """
        if not self._readings:
            return None
        self._refuse_missing()
        now_ns = time.monotonic_ns()
        for name in self._robot.joints:
            source, age_ms = self._robot.state_of(name), (now_ns - self._readings[name].came_ns) * 1e-6
            if age_ms > source.max_age_ms:
                raise RobotFault(  # without its age: one fault is told once, not in every period
                    f"no new state of joint {name} came on {source.topic} for more than "
                    f"{source.max_age_ms * 1e-3:g} s (states.max_age_ms){self._unreadable}"
                )
        self._unreadable = ""
        found = [self._readings[name] for name in self._robot.joints]
        stamp_ns = min(self._readings[name].stamp_ns for name in self._robot.arm_joints)
        return JointState(
            stamp_ns,
            self._robot.joints,
            np.array([one.position for one in found]),
            np.array([one.velocity for one in found]),
        )

    def positions(self) -> dict[str, float]:
        """Return where each joint was last.

        Raises:
            RobotFault: a joint never came.
        """
        self._refuse_missing()
        return {name: self._readings[name].position for name in self._robot.joints}

    def clock_ns(self, allowed_ns: int) -> int:
        """Return now on the clock of the states; 0 where that is further than allowed from this computer's.

        Then commands are stamped 0: a controller that takes a stamp for long past makes the arm jump.
        """
        if not self._newest_ns:
            return 0
        now_ns = self._newest_ns + time.monotonic_ns() - self._newest_came_ns
        return now_ns if abs(now_ns - time.time_ns()) <= allowed_ns else 0

    def _refuse_missing(self) -> None:
        missing = [name for name in self._robot.joints if name not in self._readings]
        if missing:
            source = self._robot.state_of(missing[0]).topic
            raise RobotFault(
                f"joint {', '.join(missing)} did not come on {source} yet; so far: "
                f"{', '.join(self._readings) or 'nothing'}{self._unreadable}"
            )
