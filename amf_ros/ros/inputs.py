"""The contract's streams in a node: newest message of each, and a call when all stand at one instant.

    inputs = Inputs(node, contract, on_complete=self._on_state)
    values = inputs.values()                 # topic -> JointState | SceneState

Subscriptions are raw: a node that does not act on a state does not pay for reading it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState as JointStateMsg

from amf_msgs.msg import SceneState as SceneStateMsg
from amf_ros.contract import Contract
from amf_ros.ros.conversions import header_stamp_ns, to_joints, to_scene
from amf_ros.ros.qos import of_topic
from amf_ros.types import JointState, SceneState

Value = JointState | SceneState
READERS = {
    "sensor_msgs/msg/JointState": (JointStateMsg, to_joints),
    "amf_msgs/msg/SceneState": (SceneStateMsg, to_scene),
}


class Inputs:
    """Subscribes to every observation topic of a contract.

    Args:
        on_complete: called with the stamp when the newest messages of all topics carry the same one.
    """

    def __init__(
        self, node: Node, contract: Contract, on_complete: Callable[[int], None] | None = None
    ) -> None:
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._topics = {topic.name: topic.type for topic in contract.topics}
        self._on_complete = on_complete
        for topic in contract.topics:
            message, _ = READERS[topic.type]
            node.create_subscription(
                message, topic.name, partial(self._on_message, topic.name), of_topic(topic), raw=True
            )

    def _on_message(self, topic: str, raw: bytes) -> None:
        stamp = header_stamp_ns(raw)
        self._newest[topic] = stamp, raw
        if self._on_complete is None or len(self._newest) < len(self._topics):
            return
        if all(other == stamp for other, _ in self._newest.values()):
            self._on_complete(stamp)

    def values(self) -> dict[str, Value]:
        """The newest message of each topic that has had one, as values."""
        found: dict[str, Value] = {}
        for topic, (_, raw) in self._newest.items():
            message, read = READERS[self._topics[topic]]
            found[topic] = read(deserialize_message(raw, message))
        return found

    @property
    def stamp_ns(self) -> int | None:
        """The one stamp that the newest messages of all topics carry, or None."""
        stamps = {stamp for stamp, _ in self._newest.values()}
        return stamps.pop() if len(self._newest) == len(self._topics) and len(stamps) == 1 else None

    def clear(self) -> None:
        """Forget all messages."""
        self._newest.clear()
