"""A contract's streams as they arrive: when is there a state to act upon, and what is known then?

    serving = Serving(contract, exact=False)
    instant = serving.arrived("joint_states", header_ns, arrival_ns, clock_ns, read)
    if instant is not None: moment = serving.moment(now_ns)

Two clocks: stamps are on the robot's, arrivals and now on a monotonic one of this process. In lock-step a
state is that of one stamp on all topics, however long ago it came; else it has an age by both clocks, and is
refused when either is beyond what the contract allows. Imports contract, types and errors only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from amf_ros.contract.align import Moment, Sample, Streams
from amf_ros.contract.clocks import Clocks
from amf_ros.contract.contract import Contract
from amf_ros.contract.intake import Intake
from amf_ros.contract.topics import NS_PER_MS
from amf_ros.core.errors import BadMessage, StaleObservation
from amf_ros.core.values import Value

KEPT_AGES = 3  # messages are kept for as many times the greatest age that the contract allows


class Serving:
    """What one node knows of the contract's streams. Not for several threads.

    Args:
        exact: lock-step.
        time_factor: seconds of the robot's clock in a second of this process's.
    """

    def __init__(self, contract: Contract, *, exact: bool, time_factor: float = 1.0) -> None:
        self._contract, self._exact, self._factor = contract, exact, time_factor
        self._topics = {topic.name: topic for topic in contract.topics}
        oldest_ns = max(topic.max_age_ns for topic in contract.topics)
        self._streams = Streams(contract, keep_ns=KEPT_AGES * oldest_ns + contract.period_ns)
        self._intake = Intake(contract, exact=exact)
        self._clocks = Clocks(contract, contract.topics)
        self._newest: dict[str, int] = {}
        self._lead_ns = 0
        self.num_skipped = 0
        self.problem = ""

    def arrived(
        self, topic: str, header_ns: int, arrival_ns: int, clock_ns: int, read: Callable[[], Value]
    ) -> int | None:
        """Take in a message of one of the contract's topics.

        Args:
            topic: as the contract calls it inside.
            header_ns: its header's stamp [ns].
            arrival_ns: monotonic clock [ns].
            clock_ns: the clock that stamps are made by, or 0 where it is not known [ns].
            read: what it says; raises BadMessage. Called when it is needed, at most once.

        Returns:
            The stamp of a state that can be acted upon since this message, or None. In lock-step the same
            stamp again when a message is repeated: the robot may have missed the answer.
        """
        stamp_ns = self._topics[topic].stamp_ns(header_ns, clock_ns)
        sample = Sample(stamp_ns, arrival_ns, lambda: self._read(topic, stamp_ns, read))
        if self._exact:
            return self._arrived_exactly(topic, sample)
        try:
            moved = self._intake.check_stamp(topic, stamp_ns, round(arrival_ns * self._factor))
        except BadMessage as error:
            self.skip(error)
            return None
        if moved:
            self._clocks.forget()
        if moved and stamp_ns < self._newest.get(topic, 0):  # the robot or its driver was started anew
            self._streams.clear(topic)
            self._lead_ns = 0 if topic in self._contract.joint_topics else self._lead_ns
        self._newest[topic] = stamp_ns
        self._clocks.add(topic, stamp_ns, clock_ns or max(self._lead_ns, stamp_ns))
        self._streams.add(topic, sample)
        if topic not in self._contract.joint_topics or stamp_ns <= self._lead_ns:
            return None
        self._lead_ns = stamp_ns
        return None if self._streams.missing else stamp_ns

    def _arrived_exactly(self, topic: str, sample: Sample) -> int | None:
        before = self._newest.get(topic)
        if before is not None and sample.stamp_ns < before:  # the robot was started anew
            for known in self._newest:
                self._streams.clear(known)
            self._newest.clear()
        if sample.stamp_ns != before:
            self._streams.add(topic, sample)
            self._newest[topic] = self._lead_ns = sample.stamp_ns
        return self._common_ns()

    def _common_ns(self) -> int | None:
        stamps = set(self._newest.values())
        return stamps.pop() if len(stamps) == 1 and len(self._newest) == len(self._topics) else None

    def stamp_ns(self, now_ns: int) -> int | None:
        """Return the stamp of the state to act upon now, or None; each of several callers may act once."""
        if self._exact:
            return self._common_ns()
        return None if self._streams.missing or self.refusal(now_ns) else self._lead_ns

    def moment(self, now_ns: int) -> Moment:
        """Say what is known now, for a policy or an expert to act upon.

        Args:
            now_ns: monotonic clock [ns].

        Raises:
            StaleObservation: a stream or joint is missing, too old, or on another clock; names it.
        """
        try:
            if self._exact:
                return self._whole(self._streams.moment(self._lead_ns))
            problem = self._clocks.problem()
            if problem:
                raise StaleObservation(problem)
            newest = self._streams.newest_joints(self._lead_ns)
            if newest is not None and newest.value is None:  # replay would know of later ones by then
                raise StaleObservation(f"the newest message on {newest.topic} cannot be used")
            moment = self._streams.joint_moment(self._lead_ns)
            for sample in moment.samples:
                self._require_recent(sample, now_ns)
        except StaleObservation as error:
            more = f" ({self.num_skipped} messages were skipped: {self.problem})" if self.problem else ""
            raise StaleObservation(f"{error}{more}") from error
        return moment

    def refusal(self, now_ns: int) -> str:
        """Why there is nothing to act upon now, or an empty text."""
        try:
            self.moment(now_ns)
        except StaleObservation as error:
            return str(error)
        return ""

    def delay_s(self, topic: str) -> float:
        """Return what :meth:`Clocks.delay_s` says of a topic."""
        return self._clocks.delay_s(topic)

    def reset_known(self) -> None:
        """Take note that the scene was reset: stamps may jump, and are not doubted for that."""
        self._intake.moved()
        self._clocks.forget()

    def skip(self, error: BadMessage) -> None:
        """Count a message that cannot be used."""
        self.num_skipped += 1
        self.problem = str(error)

    def _read(self, topic: str, stamp_ns: int, read: Callable[[], Value]) -> Value | None:
        """Read a message; its stamp is the corrected one, as in replay."""
        try:
            value = read()
            value = value if value.stamp_ns == stamp_ns else replace(value, stamp_ns=stamp_ns)
            self._intake.check_value(topic, value)
        except BadMessage as error:
            self.skip(error)
            return None
        return value

    def _whole(self, moment: Moment) -> Moment:
        """In lock-step everything is of the instant itself. Raises StaleObservation naming what is not."""
        late = [joint for joint, age in moment.joint_ages_ns.items() if age]
        if late:
            raise StaleObservation(
                f"joint {late[0]!r} has another stamp than the state; in lock-step every joint state must "
                "hold all joints"
            )
        old = next((sample for sample in moment.samples if sample.stamp_ns != moment.stamp_ns), None)
        if old is not None:
            age_ms = (moment.stamp_ns - old.stamp_ns) / NS_PER_MS
            raise StaleObservation(
                f"{old.topic} is {age_ms:.0f} ms older than the joints; in lock-step every stream must come "
                "with every state: let a camera run at the contract's fps"
            )
        return moment

    def _require_recent(self, sample: Sample, now_ns: int) -> None:
        age_ns = (now_ns - sample.arrival_ns) * self._factor
        allowed_ns = self._topics[sample.topic].max_age_ns
        if age_ns > allowed_ns:
            raise StaleObservation(
                f"{sample.topic} arrived {age_ns / NS_PER_MS:.0f} ms ago, allowed "
                f"{allowed_ns / NS_PER_MS:.0f} ms; is its driver running?"
            )
