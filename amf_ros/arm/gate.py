"""The gate that every command passes before it reaches an arm: limits, and refusal of what is no number.

It is the same for a policy and for a person, in-process and in the robot node. Who may command, and when the
arm holds or is stopped, is the arbiter's (``arbiter.py``). Imports core and this room.

    gate = SafetyGate(arm.limits, period_s=0.05)
    arm.write(gate.filter(command, joints))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from amf_ros.arm.protocol import JointLimit
from amf_ros.core.errors import CommandRefused, ConfigError
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState, indices

_ROUNDING = 1e-9  # [rad or m]


class SafetyGate:
    """Clamps absolute joint targets; refuses what cannot be clamped.

    A target p of one control period is bounded twice (all elementwise)::

        p' = clip(p, lower, upper)
        p" = clip(p', q - v dt, q + v dt)      q: last target that passed, or the measured position

    The step is bounded last: a joint that is beyond a position limit already goes back no faster than it may
    move, and a hold leaves it where it is.

    Limits bind the *target*: how far it goes in one period, and where. So a blocked arm is not chased faster
    than it may move, and how fast the arm moves to its target is for its own controller to bound: a driver's
    velocity limit, or :class:`~amf_ros.sim.panda_world.Panda` in simulation. A continuous joint has no
    position limits, and its target is the one of all turns that is nearest to where it is measured.

    Args:
        limits: by joint name, [rad, rad/s] or [m, m/s].
        period_s: between two commands [s].
        velocity_scale: fraction of the limits' velocity that is used, in (0, 1].

    Raises:
        ConfigError: a limit is not finite and the joint not continuous, lower is not below upper, or the
            period is not positive.
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
        self.period_ns = round(1e9 * period_s)
        self._last: dict[int, float] = {}

    def reset(self) -> None:
        """Forget the last target: the next command is bounded from the measured position."""
        self._last.clear()

    def hold(self, measured: JointState) -> JointCommand:
        """Return targets that keep every gated joint where it is measured, beyond a position limit too.

        Raises:
            CommandRefused: a measured position is not finite; then hold what was commanded last.
        """
        position = self._measured(self._names, measured)
        self._last = dict(enumerate(position.tolist()))
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
        kept = dict(self._last)
        try:
            return tuple(self.filter(command, measured) for command in commands)
        finally:
            self._last = kept

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
        target = np.where(turns, origin + _shortest(target, origin), target)
        bounded = np.clip(np.clip(target, self._lower[rows], self._upper[rows]), origin - step, origin + step)
        if turns.any():
            current = measured.positions(names)
            bounded = np.where(turns, current + _shortest(bounded, current), bounded)
        self._last.update(zip(rows, bounded.tolist(), strict=True))
        return bounded


def _check(name: str, limit: JointLimit) -> None:
    """Raise ConfigError for limits with which nothing can be bounded."""
    if not (np.isfinite(limit.velocity) and limit.velocity > 0.0):
        raise ConfigError(f"safety gate: joint {name!r} needs a velocity limit above 0, got {limit}")
    if limit.continuous:
        return
    if not np.isfinite([limit.lower, limit.upper]).all():
        raise ConfigError(f"safety gate: joint {name!r} needs finite limits, or none on both sides: {limit}")
    if not limit.lower < limit.upper:
        raise ConfigError(f"safety gate: joint {name!r} needs lower < upper, got {limit}")


def _shortest(target: Array, origin: Array) -> Array:
    """Return the shortest turn from one angle to another, in [-pi, pi) [rad]; exact where it is short."""
    turn = target - origin
    wound: Array = (np.mod(target, 2 * np.pi) - np.mod(origin, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
    return np.where(np.abs(turn) <= np.pi, turn, wound)
