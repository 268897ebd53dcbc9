"""One demonstration while it is recorded: which messages belong to it, and what goes wrong with them.

No rclpy: the recorder node passes raw messages and a monotonic clock. Judged by stamps, so that it works
in lock-step, real time and faster; only silence is measured on the wall clock.

    taping = Taping(recording, contract, settings, start_ns=0, limit_s=60.0, now_s=now_s)
    taping.write("joint_states", stamp_ns, raw, received_ns, now_s)
    taping.check(now_s)
"""

from __future__ import annotations

from collections.abc import Iterable

from amf_ros.contract import Contract, Topic
from amf_ros.data.recording import Recording
from amf_ros.data.schemas import schema_text
from amf_ros.errors import StaleObservation
from amf_ros.robots.driver import EPISODE_GAP_NS
from amf_ros.ros.settings import RecorderSettings
from amf_ros.types import Outcome


class MissingTopic(StaleObservation):
    """A required stream never came."""


class Taping:
    """Feeds one staged recording and knows when it is complete.

    Args:
        start_ns: first stamp that belongs to it; 0 = from now on [ns].
        limit_s: ends it, unlabeled, on the robot's clock [s].
        now_s: monotonic clock [s], as in every later call.
    """

    def __init__(
        self,
        recording: Recording,
        contract: Contract,
        settings: RecorderSettings,
        *,
        start_ns: int,
        limit_s: float,
        now_s: float,
    ) -> None:
        self.recording, self.start_ns = recording, start_ns
        self._settings, self._limit_s = settings, limit_s
        self._command, self._states = contract.record_from, tuple(topic.name for topic in contract.topics)
        self._newest: dict[str, tuple[int, float]] = {}
        self._started_s = now_s
        self._ready_s: float | None = None
        self._end_ns: int | None = None
        self._outcome = Outcome.UNLABELED
        self.first_ns: int | None = None
        self.num_steps = 0
        for topic in recorded_topics(contract):
            recording.add_topic(topic.name, topic.type, schema_text(topic.type))

    @property
    def id(self) -> str:
        """Of the demonstration."""
        return self.recording.about.id

    def write(self, topic: str, stamp_ns: int, raw: bytes, received_ns: int, now_s: float) -> None:
        """One message as it came; those from before the start are left out.

        Raises:
            StaleObservation: the state streams jumped: the scene was reset, or the robot restarted.
            StorageError: the disk is full; the recording is gone.
        """
        if topic not in self._states and topic != self._command:
            self.recording.write(topic, received_ns, received_ns, raw)
            return
        if stamp_ns < self.start_ns:
            return
        newest = self._newest.get(topic)
        if newest is not None and stamp_ns == newest[0]:
            return
        if newest is not None and topic in self._states and not 0 < stamp_ns - newest[0] < EPISODE_GAP_NS:
            raise StaleObservation(
                f"{topic} jumped by {(stamp_ns - newest[0]) * 1e-9:.2f} s: the scene was reset, the robot "
                "restarted, or the stream broke off while recording"
            )
        if topic == self._command:
            self.first_ns = stamp_ns if self.first_ns is None else self.first_ns
            self.num_steps += 1
        self._newest[topic] = stamp_ns, now_s
        self.recording.write(topic, received_ns, stamp_ns, raw)

    def became_ready(self, now_s: float) -> bool:
        """True once: when every state stream has come and the demonstrator may begin."""
        if self._ready_s is not None or any(topic not in self._newest for topic in self._states):
            return False
        self._ready_s = now_s
        return True

    def check(self, now_s: float) -> None:
        """Raises MissingTopic or StaleObservation naming the stream that never came, or stopped."""
        if self._ready_s is None:
            self._require(self._states, now_s - self._started_s, self._settings.arrival_timeout_s)
            return
        self._require((self._command,), now_s - self._ready_s, self._settings.command_timeout_s)
        if self._command not in self._newest:
            return
        for topic, (_, seen_s) in self._newest.items():
            if now_s - seen_s > self._settings.stream_timeout_s:
                raise StaleObservation(
                    f"nothing new on {topic} for {now_s - seen_s:.1f} s while recording; "
                    "look at its publisher and record again"
                )

    def _require(self, topics: Iterable[str], waited_s: float, timeout_s: float) -> None:
        missing = [topic for topic in topics if topic not in self._newest]
        if missing and waited_s > timeout_s:
            raise MissingTopic(
                f"nothing came on {', '.join(missing)} within {timeout_s:g} s; "
                "is its publisher running, in this namespace, with header stamps on the robot's clock?"
            )

    def end(self, outcome: Outcome, end_ns: int) -> None:
        """Somebody says that it is over: keep everything up to and with this stamp; 0 = what has come."""
        self._outcome, self._end_ns = outcome, end_ns

    def complete(self) -> bool:
        """Whether it is over and every stream has come up to its end."""
        if self._end_ns is None and self.elapsed_s >= self._limit_s:
            self.end(Outcome.UNLABELED, self._newest[self._command][0])
        if self._end_ns is None:
            return False
        streams = (self._command, *self._states)
        return (
            all(self._newest.get(topic, (-1, 0.0))[0] >= self._end_ns for topic in streams)
            or not self._end_ns
        )

    def keep(self) -> None:
        """Put it into the store. Raises what :meth:`amf_ros.data.recording.Recording.finish` raises."""
        self.recording.finish(self._outcome, self._end_ns or 0)

    @property
    def elapsed_s(self) -> float:
        """First command to newest, robot clock [s]."""
        return 0.0 if self.first_ns is None else (self._newest[self._command][0] - self.first_ns) * 1e-9


def recorded_topics(contract: Contract) -> list[Topic]:
    """Every topic that is recorded: the demonstrator's commands, what the policy sees, and the extras."""
    return [contract.command, *contract.topics, *contract.record_extra]
