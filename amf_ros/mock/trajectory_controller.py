"""What ros2_control's joint_trajectory_controller does with a message: refusals, replacement, interpolation.

It does what was observed of the real one (jazzy), odd things included, because an arm must be rehearsed with
them: a message whose first points are past makes the target jump, NaN is taken in silence, and after the
last point the target stays where it is. :meth:`TrajectoryController.target` is called once a cycle.

    controller = TrajectoryController(("a", "b"), [0.0, 0.0])
    controller.accept(message, measured, now_ns)          # raises Dropped
    target = controller.target(now_ns)                    # (n_joints,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amf_ros.core.values import Array

STILL = float(np.finfo(np.float32).eps)  # a last velocity up to this counts as zero


class Dropped(Exception):
    """A message was not taken; the real controller says so in its own log and nowhere else."""


@dataclass(frozen=True)
class Trajectory:
    """One message.

    Attributes:
        stamp_ns: of its header; 0 means at arrival.
        names: of the joints.
        times_ns: of each point after the stamp.
        positions: of each point, as they came.
        velocities: of each point, a row empty where it has none; empty where no point has any.
    """

    stamp_ns: int
    names: tuple[str, ...]
    times_ns: tuple[int, ...]
    positions: tuple[tuple[float, ...], ...]
    velocities: tuple[tuple[float, ...], ...] = ()


@dataclass
class _Motion:
    """Knots of the motion that is going on: where it was when it began, then the message's points."""

    times_ns: list[int]
    positions: list[Array]
    velocities: list[Array | None]


