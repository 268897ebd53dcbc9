"""The contract's streams in a node: the newest message of each, and a call when it is time to look.

    inputs = Inputs(node, contract, on_state=self._on_state, exact=True)
    values, joints, scene = inputs.read()

Subscriptions are raw: a node that does not act on a state does not pay for reading it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState as JointStateMsg

from amf_msgs.msg import SceneState as SceneStateMsg
from amf_ros.contract import Contract
from amf_ros.contract.spec import JOINT_STATE, SCENE_STATE
from amf_ros.data.messages import joint_state, scene_state
from amf_ros.errors import ContractError
from amf_ros.ros.conversions import header_stamp_ns
from amf_ros.ros.qos import of_topic
from amf_ros.types import JointState, SceneState

READERS: dict[str, tuple[Any, Callable[[Any], JointState | SceneState]]] = {
    JOINT_STATE: (JointStateMsg, joint_state),
    SCENE_STATE: (SceneStateMsg, scene_state),
}


class Inputs:
    """Subscribes to every observation topic of a contract.

    Args:
        on_state: called with a stamp. Exact (lock-step): when the newest messages of all topics carry the
            same one. Otherwise at each joint state, once every topic has had a message.
    """

    def __init__(
        self, node: Node, contract: Contract, on_state: Callable[[int], None], *, exact: bool
    ) -> None:
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._topics = {topic.name: topic.type for topic in contract.topics}
        self._on_state, self._exact = on_state, exact
        self._lead, self._scene = contract.joints_topic, contract.scene_topic or ""
        for topic in contract.topics:
            message, _ = READERS[topic.type]
            node.create_subscription(
                message, topic.address, partial(self._on_message, topic.name), of_topic(topic), raw=True
            )

    def _on_message(self, topic: str, raw: bytes) -> None:
        self._newest[topic] = header_stamp_ns(raw), raw
        stamp = self.stamp_ns
        if stamp is not None and (self._exact or topic == self._lead):
            self._on_state(stamp)

    @property
    def stamp_ns(self) -> int | None:
        """Of the state that can be acted upon now, or None."""
        if len(self._newest) < len(self._topics):
            return None
        stamp = self._newest[self._lead][0]
        if self._exact and any(other != stamp for other, _ in self._newest.values()):
            return None
        return stamp

    def read(self) -> tuple[dict[str, JointState | SceneState], JointState, SceneState]:
        """The newest message of every topic as values by topic; and the joints and the scene among them.

        Raises:
            ContractError: the contract has no scene topic, without which nothing can be judged.
        """
        found: dict[str, JointState | SceneState] = {}
        for topic, (_, raw) in self._newest.items():
            message, read = READERS[self._topics[topic]]
            found[topic] = read(deserialize_message(raw, message))
        joints, scene = found.get(self._lead), found.get(self._scene)
        if not isinstance(joints, JointState) or not isinstance(scene, SceneState):
            raise ContractError("experts and success predicates need a topic of type amf_msgs/msg/SceneState")
        return found, joints, scene
