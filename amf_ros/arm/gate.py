"""The gate that every command passes before it reaches an arm: limits, and refusal of what is no number.

It is the same for a policy and for a person, in-process and in the robot node. Who may command, and when the
arm holds or is stopped, is the arbiter's (``arbiter.py``). Imports core and this room.

    gate = SafetyGate(arm.limits, period_s=0.05)
    arm.write(gate.filter(command, joints))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from amf_ros.arm.protocol import JointLimit
from amf_ros.core.errors import CommandRefused, ConfigError
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState, indices

_ROUNDING = 1e-9  # [rad or m]
_LEAST_CHANGE = 1e-12  # of a step [rad or m]: what is less is lost in the rounding of positions


class SafetyGate:
    """Clamps absolute joint targets; refuses what cannot be clamped.

    A target p of one control period is bounded in this order (all elementwise), so a later bound wins::

        p1 = clip(p, lower, upper)
        p2 = clip(p1, q - S(|p1 - q|), q + S(|p1 - q|))    q: last target that passed, or where it is measured
        p3 = clip(p2, q + s - b, q + s + b)                s: last step of the target, b = a dt^2
        p4 = clip(p3, m - e, m + e)                        m: measured position, e: following error
        p5 = clip(p4, q - min(v dt, S(q - lower)), q + min(v dt, S(upper - q)))

        S(d) = d / n + b (n - 1) / 2,  n = ceil((sqrt(1 + 8 d / b) - 1) / 2)

    S(d) is the longest step from which the target can still stop within the distance d, the largest s with
    s + (s - b) + (s - 2b) + ... <= d over the positive terms; it is 0 for d <= 0. So p2 settles on a constant
    target, and p5 never has to brake harder than p3 allows. Without an acceleration b is infinite and
    S(d) = d; without a following error e is infinite. Where a limit has neither, p5 = clip(p1, q - v dt,
    q + v dt).

    - The step is bounded last: a joint that is beyond a position limit already only goes back, no faster than
      it may move, and a hold leaves it where it is.
    - The last step s is 0 for the first target after a reset or a hold, for a joint that the last command did
      not name, and after :meth:`rest`: a joint that is not commanded keeps its last target.
    - A following error makes the target stop at once, or go back towards the arm, whatever the acceleration,
      but never too fast to stop before a position limit. It has to be larger than the arm lags and sags, and
      than what is told ahead: where an arm sags by more, its targets sink with it.
    - A hold is not bounded in acceleration: how the arm brakes is then for its driver's own limits.

    Limits bind the *target*: how far it goes in one period, and where. So a blocked arm is not chased faster
    than it may move, and how fast the arm moves to its target is for its own controller to bound: a driver's
    velocity limit, or :class:`~amf_ros.sim.panda_world.Panda` in simulation. A continuous joint has no
    position limits, and its target is the one of all turns that is nearest to where it is measured.

    Args:
        limits: by joint name, [rad, rad/s, rad/s^2] or [m, m/s, m/s^2].
        period_s: between two commands [s].
        velocity_scale: fraction of the limits' velocity that is used, in (0, 1].

    Raises:
        ConfigError: a limit is not finite and the joint not continuous, lower is not below upper, or the
            period, an acceleration or a following error is not positive.
    """

    def __init__(
        self, limits: Mapping[str, JointLimit], period_s: float, *, velocity_scale: float = 1.0
    ) -> None:
        if not (np.isfinite(period_s) and period_s > 0.0):
            raise ConfigError(f"safety gate: period_s must be above 0, got {period_s!r}")
        if not 0.0 < velocity_scale <= 1.0:
            raise ConfigError(f"safety gate: velocity_scale must be in (0, 1], got {velocity_scale!r}")
        for name, limit in limits.items():
            _check(name, limit)
        self._names = tuple(limits)
        turns = np.array([limits[n].continuous for n in self._names], dtype=bool)
        self._turns = turns
        self._lower = np.where(turns, -np.inf, [limits[n].lower for n in self._names])
        self._upper = np.where(turns, np.inf, [limits[n].upper for n in self._names])
        self._max_step = np.array([limits[n].velocity for n in self._names]) * velocity_scale * period_s
        self._more = {
            row: (
                _change(limit, period_s),
                math.inf if limit.following_error is None else limit.following_error,
            )
            for row, limit in enumerate(limits.values())
            if limit.acceleration is not None or limit.following_error is not None
        }
        self.period_ns = round(1e9 * period_s)
        self._last: dict[int, float] = {}
        self._steps: dict[int, float] = {}

    def reset(self) -> None:
        """Forget the last target: the next command is bounded from the measured position."""
        self._last.clear()
        self._steps.clear()

    def rest(self) -> None:
        """Note that a period passes without a command: all joints keep their last targets and stand still."""
        self._steps.clear()

    def hold(self, measured: JointState) -> JointCommand:
        """Return targets that keep every gated joint where it is measured, beyond a position limit too.

        Raises:
            CommandRefused: a measured position is not finite; then hold what was commanded last.
        """
        position = self._measured(self._names, measured)
        self._last, self._steps = dict(enumerate(position.tolist())), {}
        return JointCommand(measured.stamp_ns, self._names, position)

    def check(self, plan: JointPlan) -> None:
        """Raise what :meth:`filter` would, without regard to where the arm is. Change nothing.

        Raises:
            CommandRefused: a joint is unknown or stands twice, or a value is not finite.
        """
        self._check_names(plan.names, plan.positions.shape[1:])
        self._check_finite(plan.names, plan.positions)

    def unwound(self, plan: JointPlan, start: Array) -> JointPlan:
        """Return the plan with each point of a continuous joint at the turn nearest to the one before."""
        turns = self._turns[self._rows(plan.names)]
        if not turns.any():
            return plan
        positions, last = plan.positions.copy(), start
        for point in positions:
            point[turns] = last[turns] + _shortest(point[turns], last[turns])
            last = point
        return replace(plan, positions=positions)

    def origin(self, names: tuple[str, ...], measured: JointState) -> Array:
        """Return where the next step is bounded from: the last target, else the measured position.

        Raises:
            CommandRefused: a joint is unknown, or measured as not finite.
        """
        current = self._measured(names, measured)
        return np.array(
            [self._last.get(row, q) for row, q in zip(self._rows(names), current, strict=True)], dtype=float
        )

    def filter(self, command: JointCommand, measured: JointState) -> JointCommand:
        """Return what may be sent to the arm: the same joints, each within its limits.

        Raises:
            CommandRefused: a joint is unknown or stands twice, or a value is not finite, measured ones
                included.
        """
        target = np.asarray(command.position, dtype=np.float64)
        self._check_names(command.names, target.shape)
        self._check_finite(command.names, target)
        return JointCommand(command.stamp_ns, command.names, self._clamp(command.names, target, measured))

    def ahead(self, commands: Iterable[JointCommand], measured: JointState) -> tuple[JointCommand, ...]:
        """Return what would pass of the commands that follow the last one, one each period. Change nothing.

        Raises:
            CommandRefused: as :meth:`filter`.
        """
        kept = dict(self._last), dict(self._steps)
        try:
            return tuple(self.filter(command, measured) for command in commands)
        finally:
            self._last, self._steps = kept

    def differ(self, asked: JointCommand, passed: JointCommand) -> bool:
        """Say whether what passed is not what was asked; whole turns of a continuous joint do not count."""
        away = passed.position - asked.position
        turns = self._turns[self._rows(asked.names)]
        away = np.where(turns, _shortest(passed.position, asked.position), away)
        return bool((np.abs(away) > _ROUNDING).any())

    def _check_names(self, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
        unknown = [name for name in names if name not in self._names]
        if unknown:
            raise CommandRefused(
                "unknown joint",
                f"command names unknown joint {unknown[0][:80]!r}; this robot has {', '.join(self._names)}",
            )
        if len(set(names)) != len(names) or shape != (len(names),):
            raise CommandRefused(
                "malformed",
                f"command has {shape[0] if shape else 0} positions for joints {str(list(names))[:200]}; "
                "name each joint once, and give it one position",
            )

    def _check_finite(self, names: tuple[str, ...], target: Array) -> None:
        """``target`` (n_joints,), or points (n, n_joints)."""
        finite = np.isfinite(target)
        if not finite.all():
            bad = names[int(np.argwhere(~finite)[0, -1])]
            raise CommandRefused("not finite", f"command for joint {bad!r} is not finite; the arm holds")

    def _rows(self, names: tuple[str, ...]) -> list[int]:
        return indices("joint", self._names, names)

    def _measured(self, names: tuple[str, ...], measured: JointState) -> Array:
        current = measured.positions(names)
        if not np.isfinite(current).all():
            bad = names[int(np.flatnonzero(~np.isfinite(current))[0])]
            raise CommandRefused(
                "not measured", f"the measured joint positions are not finite ({bad}); the arm holds"
            )
        return current

    def _clamp(self, names: tuple[str, ...], target: Array, measured: JointState) -> Array:
        rows, turns = self._rows(names), self._turns[self._rows(names)]
        origin, step = self.origin(names, measured), self._max_step[rows]
        current = measured.positions(names)
        target = np.where(turns, origin + _shortest(target, origin), target)
        inside = np.clip(target, self._lower[rows], self._upper[rows])
        bounded = np.clip(inside, origin - step, origin + step)
        if self._more:
            near = np.where(turns, origin + _shortest(current, origin), current)
            for i, row in enumerate(rows):
                if row in self._more:
                    bounded[i] = self._eased(row, float(inside[i]), float(origin[i]), float(near[i]))
        # A new dict: the last step of a joint that is not named here is 0.
        self._steps = dict(zip(rows, (bounded - origin).tolist(), strict=True))
        if turns.any():
            bounded = np.where(turns, current + _shortest(bounded, current), bounded)
        self._last.update(zip(rows, bounded.tolist(), strict=True))
        return bounded

    def _eased(self, row: int, inside: float, origin: float, current: float) -> float:
        """Return p5 of p1, for one joint with an acceleration or a following error."""
        change, error = self._more[row]
        lower, upper, step = float(self._lower[row]), float(self._upper[row]), float(self._max_step[row])
        last = self._steps.get(row, 0.0)
        # It brakes by a little less than it may, so that rounding never makes it brake harder.
        brakes = change * (1.0 - 1e-6)
        away = inside - origin
        longest = _longest(abs(away), brakes)
        target = inside if longest >= abs(away) else origin + math.copysign(longest, away)
        target = _clip(target, origin + last - change, origin + last + change)
        target = _clip(target, current - error, current + error)
        back, forth = _longest(origin - lower, brakes), _longest(upper - origin, brakes)
        target = _clip(target, origin - min(step, back), origin + min(step, forth))
        # The sums above may round past a limit.
        return _clip(target, min(lower, origin), max(upper, origin))


def _check(name: str, limit: JointLimit) -> None:
    """Raise ConfigError for limits with which nothing can be bounded."""
    if not (np.isfinite(limit.velocity) and limit.velocity > 0.0):
        raise ConfigError(f"safety gate: joint {name!r} needs a velocity limit above 0, got {limit}")
    for what, bound in (("acceleration", limit.acceleration), ("following_error", limit.following_error)):
        if bound is not None and not (np.isfinite(bound) and bound > 0.0):
            raise ConfigError(f"safety gate: joint {name!r} needs {what} above 0, or none, got {bound!r}")
    if limit.continuous:
        return
    if not np.isfinite([limit.lower, limit.upper]).all():
        raise ConfigError(f"safety gate: joint {name!r} needs finite limits, or none on both sides: {limit}")
    if not limit.lower < limit.upper:
        raise ConfigError(f"safety gate: joint {name!r} needs lower < upper, got {limit}")


def _change(limit: JointLimit, period_s: float) -> float:
    """Return by how much the step of a target may change from one period to the next [rad or m]."""
    if limit.acceleration is None:
        return math.inf
    return max(limit.acceleration * period_s**2, _LEAST_CHANGE)


def _longest(distance: float, change: float) -> float:
    """Return the longest step that ends within the distance if each one after it is shorter by ``change``."""
    if distance <= change:
        return max(distance, 0.0)
    # A joint without end has endless distance; the number of steps stays one that floats can count.
    distance = min(distance, 1e15 * change)
    steps = math.ceil((math.sqrt(1.0 + 8.0 * distance / change) - 1.0) / 2.0)
    return distance / steps + change * (steps - 1) / 2.0


def _clip(value: float, lower: float, upper: float) -> float:
    return min(max(value, lower), upper)


def _shortest(target: Array, origin: Array) -> Array:
    """Return the shortest turn from one angle to another, in [-pi, pi) [rad]; exact where it is short."""
    turn = target - origin
    wound: Array = (np.mod(target, 2 * np.pi) - np.mod(origin, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
    return np.where(np.abs(turn) <= np.pi, turn, wound)
