"""Quality of service profiles, named once.

Streams are reliable and deep: in lock-step a lost message would stall the simulation, and a recording
must hold every message.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from amf_ros.contract import Topic

STREAM_DEPTH = 50
# Every client of a service receives the answers to all its clients and keeps those to its own requests: with
# rclpy's depth of 10, an answer is pushed out before it is taken as soon as a dozen callers are at work.
SERVICE_DEPTH = 1000

STREAM = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=STREAM_DEPTH
)
LATCHED = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
)
LATCHED_BY_MANY = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
    depth=20,
)
"""For the reader of a latched topic with several publishers: each one's last word, not only the newest."""
CLOCK = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=1)
IMAGES = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2)
SERVICE = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=SERVICE_DEPTH
)
# Of the services that an action consists of; for action servers and clients alike.
ACTION = {
    "goal_service_qos_profile": SERVICE,
    "result_service_qos_profile": SERVICE,
    "cancel_service_qos_profile": SERVICE,
}
EVENT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=10)

UNRELIABLE = QoSProfile(
    reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=EVENT.depth
)
STOPS = (EVENT, LATCHED, UNRELIABLE)
"""A subscription of each: who says stop is heard, who latched it earlier and who sends best_effort too."""


def of_topic(topic: Topic) -> QoSProfile:
    """Return what the contract says for one of its streams."""
    reliable = topic.reliability == "reliable"
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        history=HistoryPolicy.KEEP_LAST,
        depth=topic.depth,
    )
