"""What the recorder hears: a tap on every stream, counted, its clock measured, shown on a topic.

    streams = Listening(node, contract, on_message, factor=1.0)
    streams.check(taping, now_s)        # raises what ends the recording

``on_message(topic, came)`` is called with each message; ``demo_recorder/streams`` says twice a second how
they arrive.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from functools import partial

from rclpy.clock import Clock, ClockType

from amf_msgs.msg import RobotStatus, StreamStatuses
from amf_ros.contract import Contract, Topic
from amf_ros.contract.clocks import Clocks
from amf_ros.core.errors import StaleObservation, listed
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import header_stamp_ns, to_ns
from amf_ros.ros.node.runtime import AmfNode
from amf_ros.ros.recording.judging import BadStream
from amf_ros.ros.recording.stream_status import Meter, statuses_msg
from amf_ros.ros.recording.taping import Came, MissingTopic, Taping, recorded_topics
from amf_ros.ros.recording.taps import Tap

LOOK_S = 0.5


class Listening:
    """All streams of a contract and its extras, for one node.

    Args:
        on_message: called with the topic's name inside and the message.
        factor: of real time; 0 = lock-step: the robot's clock is its newest joint state, not the node's.
    """

    def __init__(
        self, node: AmfNode, contract: Contract, on_message: Callable[[str, Came], None], *, factor: float
    ) -> None:
        self._node, self._contract, self._on_message = node, contract, on_message
        self._exact = factor == 0.0
        self._judged = factor <= 1.0  # time that runs faster makes every delay longer
        self._robot_ns = 0
        self._held: dict[str, Came] = {}
        self.recording = False
        self.clocks = Clocks(contract)
        self._extras = tuple(topic.name for topic in contract.record_extra)
        required = {contract.record_from, *(topic.name for topic in contract.topics)}
        self._taps = {
            topic.name: Tap(node, topic, partial(self._on_raw, topic), adapt=topic.name not in required)
            for topic in recorded_topics(contract)
        }
        self._meters = {
            name: Meter(tap.name, tap.topic.type, name in required) for name, tap in self._taps.items()
        }
        self._publisher = node.create_publisher(StreamStatuses, names.RECORDER_STREAMS, qos.EVENT)
        node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_raw(self, topic: Topic, raw: bytes) -> None:
        self._meters[topic.name].arrived(time.monotonic())
        came = self._came(topic, raw)
        self.clocks.add(topic.name, came.stamp_ns, came.arrival_ns)
        self._held[topic.name] = came
        self._on_message(topic.name, came)

    def _came(self, topic: Topic, raw: bytes) -> Came:
        now_ns = time.time_ns() if self._exact else self._node.get_clock().now().nanoseconds
        if topic.name not in self._contract.recorded:
            return Came(raw, 0, now_ns, now_ns)
        header_ns = _header_ns(raw) if topic.stamped else 0
        if self._exact:
            if topic.name in self._contract.joint_topics:
                self._robot_ns = header_ns
            return Came(raw, topic.stamp_ns(header_ns, self._robot_ns), self._robot_ns, now_ns)
        stamp_ns = topic.stamp_ns(header_ns, now_ns)
        if stamp_ns == 0 and topic.name == self._contract.record_from:
            stamp_ns = now_ns  # to a controller a command without a stamp means now
        return Came(raw, stamp_ns, now_ns, now_ns)

    def begin(self, *, states: bool) -> list[tuple[str, Came]]:
        """Count anew for a recording; gives what came before and belongs into it.

        Args:
            states: the newest of each state too: the episode's first may be among them.

        Returns:
            What latched extras said, and the states.
        """
        self.recording = True
        self.clocks.forget()
        for meter in self._meters.values():
            meter.begin()
        now_ns = time.time_ns() if self._exact else self._node.get_clock().now().nanoseconds
        before = [
            (topic, Came(raw, 0, now_ns, now_ns))
            for topic in self._extras
            for raw in self._taps[topic].latched
        ]
        held = [(topic.name, self._held.get(topic.name)) for topic in self._contract.topics if states]
        return before + [(topic, came) for topic, came in held if came is not None]

    def end(self) -> None:
        """Note that the recording is over."""
        self.recording = False

    def skipped(self, topic: str, problem: str) -> None:
        """Note that the newest message of a topic was left out."""
        self._meters[topic].skipped(problem)

    def check(self, taping: Taping, now_s: float) -> None:
        """Look whether what comes, or will never come, can make this demonstration.

        Raises:
            MissingTopic, StaleObservation, BadStream: names the stream, its publisher or clock, and the mend.
        """
        silent = [self._taps[topic].problem for topic in taping.missing() if self._taps[topic].problem]
        if silent:
            raise MissingTopic("; ".join(silent))
        self._check_clocks(final=False)
        try:
            taping.check(now_s)
        except StaleObservation:
            self._check_clocks(final=True)  # a clock that is off makes its stream look old
            raise

    def _check_clocks(self, *, final: bool) -> None:
        problem = self.clocks.problem(final=final) if self._judged else ""
        if problem:
            raise BadStream(problem)

    def named(self, error: BadStream, topic: str) -> BadStream:
        """Return the same error, with the nodes that publish on its topic: one of them is to be mended."""
        nodes = self._taps[topic].publishers()
        who = f"{listed(nodes)} publish{'' if len(nodes) > 1 else 'es'} it"
        return BadStream(f"{error}; {who}") if nodes else error

    def remarks(self, heard: set[str]) -> str:
        """Say in one line what a kept recording lacks: extras of which nothing came, messages left out.

        Args:
            heard: extras of which something was recorded.
        """
        lacking = [
            self._taps[topic].problem or f"nothing came on {topic}, an extra of the contract"
            for topic in self._extras
            if topic not in heard
        ]
        left_out = [
            f"{meter.num_skipped} of {meter.num_messages} messages on {topic} were left out: {meter.problem}"
            for topic, meter in self._meters.items()
            if meter.num_skipped
        ]
        return "; ".join(lacking + left_out)

    def look(self) -> None:
        """See which publishers there are."""
        for tap in self._taps.values():
            tap.look(recording=self.recording)

    def _look(self) -> None:
        self.look()
        problems = self.clocks.problems()
        streams = [
            (meter, self.clocks.delay_s(name), problems.get(name) or self._taps[name].problem)
            for name, meter in self._meters.items()
        ]
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(statuses_msg(stamp, self.recording, streams, time.monotonic()))


class Resets:
    """Tells of each new episode of the robot, by its latched status.

    Args:
        on_reset: called with the stamp of its first state [ns].
    """

    def __init__(self, node: AmfNode, on_reset: Callable[[int], None]) -> None:
        self._episode: int | None = None
        self._on_reset = on_reset
        node.create_subscription(RobotStatus, names.ROBOT_STATUS, self._on_status, qos.LATCHED)

    def _on_status(self, status: RobotStatus) -> None:
        before, self._episode = self._episode, status.episode
        if before is not None and before != status.episode:
            self._on_reset(to_ns(status.stamp))


def _header_ns(raw: bytes) -> int:
    """Return the stamp in a message's header; 0 where the message is too short to hold one."""
    try:
        return header_stamp_ns(raw)
    except (struct.error, IndexError):
        return 0
