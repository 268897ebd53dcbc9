"""Recorded streams -> the arrays that a policy learns from: ``replay(streams, contract, roles)``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from amf_ros.contract import Contract, Topic
from amf_ros.contract.align import Moment, Sample, Streams
from amf_ros.contract.codecs import Arrived
from amf_ros.contract.holes import hole
from amf_ros.contract.intake import Intake
from amf_ros.core.errors import BadMessage, DataError, OutOfRange, StaleObservation
from amf_ros.core.frames import Frame, Frames
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState, Value
from amf_ros.store.steps import driven, expanded, steps

FAR_NS = 1_000_000_000  # a command so long after all states is no late one but a mistake
_LOG = logging.getLogger("amf_ros.store")
Recorded = Mapping[str, Sequence[Value | Arrived]]


@dataclass(frozen=True)
class Arrays:
    """One demonstration as numbers.

    Attributes:
        observations: T frames.
        actions, stamps_ns: (T, a) and (T,), of each step.
        num_applied: steps whose action is the command as the robot applied it; else as it was asked.
        skipped: topic -> how many of its messages could not be used and what was wrong with the first.
    """

    observations: Frames
    actions: Array
    stamps_ns: NDArray[np.int64]
    num_applied: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)


def replay(
    streams: Recorded,
    contract: Contract,
    roles: Mapping[str, str],
    start_ns: int = 0,
    end_ns: int = 0,
    *,
    by_arrival: bool = False,
) -> Arrays:
    """Make one step per command: what serving would have seen when it was given, and the command.

    Messages are ordered by header stamp; of several with one stamp the first counts, as for the robot.
    Messages that cannot be used are skipped. Commands before the first message of every stream answer
    nothing that was recorded and are left out. Commands stamped 0 do not say which state they answer, but the
    robot says to which one it applied them: where applied commands are learned, the steps are those.

    Args:
        streams: contract topic -> values or messages, in any order.
        contract: decides features, ages and rates, and whether asked or applied commands are learned.
        roles: of the task.
        start_ns: first stamp that belongs to the demonstration; 0 = all.
        end_ns: last one; 0 = all.
        by_arrival: recorded in real time: what arrived after the joint state that a command answers was not
            known to whoever gave it. False: in lock-step, where stamps alone say what belongs together.

    Raises:
        OutOfRange: a command that the contract's ranges or steps exclude.
        DataError: no commands, or a stream that is missing, too slow, too old or has a hole; names it.
        ContractError: joints, objects or roles do not fit.
    """
    sifted = _Sifted(streams, contract, roles, by_arrival)
    states = Streams(contract)
    for topic, value, arrival_ns in sifted.states:
        states.add(topic, Sample(value.stamp_ns, arrival_ns, value))
    sifted.require([topic.name for topic in contract.topics])
    asked = _asked(sifted, contract, states, max(start_ns, sifted.complete_ns()), end_ns)
    _check_streams(sifted, contract, asked[0].stamp_ns, asked[-1].stamp_ns)
    actions: list[Array] = []
    num_applied = 0

    def frames() -> Iterator[Frame]:
        nonlocal num_applied
        for command in asked:
            try:
                moment = _moment(states, command.stamp_ns, by_arrival)
                observation = contract.observe(moment.inputs, roles, now_ns=command.stamp_ns)
            except StaleObservation as error:
                raise DataError(f"at {command.stamp_ns} ns: {error}") from error
            applied = sifted.applied_of(command) if contract.learn == "applied" else None
            num_applied += applied is not None
            actions.append(contract.encode(_done(command, applied), moment.joints))
            yield observation.values

    observations = Frames.filled(len(asked), frames())
    if contract.learn == "applied" and not num_applied:
        _say_once(contract.applied.name)
    stamps = np.array([command.stamp_ns for command in asked], dtype=np.int64)
    return Arrays(observations, np.stack(actions), stamps, num_applied, sifted.skipped)


@lru_cache(maxsize=8)
def _say_once(topic: str) -> None:
    """Once for each process: a store may hold thousands of them."""
    _LOG.warning(
        "a recording holds no applied commands (%s) with the stamps of its commands: training learns the "
        "asked ones, which the robot may have bounded; contracts with action.learn: asked do not say so",
        topic,
    )


def _moment(states: Streams, stamp_ns: int, by_arrival: bool) -> Moment:
    """Return what serving would have seen at the newest joint state not after a command.

    Where it would have refused, because something arrived late, stamps alone say what was true: a recorder
    that was busy for a moment does not cost a demonstration.
    """
    if by_arrival:
        with suppress(StaleObservation):
            return states.joint_moment(stamp_ns)
    return states.moment(stamp_ns)


def _done(asked: JointCommand, applied: JointCommand | None) -> JointCommand:
    """Return what the robot did: joints that it does not tell of as they were asked."""
    if applied is None:
        return asked
    targets = dict(zip(asked.names, asked.position, strict=True))
    targets.update(zip(applied.names, applied.position, strict=True))
    return JointCommand(asked.stamp_ns, tuple(targets), np.array(list(targets.values())))


class _Sifted:
    """What of a recording can be used, and what was wrong with the rest."""

    def __init__(
        self, streams: Recorded, contract: Contract, roles: Mapping[str, str], by_arrival: bool
    ) -> None:
        self._contract = contract
        self._state_topics = {topic.name for topic in contract.topics}
        self.states: list[tuple[str, Value, int]] = []
        self.commands: dict[int, JointCommand | JointPlan] = {}
        self.applied: dict[int, JointCommand] = {}
        self._headers: dict[int, int] = {}  # of commands: corrected stamp -> the header's, which applied has
        unstamped = False
        self._problems: dict[str, list[str]] = {}
        intake = Intake(contract, roles=roles, exact=not by_arrival)
        for topic, value, arrival_ns, header_ns in self._in_order(streams):
            try:
                intake.check(topic, value, arrival_ns)
            except OutOfRange as error:
                if topic == contract.record_from:
                    raise
                self._problem(topic, error.reason)
                continue
            except BadMessage as error:
                self._problem(topic, error.reason)
                continue
            if topic in self._state_topics:
                self.states.append((topic, value, arrival_ns))
            elif topic == contract.record_from and isinstance(value, (JointCommand, JointPlan)):
                self.commands.setdefault(value.stamp_ns, value)
                self._headers.setdefault(value.stamp_ns, header_ns)
                unstamped = unstamped or (by_arrival and header_ns == 0)
            elif isinstance(value, JointCommand):
                self.applied.setdefault(value.stamp_ns, value)
        if unstamped and contract.learn == "applied":
            self._take_applied()

    def _take_applied(self) -> None:
        """Learn what the robot did at its own stamps; where it does not say, commands count on arrival."""
        found = driven(self.applied, self.commands, self._contract)
        if found:
            self.commands, self._headers = dict(found), {}

    def applied_of(self, command: JointCommand) -> JointCommand | None:
        """Return what the robot applied of a command, if it says so."""
        return self.applied.get(self._headers.get(command.stamp_ns, command.stamp_ns))

    def _in_order(self, streams: Recorded) -> list[tuple[str, Value, int, int]]:
        """By arrival; where that is not known by stamp, states before the commands that answer them."""
        found: list[tuple[tuple[int, bool], str, Value, int, int]] = []
        for topic in (*self._contract.topics, self._contract.command, self._contract.applied):
            late = topic.name not in self._state_topics
            for item in streams.get(topic.name, ()):
                arrived = item if isinstance(item, Arrived) else Arrived(item)
                if arrived.value is None:
                    self._problem(topic.name, arrived.problem)
                    continue
                stamp_ns = _stamp_ns(topic, arrived, arrived.value.stamp_ns, zero_is_now=late)
                value, header_ns = arrived.value, arrived.value.stamp_ns
                if stamp_ns != value.stamp_ns:
                    value = replace(value, stamp_ns=stamp_ns)
                order = arrived.arrival_ns or value.stamp_ns, late
                found.append((order, topic.name, value, arrived.arrival_ns, header_ns))
        found.sort(key=lambda item: item[0])
        return [item[1:] for item in found]

    def _problem(self, topic: str, text: str) -> None:
        self._problems.setdefault(topic, []).append(text)

    @property
    def skipped(self) -> dict[str, str]:
        """Topic -> one line."""
        return {topic: f"{len(texts)} not usable: {texts[0]}" for topic, texts in self._problems.items()}

    def stamps(self, topic: str) -> list[int]:
        """Return the stamps of the states of a topic that can be used."""
        return [value.stamp_ns for name, value, _ in self.states if name == topic]

    def require(self, topics: list[str]) -> None:
        """Refuse topics of which nothing can be used. Raises DataError with their names."""
        came = {topic for topic, _, _ in self.states}
        missing = [topic for topic in topics if topic not in came]
        if not missing:
            return
        bad = [f"{topic}: {self.skipped[topic]}" for topic in missing if topic in self._problems]
        if bad:
            raise DataError(f"nothing that can be used was recorded on {'; '.join(bad)}")
        raise DataError(f"nothing was recorded on {', '.join(missing)}; is the robot publishing it?")

    def complete_ns(self) -> int:
        """Return the first stamp at which every stream, and every joint that is used, has come [ns]."""
        alike: dict[tuple[str, tuple[str, ...]], int] = {}  # the same names come with every message
        for topic, value, _ in self.states:
            names = value.names if isinstance(value, JointState) else ()
            alike[topic, names] = min(value.stamp_ns, alike.get((topic, names), value.stamp_ns))
        first: dict[str, int] = {}
        for (topic, names), stamp in alike.items():
            joints = [name for name in names if name in self._contract.needs]
            for part in joints if topic in self._contract.joint_topics else [topic]:
                first[part] = min(stamp, first.get(part, stamp))
        return max(first.values(), default=0)


def _stamp_ns(topic: Topic, arrived: Arrived, header_ns: int, *, zero_is_now: bool) -> int:
    """Say when a recorded message counts: corrected as the contract says now, and as the recorder judged."""
    judged_ns = arrived.publish_ns if arrived.publish_ns not in (0, header_ns) else arrived.arrival_ns
    if header_ns == 0 and zero_is_now:
        return judged_ns
    return topic.stamp_ns(header_ns, judged_ns)


def _asked(
    sifted: _Sifted, contract: Contract, states: Streams, first_ns: int, end_ns: int
) -> list[JointCommand]:
    """Return the demonstrator's commands, one per step.

    Raises:
        DataError: there are none.
    """
    planned = expanded(sifted.commands, contract.period_ns, states)
    commands = [
        command
        for command in planned
        if command.stamp_ns >= first_ns and (not end_ns or command.stamp_ns <= end_ns)
    ]
    if not commands:
        wrong = sifted.skipped.get(contract.record_from, "")
        raise DataError(
            f"no command on {contract.record_from} that answers a recorded state ({len(planned)} others"
            f"{'; ' + wrong if wrong else ''}); "
            "is the teleop device publishing, with header stamps on the robot's clock?"
        )
    _check_far(commands, contract, states)
    return steps(commands, contract)


def _check_far(commands: list[JointCommand], contract: Contract, states: Streams) -> None:
    """Raise DataError naming a stamp long after everything else, which no rate or age is to be made of."""
    last_ns, newest = commands[-1].stamp_ns, states.newest_joints(commands[-1].stamp_ns)
    allowed_ns = max(FAR_NS, contract.command.max_age_ns)
    if newest is not None and last_ns - newest.stamp_ns > allowed_ns:
        late_s, joints = (last_ns - newest.stamp_ns) * 1e-9, ", ".join(contract.joint_topics)
        raise DataError(
            f"{contract.record_from} holds a command stamped {late_s:.3g} s after the newest of {joints}, "
            f"allowed is {allowed_ns * 1e-9:g} s; one of the two clocks jumped"
        )


def _check_streams(sifted: _Sifted, contract: Contract, start_ns: int, end_ns: int) -> None:
    """Raise DataError naming the stream with a hole, or slower than its ``min_rate_hz`` over a second."""
    seconds = (end_ns - start_ns) * 1e-9
    for topic in contract.topics:
        stamps = sorted(sifted.stamps(topic.name))
        count = sum(start_ns <= stamp <= end_ns for stamp in stamps)
        if seconds >= 1.0 and (rate := max(count - 1, 0) / seconds) < topic.min_rate_hz:
            raise DataError(
                f"{topic.name} came at {rate:.1f} Hz, allowed is no less than {topic.min_rate_hz:g} Hz; "
                "check its publisher and the network, then record again"
            )
        if problem := hole(topic, stamps, start_ns, end_ns):
            raise DataError(problem)
