"""The contract's streams in a node: a call when there is a state to act upon, and what is known then.

    inputs = StreamInputs(node, contract, on_state=self._on_state, exact=True)
    moment = inputs.read()                  # .inputs by topic, .joints, .scene

Subscriptions are raw: a node that does not act on a state does not pay for reading it. What counts and how
old it may be is :class:`amf_ros.contract.serving.Serving`'s to say; here are only topics and clocks.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from rclpy.serialization import deserialize_message

from amf_ros.contract import Contract, Topic
from amf_ros.contract.align import Moment
from amf_ros.contract.serving import Serving
from amf_ros.core.errors import BadMessage, ConfigError, DataError
from amf_ros.core.values import Value
from amf_ros.ros.conversions import header_stamp_ns, message_class
from amf_ros.ros.qos import of_topic


class StreamInputs:
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
        self._contract, self._on_state = contract, on_state
        self._classes = {topic.name: message_class(topic.type) for topic in contract.topics}
        for topic in contract.topics:
            callback = partial(self._on_message, topic)
            node.create_subscription(
                self._classes[topic.name], topic.address, callback, of_topic(topic), raw=True
            )

    def _on_message(self, known: Topic, raw: bytes) -> None:
        topic = known.name
        try:
            header_ns = header_stamp_ns(raw) if known.stamped else 0
        except (struct.error, IndexError) as error:
            self._serving.skip(BadMessage(topic, f"a message is cut off: {error}"))
            return
        clock_ns = 0 if self._simulated else time.time_ns()
        read = partial(self._read, topic, raw)
        stamp = self._serving.arrived(topic, header_ns, time.monotonic_ns(), clock_ns, read)
        if stamp is not None:
            self._on_state(stamp)

    def _read(self, topic: str, raw: bytes) -> Value:
        try:
            return self._contract.read(topic, deserialize_message(raw, self._classes[topic]))
        except (RuntimeError, UnicodeDecodeError) as error:  # what rclpy raises on bytes that are no message
            raise BadMessage(topic, f"a message is not a whole {self._contract.type_of(topic)}") from error
        except DataError as error:
            raise BadMessage(topic, str(error)) from error

    def reset_known(self) -> None:
        """Take note that the scene was reset: stamps may jump."""
        self._serving.reset_known()

    @property
    def stamp_ns(self) -> int | None:
        """Of the state that can be acted upon now, or None where there is none that is fresh."""
        return self._serving.stamp_ns(time.monotonic_ns())

    @property
    def refusal(self) -> str:
        """Why there is no state to act upon now; an empty text where there is one."""
        return self._serving.refusal(time.monotonic_ns())

    def read(self) -> Moment:
        """Say what is known now.

        Raises:
            StaleObservation: a stream or joint is missing, too old, or on another clock; names it.
        """
        return self._serving.moment(time.monotonic_ns())
