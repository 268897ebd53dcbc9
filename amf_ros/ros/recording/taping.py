"""One demonstration while it is recorded: which messages belong to it, and what goes wrong with them.

No rclpy: the recorder node passes raw messages and a monotonic clock. Judged by stamps, so that it works
in lock-step, real time and faster; only silence is measured on the wall clock.

    taping = Taping(recording, contract, settings, start_ns=0, limit_s=60.0, now_s=now_s)
    skipped = taping.write("joint_states", Came(raw, stamp_ns, arrival_ns, log_ns), now_s)
    taping.check(now_s)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from amf_ros.contract import Contract, Topic
from amf_ros.core.errors import BadMessage, StaleObservation
from amf_ros.core.values import JointPlan, Outcome, Task
from amf_ros.ros.recording.judging import Judging, Reset
from amf_ros.ros.settings import RecorderSettings
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.schemas import schema_text
from amf_ros.store.writing import DemonstrationWriter

if TYPE_CHECKING:
    from amf_ros.ros.requests import RecordingRequest  # it knows messages, and this runs without ROS

APPLIED_S = 0.5  # the robot's answer to the last command is waited for


class MissingTopic(StaleObservation):
    """A required stream never came."""


@dataclass(frozen=True)
class Came:
    """One message as it came.

    Attributes:
        raw: CDR bytes.
        stamp_ns: when it counts, as the contract corrects it; 0 = it does not say [ns].
        arrival_ns: on the robot's clock [ns].
        log_ns: for the file [ns].
    """

    raw: bytes
    stamp_ns: int
    arrival_ns: int
    log_ns: int


class Taping:
    """Feeds one staged recording and knows when it is complete.

    Args:
        start_ns: first stamp that belongs to it; 0 = from now on [ns].
        limit_s: ends it, unlabeled, on the robot's clock [s].
        now_s: monotonic clock [s], as in every later call.
        exact: lock-step.
    """

    def __init__(
        self,
        recording: DemonstrationWriter,
        contract: Contract,
        settings: RecorderSettings,
        *,
        start_ns: int,
        limit_s: float,
        now_s: float,
        exact: bool = False,
    ) -> None:
        self.recording, self.start_ns = recording, start_ns
        self._contract, self._settings, self._limit_s, self._exact = contract, settings, limit_s, exact
        self._judging = Judging(contract, recording.about.roles, exact=exact)
        self._command, self._states = contract.record_from, tuple(topic.name for topic in contract.topics)
        self._newest: dict[str, tuple[int, float]] = {}
        self._last_raw: dict[str, bytes] = {}
        self._started_s = now_s
        self._ready_s: float | None = None
        self._end_ns: int | None = None
        self._ended_s = 0.0
        self._outcome = Outcome.UNLABELED
        self._stopped = False
        self.first_ns: int | None = None
        self.first_state_ns: int | None = None
        self.num_steps = 0
        self.heard: set[str] = set()
        for topic in recorded_topics(contract):
            recording.add_topic(topic.name, topic.type, schema_text(topic.type))

    @property
    def id(self) -> str:
        """Of the demonstration."""
        return self.recording.about.id

    def write(self, topic: str, came: Came, now_s: float) -> str:
        """Write one message; those from before the start are left out, and those that cannot be used.

        Returns:
            Why it cannot be used, in one line; empty where it was taken.

        Raises:
            Reset: what comes now does not belong to what was recorded.
            BadStream: too much of a stream cannot be used.
            StorageError: the disk is full; the recording is gone.
        """
        if topic not in self._contract.recorded:
            self.heard.add(topic)
            self.recording.write(topic, came.log_ns, came.log_ns, came.raw)
            return ""
        if came.stamp_ns and came.stamp_ns < self.start_ns:
            return ""
        newest = self._newest.get(topic)
        again = newest is not None and came.stamp_ns == newest[0]
        # Lock-step repeats states; elsewhere two publishers of one topic may share a stamp.
        if again and (self._exact or came.raw == self._last_raw[topic]):
            return ""
        try:
            value = self.recording.decode(topic, came.raw)  # with its header's stamp, as a reader of the file
            judged = value if value.stamp_ns == came.stamp_ns else replace(value, stamp_ns=came.stamp_ns)
            self._judging.message(topic, judged, came.arrival_ns, now_s)
        except BadMessage as error:
            self._judging.skipped(error, now_s)
            return error.reason
        self._note(topic, came, now_s, stops=isinstance(value, JointPlan) and value.stops)
        self.recording.write(topic, came.log_ns, came.stamp_ns, came.raw, value)
        return ""

    def _note(self, topic: str, came: Came, now_s: float, *, stops: bool) -> None:
        newest_ns = max(came.stamp_ns, self._newest[topic][0] if topic in self._newest else 0)
        self._newest[topic], self._last_raw[topic] = (newest_ns, now_s), came.raw
        if topic in self._states and self.first_state_ns is None:
            self.first_state_ns = came.stamp_ns
        if topic != self._command:
            return
        self._stopped = stops
        if not stops:
            self.first_ns = came.stamp_ns if self.first_ns is None else self.first_ns
            self.num_steps += 1

    def began_anew(self, stamp_ns: int) -> None:
        """Note that the robot says that an episode began at a stamp, by a reset or a restart.

        Raises:
            Reset: states from before it are recorded already.
        """
        before = self.start_ns or self.first_state_ns
        if before is not None and stamp_ns > before:
            raise Reset(
                "the scene was reset, or the robot restarted, while recording: its states do not belong "
                "together; record again"
            )

    def became_ready(self, now_s: float) -> bool:
        """Say once that every state stream has come and the demonstrator may begin."""
        if self._ready_s is not None or any(topic not in self._newest for topic in self._states):
            return False
        self._ready_s = now_s
        return True

    def missing(self) -> list[str]:
        """State streams of which nothing has come yet."""
        return [topic for topic in self._states if topic not in self._newest]

    def check(self, now_s: float) -> None:
        """Look what is wrong with the streams by now.

        Raises:
            MissingTopic, StaleObservation, BadStream: naming the stream that never came, stopped, or is of
                no use.
        """
        if self._ready_s is None:
            self._require(self._states, now_s - self._started_s, self._settings.arrival_timeout_s)
            return
        self._require((self._command,), now_s - self._ready_s, self._settings.command_timeout_s)
        if self._command not in self._newest:
            return
        self._judging.check(now_s)
        for topic in (self._command, *self._states):
            silent_s = now_s - self._newest[topic][1]
            if silent_s > self._patience_s(topic):
                raise StaleObservation(
                    f"nothing new on {topic} for {silent_s:.1f} s while recording; "
                    "look at its publisher and record again"
                )

    def _patience_s(self, topic: str) -> float:
        """Say how long a stream may be silent: the contract's age, and after a stop as before the start."""
        if topic == self._command:
            settings = self._settings
            return settings.command_timeout_s if self._stopped else settings.stream_timeout_s
        ages = {state.name: state.max_age_ns * 1e-9 for state in self._contract.topics}
        return max(self._settings.stream_timeout_s, ages[topic])

    def _require(self, topics: Iterable[str], waited_s: float, timeout_s: float) -> None:
        missing = [topic for topic in topics if topic not in self._newest]
        if missing and waited_s > timeout_s:
            raise MissingTopic(
                f"nothing came on {', '.join(missing)} within {timeout_s:g} s; "
                "is its publisher running, in this namespace, with header stamps on the robot's clock?"
            )

    def end(self, outcome: Outcome, end_ns: int, now_s: float) -> None:
        """Somebody says that it is over: keep everything up to and with this stamp; 0 = what has come."""
        if self._end_ns is None:
            self._ended_s = now_s
        self._outcome, self._end_ns = outcome, end_ns

    def complete(self, now_s: float) -> bool:
        """Say whether it is over and every stream has come up to its end."""
        newest_ns = self._newest.get(self._command, (0, 0.0))[0]
        if (self._end_ns is None or self._end_ns > newest_ns) and self.elapsed_s >= self._limit_s:
            self.end(self._outcome, newest_ns, now_s)
        if self._end_ns is None:
            return False
        streams = (self._command, *self._states)
        came = all(self._newest.get(topic, (-1, 0.0))[0] >= self._end_ns for topic in streams)
        return not self._end_ns or (came and self._answered(self._end_ns, now_s))

    def _answered(self, end_ns: int, now_s: float) -> bool:
        """Say whether the robot has said what it applied of the last command, if it says so at all."""
        newest = self._newest.get(self._contract.applied.name)
        return newest is None or newest[0] >= end_ns or now_s - self._ended_s > APPLIED_S

    def keep(self) -> None:
        """Put it into the store. Raises as :meth:`amf_ros.store.writing.DemonstrationWriter.finish`."""
        self.recording.finish(self._outcome, self._end_ns or 0)

    @property
    def span_ns(self) -> tuple[int, int]:
        """Where it begins, and the stamp of its newest state; 0 where nothing has come [ns]."""
        newest_ns = max(
            (self._newest[topic][0] for topic in self._states if topic in self._newest), default=0
        )
        return self.start_ns or self.first_state_ns or 0, newest_ns

    @property
    def elapsed_s(self) -> float:
        """First command to newest, robot clock [s]."""
        return 0.0 if self.first_ns is None else (self._newest[self._command][0] - self.first_ns) * 1e-9


def tape(
    store: DemonstrationStore,
    contract: Contract,
    settings: RecorderSettings,
    wanted: RecordingRequest,
    task: Task,
    now_s: float,
) -> Taping:
    """Begin to record what a request with an id asks for.

    Raises:
        DataError: the id is taken, or is being recorded by somebody else.
        StorageError: the disk is full or not writable.
    """
    exact = settings.real_time_factor == 0.0
    recording = store.stage(
        wanted.id,
        task,
        contract,
        suite=settings.suite,
        source=wanted.source,
        seed=wanted.seed,
        start_stamp_ns=wanted.start_ns,
        by_arrival=not exact,
    )
    limit_s = wanted.limit_s or settings.max_duration_s
    return Taping(
        recording, contract, settings, start_ns=wanted.start_ns, limit_s=limit_s, now_s=now_s, exact=exact
    )


def recorded_topics(contract: Contract) -> list[Topic]:
    """Return all that is recorded: commands as asked and as applied, what the policy sees, and the extras."""
    return [contract.command, *contract.topics, contract.applied, *contract.record_extra]
