"""What every environment offers, and the counting that they share.

    environment: Environment = make_environment(suite)

Imports contract, tasks and types only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from amf_ros.contract import Interface
from amf_ros.core.frames import Frame
from amf_ros.core.values import Array, Outcome
from amf_ros.tasks.base import Suite

Demonstrator = Callable[[], tuple[Array, Frame] | None]
"""Does one step of a demonstration: the action (a,) and the next observation; None at its end."""


class Environment(Protocol):
    """One episode at a time, of any suite. What :mod:`amf_ros.rollout.episodes` runs."""

    @property
    def num_steps(self) -> int:
        """Actions applied in this episode."""

    @property
    def suite(self) -> Suite:
        """Whose tasks these are."""

    @property
    def interface(self) -> Interface:
        """Names and rate of observations and actions."""

    @property
    def stamp_ns(self) -> int:
        """Of the present observation, on the simulator's clock [ns]."""

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done, else FAILURE."""

    @property
    def succeeded(self) -> bool:
        """Whether the task has been done in this episode."""

    @property
    def timed_out(self) -> bool:
        """Whether the task's time is over."""

    @property
    def done(self) -> bool:
        """Whether a policy's episode ends: done or out of time."""

    def reset(self, task_id: str, seed: int) -> Frame:
        """Start an episode; give the first observation. Raises UnknownName."""

    def step(self, action: Array) -> Frame:
        """Apply an action (a,) for one period; give the next observation. Raises ContractError."""

    def demonstrator(self, seed: int) -> Demonstrator:
        """Return the scripted expert of the episode that was reset with ``seed``."""

    def close(self) -> None:
        """Free the simulator."""


class EpisodeCounter(ABC):
    """Counts the steps and the time of one episode, for environments to inherit."""

    def __init__(self) -> None:
        self.num_steps = 0
        self._max_steps = 0

    def begin(self, max_steps: int) -> None:
        """Count from 0 again, up to ``max_steps``."""
        self.num_steps, self._max_steps = 0, max_steps

    @property
    @abstractmethod
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done, else FAILURE."""

    @property
    def succeeded(self) -> bool:
        """Whether the task has been done in this episode."""
        return self.outcome is Outcome.SUCCESS

    @property
    def timed_out(self) -> bool:
        """Whether the task's time is over."""
        return self.num_steps >= self._max_steps

    @property
    def done(self) -> bool:
        """Whether a policy's episode ends: done or out of time."""
        return self.succeeded or self.timed_out
