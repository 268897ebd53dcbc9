"""The contract's streams in a node: a call when there is a state to act upon, and what is known then.

    inputs = Inputs(node, contract, on_state=self._on_state, exact=True)
    values, joints, scene = inputs.read()

Subscriptions are raw: a node that does not act on a state does not pay for reading it. What counts and how
old it may be is :class:`amf_ros.contract.serving.Serving`'s to say; here are only topics and clocks.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState as JointStateMsg

from amf_msgs.msg import SceneState as SceneStateMsg
from amf_ros.contract import Contract
from amf_ros.contract.codecs import joint_state, scene_state
from amf_ros.contract.serving import Serving
from amf_ros.contract.spec import JOINT_STATE, SCENE_STATE
from amf_ros.core.errors import BadMessage, ConfigError, ContractError, DataError
from amf_ros.core.values import JointState, SceneState
from amf_ros.ros.conversions import header_stamp_ns
from amf_ros.ros.qos import of_topic

READERS: dict[str, tuple[Any, Callable[[Any], JointState | SceneState]]] = {
    JOINT_STATE: (JointStateMsg, joint_state),
    SCENE_STATE: (SceneStateMsg, scene_state),
}


class Inputs:
    """Subscribes to every observation topic of a contract.

    Args:
        on_state: called with a stamp. Exact (lock-step): when the newest messages of all topics carry the
            same one. Otherwise at each joint state that is newer than all before, once every topic has had
            a message.
        time_factor: seconds of the robot's clock in a second of the wall's.

    Raises:
        ConfigError: the contract takes times of arrival, and time is simulated.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        on_state: Callable[[int], None],
        *,
        exact: bool,
        time_factor: float = 1.0,
    ) -> None:
        # Of simulated time the streams themselves tell: /clock comes after the states that it belongs to.
        self._simulated = exact or bool(node.get_parameter("use_sim_time").value)
        receive = [topic.name for topic in contract.topics if topic.receive]
        if receive and self._simulated:
            raise ConfigError(
                f"contract {contract.name!r}: align.stamp of {receive[0]} is receive, which needs real time; "
                "simulated streams have header stamps"
            )
        self._serving = Serving(contract, exact=exact, time_factor=time_factor)
        self._types = {topic.name: topic.type for topic in contract.topics}
        self._on_state = on_state
        for topic in contract.topics:
            message, _ = READERS[topic.type]
            node.create_subscription(
                message, topic.address, partial(self._on_message, topic.name), of_topic(topic), raw=True
            )

    def _on_message(self, topic: str, raw: bytes) -> None:
        try:
            header_ns = header_stamp_ns(raw)
        except (struct.error, IndexError) as error:
            self._serving.skip(BadMessage(topic, f"a message is cut off: {error}"))
            return
        clock_ns = 0 if self._simulated else time.time_ns()
        read = partial(self._read, topic, raw)
        stamp = self._serving.arrived(topic, header_ns, time.monotonic_ns(), clock_ns, read)
        if stamp is not None:
            self._on_state(stamp)

    def _read(self, topic: str, raw: bytes) -> JointState | SceneState:
        message, read = READERS[self._types[topic]]
        try:
            return read(deserialize_message(raw, message))
        except (RuntimeError, UnicodeDecodeError) as error:  # what rclpy raises on bytes that are no message
            raise BadMessage(topic, f"a message is not a whole {self._types[topic]}") from error
        except DataError as error:
            raise BadMessage(topic, str(error)) from error

    def reset_known(self) -> None:
        """The scene was reset: stamps may jump."""
        self._serving.reset_known()

    @property
    def stamp_ns(self) -> int | None:
        """Of the state that can be acted upon now, or None where there is none that is fresh."""
        return self._serving.stamp_ns(time.monotonic_ns())

    @property
    def refusal(self) -> str:
        """Why there is no state to act upon now; an empty text where there is one."""
        return self._serving.refusal(time.monotonic_ns())

    def read(self) -> tuple[Mapping[str, JointState | SceneState], JointState, SceneState]:
        """What is known now: values by topic, and the joints and the scene among them.

        Raises:
            StaleObservation: a stream or joint is missing, too old, or on another clock; names it.
            ContractError: the contract has no scene topic, without which nothing can be judged.
        """
        frame = self._serving.frame(time.monotonic_ns())
        if frame.scene is None:
            raise ContractError("experts and success predicates need a topic of type amf_msgs/msg/SceneState")
        return frame.inputs, frame.joints, frame.scene
