"""Tells from the stamps of states alone when to act in an episode. Imports nothing of ROS.

Whoever drives the robot sees states more than once, from before the episode, or of another episode that
somebody started meanwhile. In lock-step acting on the wrong one would make runs differ.

    episode = EpisodeFollower(start_ns, limit_ns=20_000_000_000, exact=True)
    if episode.turn(stamp_ns) is Turn.ACT: ...
"""

from __future__ import annotations

from enum import Enum, auto

from amf_ros.arm.protocol import EPISODE_GAP_NS


class Turn(Enum):
    """What a state asks of a driver."""

    IGNORE = auto()  # older than the episode
    ACT = auto()
    REPEAT = auto()  # seen before: send the same command again, the robot may have missed it
    LOST = auto()  # of another episode, or the start was missed: stop driving


class EpisodeFollower:
    """Follows one episode of an arm that others may reset or drive too.

    Args:
        start_ns: stamp of the first state, as ``robot/reset_scene`` answered; 0 = the next state [ns].
        limit_ns: time limit on the robot's clock [ns].
        exact: lock-step: the first state must be that of ``start_ns`` and no later one.
        gap_ns: a longer step between two states means another episode [ns].
    """

    def __init__(self, start_ns: int, limit_ns: int, *, exact: bool, gap_ns: int = EPISODE_GAP_NS) -> None:
        self._start_ns, self._limit_ns, self._exact, self._gap_ns = start_ns, limit_ns, exact, gap_ns
        self.first_ns: int | None = None
        self.last_ns = 0

    def turn(self, stamp_ns: int) -> Turn:
        """Return what to do with a state of this stamp; ACT counts it as acted upon."""
        if self.first_ns is None:
            if stamp_ns < self._start_ns:
                return Turn.IGNORE
            if self._exact and self._start_ns and stamp_ns != self._start_ns:
                return Turn.LOST
            self.first_ns = stamp_ns
        elif stamp_ns == self.last_ns:
            return Turn.REPEAT
        elif not 0 < stamp_ns - self.last_ns < self._gap_ns:
            return Turn.LOST
        self.last_ns = stamp_ns
        return Turn.ACT

    @property
    def elapsed_s(self) -> float:
        """From the first state to the newest, robot clock [s]."""
        return 0.0 if self.first_ns is None else (self.last_ns - self.first_ns) * 1e-9

    @property
    def timed_out(self) -> bool:
        """Whether the time limit is reached at the newest state."""
        return self.first_ns is not None and self.last_ns - self.first_ns >= self._limit_ns
