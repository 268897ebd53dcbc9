"""What the robot node says: state, applied commands and status, and of a simulator clock, scene and pictures.

The node decides when.

topics = RobotTopics(node, contract, turns, settings)
topics.publish_state()
topics.publish_status()
"""

from __future__ import annotations

import time

from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Image
from sensor_msgs.msg import JointState as JointStateMsg
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.msg import RobotStatus
from amf_msgs.msg import SceneState as SceneStateMsg
from amf_ros.arm.turns import Turns
from amf_ros.contract import Contract
from amf_ros.contract.codecs import IMAGE, JOINT_STATE, JOINT_TRAJECTORY, SCENE_STATE
from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Picture, SceneState
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import time_msg, to_msg
from amf_ros.ros.settings import RobotSettings
from amf_ros.sim.protocol import Renderer, is_simulator

SAY_AGAIN_S = 30.0  # a refusal is logged when its reason is new, and then at most this often


class RobotTopics:
    """Publishers of one robot node.

    The clock, the scene and pictures are those of a simulator: a real arm has a clock of its own, and its
    scene and cameras belong to others.

    Raises:
        ConfigError: pictures are wanted of a robot that draws none.
    """

    def __init__(self, node: Node, contract: Contract, turns: Turns, settings: RobotSettings) -> None:
        self._node, self._turns, self._arbiter, self._settings = node, turns, turns.arbiter, settings
        self._period_ns = contract.period_ns
        scene = [topic.address for topic in contract.topics if topic.type == SCENE_STATE]
        joints = [topic for topic in contract.topics if topic.type == JOINT_STATE]
        joints.sort(key=lambda topic: topic.name == contract.joints_topic)  # that one is acted upon: last
        # What a driver says itself is not said again: this node would hear itself.
        driven: frozenset[str] = getattr(turns.arm, "state_topics", frozenset())
        said = [topic.address for topic in joints if node.resolve_topic_name(topic.address) not in driven]
        self._joints = [node.create_publisher(JointStateMsg, address, qos.STREAM) for address in said]
        self._simulator = turns.arm if is_simulator(turns.arm) else None
        if self._simulator is not None:
            address = scene[0] if scene else "scene_state"
            self._scene = node.create_publisher(SceneStateMsg, address, qos.STREAM)
            self._clock = node.create_publisher(ClockMsg, names.CLOCK, qos.CLOCK)
        self._seen: SceneState | None = None
        self._applied = node.create_publisher(JointTrajectory, contract.applied.address, qos.STREAM)
        self._status = node.create_publisher(RobotStatus, names.ROBOT_STATUS, qos.LATCHED)
        self._said: RobotStatus | None = None
        self._logged_s: dict[str, float] = {}
        self._pictures = None
        if settings.camera_hz > 0.0:
            if not isinstance(turns.arm, Renderer):
                raise ConfigError(f"camera_hz: robot {settings.robot!r} draws no pictures; set it to 0")
            self._pictures = node.create_publisher(Image, names.CAMERA, qos.IMAGES)
            self._camera, self._size = turns.arm, (settings.camera_width, settings.camera_height)
        self._pictured_ns = 0
        self.published_s = 0.0

    def publish_state(self) -> None:
        """Publish the current state, where there is one.

        The clock goes first, since it dates the rest; joints last, since readers act upon them.
        """
        joints = self._turns.joints
        if joints is None:
            return
        if self._simulator is not None:
            if self._seen is None or self._seen.stamp_ns != joints.stamp_ns:
                self._seen = self._simulator.scene_state()
            self._clock.publish(ClockMsg(clock=time_msg(joints.stamp_ns)))
            self._scene.publish(to_msg(SCENE_STATE, self._seen))
        for publisher in self._joints:
            publisher.publish(to_msg(JOINT_STATE, joints))
        self.published_s = time.monotonic()
        since_ns = joints.stamp_ns - self._pictured_ns  # 0: the state is said again, and so is its picture
        if self._pictures and (since_ns == 0 or since_ns >= 1e9 / self._settings.camera_hz):
            self._pictured_ns = joints.stamp_ns
            picture = Picture(joints.stamp_ns, "rgb8", self._camera.render(*self._size))
            self._pictures.publish(to_msg(IMAGE, picture, "camera"))

    def publish_step(self) -> None:
        """Publish what the newest period did: the command that it applied, and the state, where they are new.

        The command goes first: who has heard of a state has heard of what led to it.
        """
        if self._arbiter.applied is not None:
            applied = self._arbiter.applied.reached_after(self._period_ns)
            self._applied.publish(to_msg(JOINT_TRAJECTORY, applied))
        if self._turns.fresh:
            self.publish_state()

    def publish_status(self) -> None:
        """Publish whether the arm may move, and what became of commands."""
        self._said = self._read_status()
        self._status.publish(self._said)

    def publish_news(self) -> None:
        """Publish the status, if something changed since it was last said; for a slow timer."""
        now, said = self._read_status(), self._said
        if said is not None:
            now.stamp = said.stamp
        if now != said:
            self.publish_status()

    def _read_status(self) -> RobotStatus:
        stopped, fault, tally = self._arbiter.stopped, self._arbiter.fault, self._arbiter.tally
        # A stop first: a keeper that hears of it knows that it is on the robot's disk.
        status = RobotStatus.STOPPED if stopped else RobotStatus.FAULT if fault else RobotStatus.READY
        return RobotStatus(
            stamp=time_msg(self._turns.stamp_ns),
            status=status,
            reason="; ".join(filter(None, (stopped, fault))),
            episode=self._turns.episode,
            num_applied=tally.applied,
            num_changed=tally.changed,
            num_refused=tally.num_refused,
            refusal=tally.refusal,
        )

    def refuse(self, error: Exception) -> None:
        """Count a command that moved nothing; log it when its reason is new or was not heard for a while."""
        reason = getattr(error, "reason", "malformed")
        self._arbiter.tally.refuse(reason, str(error))
        now = time.monotonic()
        if now - self._logged_s.get(reason, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._logged_s[reason] = now
            self._node.get_logger().warning(f"command refused: {self._arbiter.tally.refusal}")