class TrajectoryController:
    """One controller.

    Args:
        names: of its joints.
        position: where it begins, (n_joints,).
        from_desired: its parameter ``interpolate_from_desired_state``.
        partial: its parameter ``allow_partial_joints_goal``.
        moving_end: its parameter ``allow_nonzero_velocity_at_trajectory_end``.

    Attributes:
        active: whether the controller manager has activated it; an inactive one drops what comes.
    """

    def __init__(
        self,
        names: Sequence[str],
        position: Sequence[float],
        *,
        from_desired: bool = False,
        partial: bool = False,
        moving_end: bool = False,
    ) -> None:
        self.names = tuple(names)
        self.active = True
        self._from_desired, self._partial, self._moving_end = from_desired, partial, moving_end
        self._motion: _Motion | None = None
        self._target: Array = np.array(position, dtype=float)
        self._said: Array = self._target.copy()  # as the message says it, which may be no number
        self._speed: Array = np.zeros(len(self.names))
        self._before_ns: int | None = None  # of the last two cycles
        self._last_ns: int | None = None

    def accept(
        self, message: Trajectory, measured: Array, now_ns: int, measured_speed: Array | None = None
    ) -> None:
        """Replace what is going on by a message.

        Args:
            message: what came.
            measured: where the joints are, (n_joints,).
            now_ns: the time.
            measured_speed: how fast they move, (n_joints,); None: as fast as they were told to.

        Raises:
            Dropped: it was not taken, and what was going on goes on.
        """
        if not self.active:
            raise Dropped("the controller is inactive")
        self._check(message, now_ns)
        cycle_ns, before_ns = self._cycle(now_ns)
        begin_ns = message.stamp_ns or cycle_ns
        if self._from_desired:
            # The real one pairs its last target with the time of the cycle before it, as it commands one
            # cycle ahead: the first sample after each message goes twice as far.
            start_ns, start, speed = before_ns, self._said.copy(), self._speed.copy()
        else:
            start_ns, start = cycle_ns, np.array(measured, dtype=float)
            speed = np.array(self._speed if measured_speed is None else measured_speed, dtype=float)
        motion = _Motion([start_ns], [start], [speed])
        rows = [self.names.index(name) for name in message.names]
        for k, time_ns in enumerate(message.times_ns):
            here = self._target.copy()  # a joint that is not named goes to its last target
            moving: Array | None = None
            if k < len(message.velocities) and message.velocities[k]:
                moving = np.zeros(len(self.names))
                for row, value in zip(rows, message.velocities[k], strict=True):
                    moving[row] = value
            for row, value in zip(rows, message.positions[k], strict=True):  # of one twice, the last counts
                here[row] = value
            motion.times_ns.append(begin_ns + time_ns)
            motion.positions.append(here)
            motion.velocities.append(moving)
        self._motion = motion

    def target(self, now_ns: int) -> Array:
        """Return where the joints are told to be at a time, (n_joints,)."""
        if self._last_ns is None or now_ns > self._last_ns:
            self._before_ns, self._last_ns = self._last_ns, now_ns
        motion = self._motion
        if motion is None or not self.active:
            return self._target.copy()
        if now_ns >= motion.times_ns[-1]:
            last = motion.velocities[-1]
            self._said, self._motion = motion.positions[-1], None
            self._speed = np.zeros(len(self.names)) if last is None else last
        else:
            self._said, self._speed = self._between(motion, now_ns)
        # Hardware does not follow what is no number: such a joint stays, until a segment has numbers again.
        finite = np.isfinite(self._said)
        self._target[finite] = self._said[finite]
        return self._target.copy()

    def activate(self, measured: Array) -> None:
        """Begin to take messages, holding where the joints are."""
        self._hold(np.array(measured, dtype=float))
        self.active = True

    def deactivate(self) -> None:
        """Leave the last target standing; what comes from now on is dropped and not made up for."""
        self._hold(self._target)
        self.active = False

    def _cycle(self, now_ns: int) -> tuple[int, int]:
        # Messages are taken up by the cycle that measured the joints, not when they come; without a regular
        # caller there are no cycles, and now has to do.
        last_ns, before_ns = self._last_ns, self._before_ns
        if last_ns is None or before_ns is None or now_ns - last_ns > last_ns - before_ns:
            return now_ns, now_ns
        return last_ns, before_ns

    def _hold(self, position: Array) -> None:
        self._motion, self._before_ns, self._last_ns = None, None, None
        self._target, self._said = position.copy(), position.copy()
        self._speed = np.zeros(len(self.names))

    def _check(self, message: Trajectory, now_ns: int) -> None:
        names, width = message.names, len(message.names)
        unknown = [name for name in names if name not in self.names]
        if not names or not message.positions:
            raise Dropped("empty")
        if unknown:
            raise Dropped(f"unknown joint {unknown[0]!r}")
        if width != len(self.names) and not (self._partial and width < len(self.names)):
            raise Dropped(f"{width} joints instead of {len(self.names)}")
        if any(len(row) != width for row in message.positions) or any(
            row and len(row) != width for row in message.velocities
        ):
            raise Dropped("a point of another length than the names")
        if any(b <= a for a, b in zip(message.times_ns, message.times_ns[1:], strict=False)):
            raise Dropped("times do not increase")
        if message.stamp_ns and message.stamp_ns + message.times_ns[-1] < now_ns:
            raise Dropped("it ends in the past")
        last = message.velocities[-1] if message.velocities else ()
        if not self._moving_end and any(abs(value) > STILL for value in last):  # NaN passes there, too
            raise Dropped("the last velocity is not zero")

    @staticmethod
    def _between(motion: _Motion, now_ns: int) -> tuple[Array, Array]:
        times = motion.times_ns
        # From where it began to the first point that is still to come; where earlier points are past, from
        # the newest of those, wherever the joints are: then the target jumps.
        after = next(k for k in range(1, len(times)) if now_ns < times[k])
        before = after - 1
        span_s = (times[after] - times[before]) * 1e-9
        share = 0.0 if span_s <= 0 else (now_ns - times[before]) * 1e-9 / span_s
        p0, p1 = motion.positions[before], motion.positions[after]
        v0, v1 = motion.velocities[before], motion.velocities[after]
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at by the caller
            if v1 is None or v0 is None:
                return p0 + share * (p1 - p0), (p1 - p0) / max(span_s, 1e-9)
            s2, s3 = share**2, share**3
            position = (
                (2 * s3 - 3 * s2 + 1) * p0
                + (s3 - 2 * s2 + share) * span_s * v0
                + (3 * s2 - 2 * s3) * p1
                + (s3 - s2) * span_s * v1
            )
            speed = (
                (6 * s2 - 6 * share) * (p0 - p1) / max(span_s, 1e-9)
                + (3 * s2 - 4 * share + 1) * v0
                + (3 * s2 - 2 * share) * v1
            )
        return position, speed
