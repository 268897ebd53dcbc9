"""Can this message be used? Judged one by one as they arrive, by the same code live, recording and in replay.

    intake = Intake(contract, roles=task.roles)
    intake.check("joint_states", value, arrival_ns)     # raises BadMessage: topic and reason

What the contract does not use cannot fail: joints of other arms, velocities that no feature reads, objects
that no role names. A joint state may hold only some of the joints. Imports contract, types and errors only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from amf_ros.contract.contract import Contract, shortest
from amf_ros.contract.feature_spec import RelativeYawFeature, YawFeature
from amf_ros.contract.features import ROLE
from amf_ros.contract.stamps import Stamps
from amf_ros.core.errors import BadMessage, OutOfRange
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState, Numbers, SceneState, Value

COMMAND_SLACK = 0.05  # of a range: how far beyond it a command may be
MEASURED_SLACK = 1.0  # and a measured joint: a range is of targets, and may be a part of the joint's own
QUATERNION_SLACK = 0.1  # of a length of 1
MOST_NAMES = 1_000
MOST_REMEMBERED = 64  # orders of names


@dataclass(frozen=True)
class _Used:
    """Which joints of a message with certain names are used, and within which bounds nothing need be said."""

    rows: list[int]
    lower: Array
    upper: Array
    moving: bool


class Intake:
    """Checks the messages of one node or one recording, in the order of their arrival.

    Args:
        contract: what is used, and within which ranges.
        roles: of the task; None = scene objects that only roles name are not checked.
        limits: joint -> lower and upper limit, where the robot's are known [rad or m].
        exact: lock-step: stamps are the robot's and may jump, resets move them.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        roles: Mapping[str, str] | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        exact: bool = False,
    ) -> None:
        self._contract, self._limits = contract, dict(limits or {})
        ages = {topic.name: topic.max_age_ns for topic in (contract.command, *contract.topics)}
        ages[contract.applied.name] = contract.command.max_age_ns  # it carries the command's stamp
        self._stamps = Stamps(ages, exact=exact)
        self._joints: dict[tuple[str, ...], JointState] = {}
        self._used: dict[tuple[str, ...], _Used] = {}
        self._ranges, self._steps = {}, {}
        for element in contract.spec.action.elements:
            for joint in element.joints:
                if element.range is not None:
                    self._ranges[joint] = (min(element.range), max(element.range))
                else:
                    self._steps[joint] = element.max_step
        self._objects, self._turned = _objects(contract, roles)

    def check(self, topic: str, value: Value, arrival_ns: int) -> bool:
        """Say whether a decoded message can be used; returns whether its stream's clock moved (a reset).

        Args:
            topic: as the contract calls it inside.
            value: with the stamp that :meth:`Topic.stamp_ns` makes of the header's.
            arrival_ns: of the same clock in each call [ns].

        Raises:
            OutOfRange: a value that ranges, limits or steps exclude; names joint, value and what is allowed.
            BadMessage: anything else; it changes nothing that later messages are judged by but one thing:
                a stamp that jumps is refused once, and taken when the next message follows it.
        """
        self.check_value(topic, value)
        zero_is_now = isinstance(value, (JointCommand, JointPlan))
        moved = self.check_stamp(topic, value.stamp_ns, arrival_ns, zero_is_now=zero_is_now)
        if isinstance(value, JointState) and (
            value.names in self._joints or len(self._joints) < MOST_REMEMBERED
        ):
            self._joints[value.names] = value
        return moved

    def check_value(self, topic: str, value: Value) -> None:
        """Judge all but the stamp: the first half of :meth:`check`; a picture that was read is fine."""
        if isinstance(value, JointState):
            self._check_joints(topic, value)
        elif isinstance(value, SceneState):
            self._check_scene(topic, value)
        elif isinstance(value, (JointCommand, JointPlan)):
            self._check_command(topic, value)
        elif isinstance(value, Numbers):
            _check_numbers(topic, value)

    def moved(self) -> None:
        """Forget where stamps stood, after a reset or restart: they may jump without being doubted."""
        self._stamps.forget()
        self._joints.clear()

    def _check_joints(self, topic: str, joints: JointState) -> None:
        _require_names(topic, joints.names, len(joints.position))
        used = self._used.get(joints.names)
        if used is None:
            used = self._find_used(topic, joints.names)
        position = joints.position[used.rows]
        if ((used.lower <= position) & (position <= used.upper)).all() and not used.moving:
            return
        if len(used.rows) and np.isnan(position).all():
            raise BadMessage(topic, f"the position of {joints.names[used.rows[0]]!r} is nan, as all in use")
        for i in used.rows:
            self._check_measured(topic, joints.names[i], float(joints.position[i]), float(joints.velocity[i]))

    def _find_used(self, topic: str, names: tuple[str, ...]) -> _Used:
        """Return which joints of a message are used, remembered: the same names come with every message."""
        rows = [i for i, name in enumerate(names) if name in self._contract.needs]
        twice = {names[i] for i in rows if names.count(names[i]) > 1}
        if twice:
            raise BadMessage(topic, f"joint {min(twice)!r} stands twice; each joint must stand once")
        everything = np.finfo(np.float64)
        bounds = [self._ranges.get(names[i], (everything.min, everything.max)) for i in rows]
        moving = any(self._contract.needs[names[i]][1] or names[i] in self._limits for i in rows)
        used = _Used(
            rows, np.array([low for low, _ in bounds]), np.array([high for _, high in bounds]), moving
        )
        if len(self._used) < MOST_REMEMBERED:
            self._used[names] = used
        return used

    def _check_measured(self, topic: str, joint: str, position: float, velocity: float) -> None:
        if np.isinf(position) or (self._contract.needs[joint][1] and np.isinf(velocity)):
            raise BadMessage(topic, f"joint {joint!r} is infinite; only finite numbers are allowed")
        if joint in self._ranges:
            low, high = self._ranges[joint]
            self._require(topic, joint, position, low, high, MEASURED_SLACK * (high - low))
        if joint in self._limits and joint not in self._contract.continuous:
            low, high = self._limits[joint]
            self._require(topic, joint, position, low, high, COMMAND_SLACK * (high - low))

    def _check_scene(self, topic: str, scene: SceneState) -> None:
        _require_names(topic, scene.names, len(scene.poses))
        for name in sorted(self._objects):
            if name not in scene.names:
                known = ", ".join(map(_short, scene.names[:8])) or "none"
                raise BadMessage(topic, f"lacks scene object {name!r}; it holds {known}")
            pose = scene.poses[scene.names.index(name)]
            if not np.isfinite(pose[:3]).all():
                raise BadMessage(topic, f"the position of {name!r} is not finite")
            length = float(np.linalg.norm(pose[3:]))
            if name in self._turned and not abs(length - 1.0) <= QUATERNION_SLACK:
                raise BadMessage(topic, f"the quaternion of {name!r} has length {length:.3g}, allowed is 1")

    def _check_command(self, topic: str, command: JointCommand | JointPlan) -> None:
        if isinstance(command, JointPlan) and command.stops:
            return
        points = np.atleast_2d(command.positions if isinstance(command, JointPlan) else command.position)
        _require_names(topic, command.names, points.shape[1])
        if len(set(command.names)) != len(command.names):
            twice = next(name for name in command.names if command.names.count(name) > 1)
            raise BadMessage(topic, f"joint {_short(twice)} stands twice; each joint must stand once")
        lacking = [joint for joint in self._contract.command_joints if joint not in command.names]
        if lacking:
            raise BadMessage(topic, f"commands no {lacking[0]!r}; the contract commands all joints at once")
        learned = topic in (self._contract.record_from, self._contract.applied.name)
        for joint, targets in zip(command.names, points.T.tolist(), strict=True):
            if joint not in self._contract.command_joints:
                continue
            if not np.isfinite(targets).all():
                raise BadMessage(
                    topic, f"a target of {joint!r} is not finite; only finite numbers are allowed"
                )
            if learned:
                self._check_targets(topic, joint, targets, self._periods(command))

    def _periods(self, command: JointCommand | JointPlan) -> Array:
        """Return how many of the contract's periods lie before each target, at least one."""
        if isinstance(command, JointCommand):
            return np.ones(1)
        periods: Array = np.diff(command.times_ns, prepend=0) / self._contract.period_ns
        return np.maximum(periods, 1.0)

    def _check_targets(self, topic: str, joint: str, targets: list[float], periods: Array) -> None:
        """Of what training may learn; points of a plan may be far away, the steps to them may not."""
        if joint in self._ranges:
            low, high = self._ranges[joint]
            for target in targets:
                self._require(topic, joint, target, low, high, COMMAND_SLACK * (high - low))
            return
        most, before = self._steps[joint], [self._measured_position(joint), *targets[:-1]]
        with np.errstate(over="ignore"):
            ways = np.subtract(targets, before)  # nan where it was not measured: nothing to judge by
        if joint in self._contract.continuous:
            ways = shortest(ways)
        for row in np.flatnonzero(np.abs(ways) > most * periods)[:1].tolist():
            target, last, away = targets[row], before[row], float(periods[row])
            since = "the point before," if row else "the measured"
            within = f" in each of {away:.3g} periods" if away > 1.0 else ""
            raise OutOfRange(
                topic,
                f"the target of {joint!r} is {target:.4g}, {abs(ways[row]):.4g} away from {since} "
                f"{last:.4g}; allowed is max_step {most:g}{within}"
                f"{_unit_hint(target, last - most, last + most)}",
            )

    def _require(self, topic: str, joint: str, value: float, low: float, high: float, slack: float) -> None:
        if not (low - slack <= value <= high + slack) and not np.isnan(value):
            raise OutOfRange(
                topic,
                f"joint {joint!r} is {value:.4g}, allowed is {low:g} to {high:g}"
                f"{_unit_hint(value, low, high)}",
            )

    def _measured_position(self, joint: str) -> float:
        """Return the newest that was measured of a joint; NaN where nothing was."""
        newest, found = -1, float("nan")
        for names, state in self._joints.items():
            if joint in names and state.stamp_ns > newest:
                position = float(state.position[names.index(joint)])
                if np.isfinite(position):
                    newest, found = state.stamp_ns, position
        return found

    def check_stamp(self, topic: str, stamp: int, arrival_ns: int, *, zero_is_now: bool = False) -> bool:
        """Judge the stamp alone, for those who have not read the message; see :meth:`check`."""
        return self._stamps.check(topic, stamp, arrival_ns, zero_is_now=zero_is_now)


