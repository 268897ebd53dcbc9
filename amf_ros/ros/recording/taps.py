"""Subscriptions that listen as their publishers speak: the recorder's streams and extras.

    tap = Tap(node, topic, on_raw, adapt=True)
    tap.look(recording=False)           # a few times a second
    tap.latched                         # what latched publishers said before
    tap.problem                         # why nothing can come, in one line

A subscription that asks for more than its publisher offers gets nothing, without a word. Which quality an
extra needs is seen from its publishers, now and when others come; what the contract asks of a stream is
kept, and a publisher that does not offer it is named with the mend.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo

from amf_ros.contract import Topic
from amf_ros.contract.codecs import of_kind
from amf_ros.ros.conversions import message_class
from amf_ros.ros.qos import of_topic

BACKLOG = 1_000  # messages of a stream that a recorder finds again after it was kept from its work
SMALL = of_kind(
    "joints", "scene", "command", "numbers"
)  # not so of pictures, and of extras that nobody reads
Profile = tuple[ReliabilityPolicy, DurabilityPolicy]


@dataclass(frozen=True)
class Publisher:
    """What matters of a publisher on a topic."""

    node: str
    type: str
    profile: QoSProfile

    @classmethod
    def of(cls, info: TopicEndpointInfo) -> Publisher:
        """Return a publisher as the graph shows it."""
        where = info.node_namespace.rstrip("/")
        return cls(f"{where}/{info.node_name}", info.topic_type, info.qos_profile)


def fitting(publishers: Sequence[Publisher]) -> Profile:
    """Return the most that all of these publishers offer; of none the usual: reliable and volatile."""
    profiles = [publisher.profile for publisher in publishers]
    best_effort = any(profile.reliability == ReliabilityPolicy.BEST_EFFORT for profile in profiles)
    latched = bool(profiles) and all(
        profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in profiles
    )
    return (
        ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class Tap:
    """One topic's subscription.

    Args:
        on_raw: called with each message's bytes.
        adapt: take the quality that the publishers offer; otherwise ask for what the topic says.
    """

    def __init__(self, node: Node, topic: Topic, on_raw: Callable[[bytes], None], *, adapt: bool) -> None:
        self.topic, self.problem = topic, ""
        self._node, self._on_raw, self._adapt = node, on_raw, adapt
        self._type = message_class(topic.type)
        self._heard = 0
        self._latched: deque[bytes] = deque(maxlen=topic.depth)
        self._depth = max(topic.depth, BACKLOG) if topic.type in SMALL else topic.depth
        self._profile = of_topic(replace(topic, depth=self._depth))
        self._subscribe()

    def _subscribe(self) -> None:
        self._latched.clear()  # they are sent anew
        self._subscription = self._node.create_subscription(
            self._type, self.topic.address, self._on_message, self._profile, raw=True
        )

    def _on_message(self, raw: bytes) -> None:
        self._heard += 1
        if self._profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
            self._latched.append(raw)
        self._on_raw(raw)

    @property
    def latched(self) -> tuple[bytes, ...]:
        """Messages that whoever comes later still gets, oldest first."""
        return tuple(self._latched)

    @property
    def name(self) -> str:
        """In the graph, with namespace and remaps."""
        return str(self._subscription.topic_name)

    def look(self, *, recording: bool) -> None:
        """See which publishers there are, and listen so that all of them are heard.

        While a recording runs nothing that is heard is given up for a better quality: to change costs
        messages.
        """
        found = self._publishers()
        typed = [publisher for publisher in found if publisher.type == self.topic.type]
        if self._adapt and typed:
            self._fit(typed, recording)
        self.problem = self._say(found)

    def publishers(self) -> list[str]:
        """Return the nodes that publish on it."""
        return sorted({publisher.node for publisher in self._publishers()})

    def _publishers(self) -> list[Publisher]:
        return [Publisher.of(info) for info in self._node.get_publishers_info_by_topic(self.name)]

    def _fit(self, publishers: Sequence[Publisher], recording: bool) -> None:
        reliability, durability = fitting(publishers)
        now = (self._profile.reliability, self._profile.durability)
        unheard = any(not _fits(publisher, self._profile) for publisher in publishers)
        if now == (reliability, durability) or (recording and self._heard and not unheard):
            return
        self._profile = QoSProfile(
            reliability=reliability,
            durability=durability,
            history=HistoryPolicy.KEEP_LAST,
            depth=self._depth,
        )
        self._node.destroy_subscription(self._subscription)
        self._subscribe()

    def _say(self, publishers: Sequence[Publisher]) -> str:
        for publisher in publishers:
            if publisher.type != self.topic.type:
                return (
                    f"{self.topic.name}: {publisher.node} publishes {publisher.type} and the contract says "
                    f"{self.topic.type}; correct the contract, or remap one of the two topics"
                )
            if not _fits(publisher, self._profile):
                return f"{self.topic.name}: {publisher.node} {_mend(publisher.profile, self._profile)}"
        return ""


def _fits(publisher: Publisher, profile: QoSProfile) -> bool:
    compatible, _ = qos_check_compatible(publisher.profile, profile)
    return bool(compatible != QoSCompatibility.ERROR)


def _mend(offered: QoSProfile, asked: QoSProfile) -> str:
    unreliable = offered.reliability == ReliabilityPolicy.BEST_EFFORT
    if unreliable and asked.reliability == ReliabilityPolicy.RELIABLE:
        return (
            "publishes best_effort and the contract asks for reliable, so nothing arrives; "
            "write qos: {reliability: best_effort} there, or let it publish reliable"
        )
    _, reason = qos_check_compatible(offered, asked)
    return f"offers a quality of service that does not fit, so nothing arrives: {reason.strip()}"
