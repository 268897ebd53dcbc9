"""The gate every command passes before it reaches an arm. Imports types, errors and robots.base only.

Position limits, velocity limits and a latched stop, the same for a policy and for a person, in-process
and in the robot node.

    gate = SafetyGate(robot.limits, period_s=1 / robot.control_hz)
    robot.step(gate.filter(command, joints))
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amf_ros.errors import ConfigError, RobotFault, shown
from amf_ros.robots.base import JointLimit
from amf_ros.types import Array, JointCommand, JointState, indices


class SafetyGate:
    """Clamps absolute joint targets; refuses what cannot be clamped.

    A target p of one control period is bounded twice (all elementwise)::

        p' = clip(p, q - v dt, q + v dt)       q: last target that passed, or the measured position
        p" = clip(p', lower, upper)

    Limits bind the *target*, so a blocked arm is not chased faster than it may move; the arm's own
    controller limits effort.

    Args:
        limits: by joint name, [rad, rad/s] or [m, m/s].
        period_s: between two commands [s].
        velocity_scale: fraction of the limits' velocity that is used, in (0, 1].

    Raises:
        ConfigError: a limit is not finite, lower is not below upper, or the period is not positive.
    """

    def __init__(
        self, limits: Mapping[str, JointLimit], period_s: float, *, velocity_scale: float = 1.0
    ) -> None:
        if not (np.isfinite(period_s) and period_s > 0.0):
            raise ConfigError(f"safety gate: period_s must be above 0, got {period_s!r}")
        if not 0.0 < velocity_scale <= 1.0:
            raise ConfigError(f"safety gate: velocity_scale must be in (0, 1], got {velocity_scale!r}")
        for name, limit in limits.items():
            if not (np.isfinite([limit.lower, limit.upper, limit.velocity]).all() and limit.velocity > 0.0):
                raise ConfigError(
                    f"safety gate: joint {name!r} needs finite limits and a velocity, got {limit}"
                )
            if not limit.lower < limit.upper:
                raise ConfigError(f"safety gate: joint {name!r} needs lower < upper, got {limit}")
        self._names = tuple(limits)
        self._lower = np.array([limits[n].lower for n in self._names])
        self._upper = np.array([limits[n].upper for n in self._names])
        self._max_step = np.array([limits[n].velocity for n in self._names]) * velocity_scale * period_s
        self._last: dict[int, float] = {}
        self._stopped: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why the arm is stopped, or None while it may move."""
        return self._stopped

    def reset(self) -> None:
        """Forget the last target: the next command is bounded from the measured position. Keeps a stop."""
        self._last.clear()

    def stop(self, reason: str) -> None:
        """Refuse all commands until :meth:`release`; the first reason stands."""
        if self._stopped is None:
            self._stopped = reason
        self._last.clear()

    def release(self) -> None:
        """Allow motion again, bounded from the measured position."""
        self._stopped = None
        self._last.clear()

    def hold(self, measured: JointState) -> JointCommand:
        """Targets that keep every gated joint where it is measured, within its limits."""
        self._last.clear()
        position = np.clip(measured.positions(self._names), self._lower, self._upper)
        return JointCommand(measured.stamp_ns, self._names, position)

    def filter(self, command: JointCommand, measured: JointState) -> JointCommand:
        """What may be sent to the arm: the same joints, each within its limits.

        Raises:
            RobotFault: the gate is stopped, a joint is unknown or stands twice, or a value is not finite.
        """
        if self._stopped is not None:
            raise RobotFault(f"the robot is stopped ({self._stopped}): call robot/release_stop to move again")
        unknown = [name for name in command.names if name not in self._names]
        if unknown:
            raise RobotFault(
                f"command names unknown joint {shown(unknown[0])}; this robot has {', '.join(self._names)}"
            )
        if len(set(command.names)) != len(command.names) or len(command.names) != len(command.position):
            raise RobotFault(
                f"command has {len(command.position)} positions for joints {list(command.names)}; "
                "each joint must stand once, with one position"
            )
        target = np.asarray(command.position, dtype=np.float64)
        if not np.isfinite(target).all():
            bad = command.names[int(np.flatnonzero(~np.isfinite(target))[0])]
            raise RobotFault(f"command for joint {bad!r} is not finite; the arm holds")
        return JointCommand(command.stamp_ns, command.names, self._clamp(command.names, target, measured))

    def _clamp(self, names: tuple[str, ...], target: Array, measured: JointState) -> Array:
        rows = indices("joint", self._names, names)
        current = measured.positions(names)
        if not np.isfinite(current).all():
            raise RobotFault("the measured joint positions are not finite; the arm holds")
        origin = np.array([self._last.get(row, q) for row, q in zip(rows, current, strict=True)])
        step = self._max_step[rows]
        bounded = np.clip(np.clip(target, origin - step, origin + step), self._lower[rows], self._upper[rows])
        self._last.update(zip(rows, bounded.tolist(), strict=True))
        return bounded
