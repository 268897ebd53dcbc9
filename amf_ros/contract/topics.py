"""The contract's topics as nodes and recordings use them. Imports spec and codecs.

topic = contract.topics[0]
topic.name, topic.address, topic.stamp_ns(header_ns, arrival_ns)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from amf_ros.contract.codecs import Kind, codec_of
from amf_ros.contract.feature_spec import inside
from amf_ros.contract.spec import StampSpec, TopicSpec

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Topic:
    """One stream.

    Attributes:
        name: as everything inside the package calls it, recordings too: no slash first.
        type: ROS type, ``package/msg/Name``.
        max_age_ns: header stamps older than this are stale [ns]; 0 = no limit.
        min_rate_hz: a demonstration with a slower stream is refused; 0 = no limit.
        on_stale: what to do: ``stop``.
        reliability: ``reliable`` or ``best_effort``.
        depth: messages kept.
        absolute: the contract wrote it with a slash first: it stays out of the node's namespace.
        receive: its messages count from their arrival on, whatever their stamps say.
        names: of the numbers in its messages, where the contract gives them.
        offset_ns: added to its header stamps: its clock lags by this [ns].
        max_offset_ns: arrival minus stamp may stay beyond this for a moment only [ns]; 0 = no limit.
    """

    name: str
    type: str
    max_age_ns: int = 0
    min_rate_hz: float = 0.0
    on_stale: str = "stop"
    reliability: str = "reliable"
    depth: int = 50
    absolute: bool = False
    receive: bool = False
    names: tuple[str, ...] = ()
    offset_ns: int = 0
    max_offset_ns: int = 0

    @property
    def kind(self) -> Kind:
        """What its values are; see :class:`amf_ros.contract.codecs.Codec`."""
        return codec_of(self.type).kind

    @property
    def stamped(self) -> bool:
        """Whether its messages begin with a header."""
        return codec_of(self.type).stamped

    @property
    def address(self) -> str:
        """As a node subscribes to it or publishes it."""
        return f"/{self.name}" if self.absolute else self.name

    def stamp_ns(self, header_ns: int, arrival_ns: int) -> int:
        """Say when a message counts: at its header stamp as the contract corrects it, or on arrival [ns].

        A stamp of zero stays zero: it says nothing, and what it means depends on the stream.
        """
        if self.receive:
            return arrival_ns
        return header_ns + self.offset_ns if header_ns else 0


def named(name: str, type_: str, align: StampSpec | None = None, **more: Any) -> Topic:
    """Make a topic as the contract writes its name, with what it says of stamps."""
    limits: dict[str, Any] = {}
    if align is not None:
        limits = {
            "receive": align.stamp == "receive",
            "offset_ns": round(align.offset_ms * NS_PER_MS),
            "max_offset_ns": round((align.max_offset_ms or 0.0) * NS_PER_MS),
        }
    return Topic(inside(name), type_, absolute=name.startswith("/"), **limits, **more)


def observed(name: str, topic: TopicSpec) -> Topic:
    """Make one of the contract's observed topics."""
    made = named(
        name,
        topic.type,
        topic.align,
        max_age_ns=round(topic.align.max_age_ms * NS_PER_MS),
        min_rate_hz=topic.min_rate_hz,
        on_stale=topic.on_stale,
        reliability=topic.qos.reliability,
        depth=topic.qos.depth,
        names=topic.names,
    )
    return replace(made, max_offset_ns=made.max_offset_ns or made.max_age_ns)