def _objects(contract: Contract, roles: Mapping[str, str] | None) -> tuple[frozenset[str], frozenset[str]]:
    """Scene objects that are used, and of these whose orientation is, with roles resolved where known."""

    def resolved(names: Iterable[str]) -> frozenset[str]:
        fixed = {name for name in names if not name.startswith(ROLE)}
        acted = {name.removeprefix(ROLE) for name in names if name.startswith(ROLE)}
        return frozenset(fixed | {roles[role] for role in acted if role in roles} if roles else fixed)

    turned = set()
    for features in contract.spec.observations.values():
        for feature in features:
            if isinstance(feature, YawFeature):
                turned.add(feature.of)
            elif isinstance(feature, RelativeYawFeature):
                turned.update((feature.of, feature.to))
    return resolved(contract.looked_at), resolved(turned)


def _check_numbers(topic: str, numbers: Numbers) -> None:
    bad = np.flatnonzero(~np.isfinite(numbers.values))
    if len(bad):
        name = numbers.names[bad[0]] if numbers.names else f"number {bad[0]}"
        raise BadMessage(topic, f"{name} is {numbers.values[bad[0]]}; only finite numbers are allowed")


def _require_names(topic: str, names: tuple[str, ...], count: int) -> None:
    if len(names) > MOST_NAMES:
        raise BadMessage(topic, f"has {len(names)} names; at most {MOST_NAMES} are looked at")
    if len(names) != count:
        raise BadMessage(topic, f"has {len(names)} names and {count} values; they must be equally many")


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")


def _unit_hint(value: float, low: float, high: float) -> str:
    """Return what the number may be in, where another unit explains it."""
    span = high - low
    if 0.0 <= value <= 1.0 and span < 0.5:
        return "; is it a share of the width? Metres are expected"
    if low <= value / 1000.0 <= high and span < 1.0:
        return "; is it in millimetres? Metres are expected"
    if low <= np.deg2rad(value) <= high and span >= 1.0:
        return "; is it in degrees? Radians are expected"
    return "; look at the device's units and scale"
