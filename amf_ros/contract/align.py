"""Which messages belong to an instant: one rule, live and in replay, for streams of every kind.

To a moment belongs of every stream the newest usable message that is stamped not after the instant and had
arrived by then. Joint states may come in parts, on one topic or on several: each joint is taken from the
newest message that holds it. Imports contract, types and errors only.

    streams = Streams(contract)
    streams.add("joint_states", Sample(stamp_ns, arrival_ns, joints))
    moment = streams.moment(instant_ns, arrived_ns)
    contract.observe(moment.inputs, task.roles)

Live, the instant is the stamp of the joint state that has just arrived; in replay that of the newest joint
state not after a command, with its arrival: training sees what serving would have seen when it acted.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from amf_ros.contract.contract import Contract
from amf_ros.contract.topics import NS_PER_MS
from amf_ros.core.errors import StaleObservation, listed
from amf_ros.core.values import JointState, SceneState, Value

_FEW = 64  # samples that are kept however old they are
_FEW_PICTURES = 4


class Sample:
    """One message: when it was true, when it arrived, and what it says, read when it is first asked for.

    Args:
        stamp_ns: as :meth:`Topic.stamp_ns` makes it [ns].
        arrival_ns: of the same clock for all streams; need not be that of the stamps [ns].
        value: itself, or a function that reads it and gives None where it cannot be used.
    """

    __slots__ = ("_read", "_value", "arrival_ns", "stamp_ns", "topic")

    def __init__(self, stamp_ns: int, arrival_ns: int, value: Value | Callable[[], Value | None]) -> None:
        self.stamp_ns, self.arrival_ns, self.topic = stamp_ns, arrival_ns, ""
        self._read = value if callable(value) else None
        self._value = None if callable(value) else value

    @property
    def value(self) -> Value | None:
        """What it says, or None where it cannot be used."""
        if self._read is not None:
            self._value, self._read = self._read(), None
        return self._value


@dataclass(frozen=True)
class Moment:
    """What was known at an instant.

    Attributes:
        stamp_ns: the instant.
        inputs: topic -> value, as :meth:`Contract.observe` takes them.
        joints: those of all topics of joint states together.
        joint_ages_ns: how far before the instant each joint that the contract uses was measured.
        samples: the messages that it was made of.
    """

    stamp_ns: int
    inputs: Mapping[str, Value]
    joints: JointState
    joint_ages_ns: Mapping[str, int]
    samples: tuple[Sample, ...]

    @property
    def scene(self) -> SceneState | None:
        """The scene among the inputs; None where the contract has none."""
        return next((value for value in self.inputs.values() if isinstance(value, SceneState)), None)


class Streams:
    """The messages of a contract's observed topics: joints together, every other topic by itself.

    Not for several threads.

    Args:
        keep_ns: messages older than the newest by this are forgotten; None = all are kept [ns].
    """

    def __init__(self, contract: Contract, keep_ns: int | None = None) -> None:
        self._contract, self._keep_ns = contract, keep_ns
        self._ages = {topic.name: topic.max_age_ns for topic in contract.topics}
        self._oldest_ns = max(self._ages[name] for name in contract.joint_topics)
        self._positions = tuple(name for name, (position, _) in contract.needs.items() if position)
        self._velocities = tuple(name for name, (_, velocity) in contract.needs.items() if velocity)
        self._joints = _Track()
        self._few = {t.name: _FEW_PICTURES if t.kind == "picture" else _FEW for t in contract.topics}
        self._others = {
            name: _Track(self._few[name]) for name in self._ages if name not in contract.joint_topics
        }
        self._seen: set[str] = set()

    def clear(self, topic: str) -> None:
        """Forget what came on a topic, of joint states on all of them: its clock moved back."""
        if topic in self._others:
            self._others[topic] = _Track(self._few[topic])
            self._seen.discard(topic)
        else:
            self._joints = _Track()
            self._seen.difference_update(self._contract.joint_topics)

    def add(self, topic: str, sample: Sample) -> None:
        """Take in a message of one of the contract's topics, in the order of arrival."""
        sample.topic = topic
        self._seen.add(topic)
        track = self._others.get(topic, self._joints)
        track.add(sample)
        if self._keep_ns is not None:
            track.forget_before(track.newest_ns - self._keep_ns)

    @property
    def missing(self) -> list[str]:
        """Topics of which nothing has come yet."""
        return [topic.name for topic in self._contract.topics if topic.name not in self._seen]

    def newest_joints(self, until_ns: int) -> Sample | None:
        """Give the newest joint state that is stamped not after this, of equal stamps the first to arrive."""
        return next(self._joints.back_from(until_ns, None), None)

    def joint_moment(self, until_ns: int) -> Moment:
        """Say what was known when the newest joint state not after this arrived: what serving acts upon.

        Raises:
            StaleObservation: see :meth:`moment`.
        """
        lead = next((s for s in self._joints.back_from(until_ns, None) if s.value is not None), None)
        return self.moment(until_ns) if lead is None else self.moment(lead.stamp_ns, lead.arrival_ns)

    def moment(self, instant_ns: int, arrived_ns: int | None = None) -> Moment:
        """Say what was known at an instant.

        Args:
            instant_ns: nothing that is stamped after it counts.
            arrived_ns: nothing that arrived after it counts; None = arrivals do not matter: lock-step.

        Raises:
            StaleObservation: a stream or a joint is missing or too old; names it and its age.
        """
        joints, ages, samples = self._merged(instant_ns, arrived_ns)
        inputs: dict[str, Value] = {self._contract.joints_topic: joints}
        found = list(samples)
        for topic, track in self._others.items():
            sample = next((s for s in track.back_from(instant_ns, arrived_ns) if s.value is not None), None)
            if sample is None or sample.value is None:
                raise StaleObservation(self._nothing_of(topic, instant_ns))
            _require_fresh(topic, instant_ns - sample.stamp_ns, self._ages[topic])
            inputs[topic] = sample.value
            found.append(sample)
        return Moment(instant_ns, inputs, joints, ages, tuple(found))

    def _merged(
        self, instant_ns: int, arrived_ns: int | None
    ) -> tuple[JointState, dict[str, int], tuple[Sample, ...]]:
        """Return the newest of each joint, the age of those that are used, and where they were found."""
        found: dict[str, tuple[Sample, int]] = {}
        used: list[Sample] = []
        for sample in self._joints.back_from(instant_ns, arrived_ns):
            state = sample.value
            if not isinstance(state, JointState):
                continue
            age = instant_ns - sample.stamp_ns
            if not used and self._holds_all(state):
                _require_fresh(sample.topic, age, self._ages[sample.topic])
                return state, dict.fromkeys(self._contract.needs, age), (sample,)
            if used and age > self._oldest_ns:
                break  # whatever is found from here on is too old
            for i, name in enumerate(state.names):
                if name not in found and self._usable(state, i):
                    found[name] = sample, i
            used.append(sample)
            if all(name in found for name in self._contract.needs):
                break
        lacking = [name for name in self._contract.needs if name not in found]
        if lacking:
            raise StaleObservation(self._lacking(instant_ns, lacking))
        ages = {name: instant_ns - found[name][0].stamp_ns for name in self._contract.needs}
        for name, age in ages.items():
            topic = found[name][0].topic
            _require_fresh(f"joint {name!r} of {topic}", age, self._ages[topic])
        return _joined(found, used[0].stamp_ns), ages, tuple(used)

    def _holds_all(self, state: JointState) -> bool:
        position, velocity = _rows(state.names, self._positions), _rows(state.names, self._velocities)
        if position is None or velocity is None:
            return False
        return bool(
            np.isfinite(state.position[position]).all() and np.isfinite(state.velocity[velocity]).all()
        )

    def _usable(self, state: JointState, i: int) -> bool:
        """Say whether all that the contract uses of a joint is there; of other joints, anything is."""
        position, velocity = self._contract.needs.get(state.names[i], (False, False))
        return (not position or bool(np.isfinite(state.position[i]))) and (
            not velocity or bool(np.isfinite(state.velocity[i]))
        )

    def _lacking(self, instant_ns: int, names: list[str]) -> str:
        topics = ", ".join(self._contract.joint_topics)
        if not len(self._joints):
            return self._nothing_of(topics, instant_ns)
        last = self._joints.last_with(names[0], instant_ns)
        if last is not None:
            return _too_old(
                f"joint {names[0]!r} of {last.topic}", instant_ns - last.stamp_ns, self._oldest_ns
            )
        held = sorted({name for sample in self._joints.newest(_FEW) for name in _names(sample)})
        return (
            f"no position that can be used of joint {listed(names)} came on {topics}, which held "
            f"{listed(held, 8)}; do the contract's joints fit the robot?"
        )

    def _nothing_of(self, topic: str, instant_ns: int) -> str:
        if topic not in self._seen:
            return f"no message yet on {topic}; is the robot running and publishing it?"
        track = self._others.get(topic, self._joints)
        ahead = [sample.stamp_ns - instant_ns for sample in track.newest(_FEW)]
        if ahead and min(ahead) > 0:
            return f"{topic} is stamped {min(ahead) / NS_PER_MS:.0f} ms after the joints; do clocks differ?"
        return f"no message on {topic} can be used"


class _Track:
    """Samples by stamp; of equal stamps the first to arrive is the newest. Some are kept however old."""

    def __init__(self, few: int = _FEW) -> None:
        self._few = few
        self._stamps: list[int] = []
        self._samples: list[Sample] = []

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int:
        return self._stamps[-1]

    def add(self, sample: Sample) -> None:
        place = bisect.bisect_left(self._stamps, sample.stamp_ns)
        self._stamps.insert(place, sample.stamp_ns)
        self._samples.insert(place, sample)

    def forget_before(self, stamp_ns: int) -> None:
        if len(self._stamps) > self._few and self._stamps[self._few // 2] < stamp_ns:
            end = min(bisect.bisect_left(self._stamps, stamp_ns), len(self._stamps) - self._few // 2)
            del self._stamps[:end], self._samples[:end]

    def back_from(self, instant_ns: int, arrived_ns: int | None) -> Iterator[Sample]:
        for place in range(bisect.bisect_right(self._stamps, instant_ns) - 1, -1, -1):
            sample = self._samples[place]
            if arrived_ns is None or sample.arrival_ns <= arrived_ns:
                yield sample

    def newest(self, count: int) -> list[Sample]:
        return self._samples[-count:]

    def last_with(self, joint: str, until_ns: int) -> Sample | None:
        """Find it for an error's text only: this reads all that is kept."""
        return next((s for s in self.back_from(until_ns, None) if joint in _names(s)), None)


def _names(sample: Sample) -> tuple[str, ...]:
    return sample.value.names if isinstance(sample.value, JointState) else ()


@lru_cache(maxsize=256)
def _rows(known: tuple[str, ...], wanted: tuple[str, ...]) -> list[int] | None:
    """Positions of names, or None where one is missing."""
    return [known.index(name) for name in wanted] if set(wanted) <= set(known) else None


def _joined(found: Mapping[str, tuple[Sample, int]], stamp_ns: int) -> JointState:
    """Return one joint state of several, in the order in which joints were found."""
    rows = [(sample.value, i) for sample, i in found.values()]
    parts = [(state.position[i], state.velocity[i]) for state, i in rows if isinstance(state, JointState)]
    position, velocity = np.array(parts).T
    return JointState(stamp_ns, tuple(found), position.copy(), velocity.copy())


def _require_fresh(what: str, age_ns: int, allowed_ns: int) -> None:
    if age_ns > allowed_ns:
        raise StaleObservation(_too_old(what, age_ns, allowed_ns))


def _too_old(what: str, age_ns: int, allowed_ns: int) -> str:
    return (
        f"{what} is {age_ns / NS_PER_MS:.0f} ms old, allowed {allowed_ns / NS_PER_MS:.0f} ms; "
        "check that it is published at its rate and on the same clock"
    )
