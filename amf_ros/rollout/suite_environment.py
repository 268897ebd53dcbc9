"""The simulator that a suite brings along, as an environment.

    environment = SuiteEnvironment(suite)
    observation = environment.reset("north", seed=3)

Imports contract, tasks and types only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amf_ros.contract import ObservationLayout, SuiteInterface
from amf_ros.core.errors import ContractError
from amf_ros.core.frames import SINGLE, Frame
from amf_ros.core.values import Array, Outcome
from amf_ros.rollout.environment import Demonstrator, EpisodeCounter
from amf_ros.tasks.base import SimulatedSuite
from amf_ros.tasks.judge import truth
from amf_ros.tasks.loading import action_bounds

_WITHIN = 1e-9  # of rounding, by which an action may be out of its bounds


def suite_interface(suite: SimulatedSuite) -> SuiteInterface:
    """Return names and rate as the suite gives them."""
    layout = ObservationLayout.of_vector(tuple(suite.observation_names))
    return SuiteInterface(suite.name, layout, tuple(suite.action_names), float(suite.fps))


class SuiteEnvironment(EpisodeCounter):
    """The simulator of a suite, one episode at a time: its vectors checked, its steps and time counted."""

    def __init__(self, suite: SimulatedSuite) -> None:
        """Raise ContractError where the simulator lacks something, or ``succeeded`` is a method."""
        super().__init__()
        self.suite = suite
        self.interface = suite_interface(suite)
        self._who = f"suite {suite.name!r}: "
        self._bounds = action_bounds(suite)
        self._simulator = suite.environment()
        self._outcome = Outcome.FAILURE
        lacking = [name for name in ("reset", "step", "expert") if not hasattr(self._simulator, name)]
        if lacking:
            raise ContractError(f"{self._who}its simulator lacks {', '.join(lacking)}; see docs/own_suite.md")
        told = getattr(type(self._simulator), "succeeded", None)
        if callable(told):
            truth(told, f"{self._who}succeeded")

    @property
    def stamp_ns(self) -> int:
        """Time since the reset [ns]."""
        return round(self.num_steps * 1e9 / self.interface.fps)

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the simulator said so after a step, else FAILURE."""
        return self._outcome

    @property
    def timed_out(self) -> bool:
        """Whether the task's time is over, or the simulator says that it has ended (``ended``)."""
        return super().timed_out or truth(getattr(self._simulator, "ended", False), f"{self._who}ended")

    def reset(self, task_id: str, seed: int) -> Frame:
        """Start an episode; give the first observation.

        Raises:
            UnknownName: no such task.
            ContractError: the suite's observation is not what it named.
        """
        self.begin(self.suite.task(task_id).num_steps(self.interface.fps))
        self._outcome = Outcome.FAILURE
        return self._observation(self._simulator.reset(task_id, seed), "reset")

    def step(self, action: Array) -> Frame:
        """Apply an action (a,) for one period; give the next observation.

        What is outside the bounds that the suite declares is brought to the nearest that is allowed.

        Raises:
            ContractError: action or observation are of another length, or not finite, or what the simulator
                says about success is neither True nor False.
        """
        vector = self._action(action)
        if self._bounds is not None:
            vector = np.clip(vector, *self._bounds)
        following = self._observation(self._simulator.step(vector), "step")
        self.num_steps += 1
        if not hasattr(self._simulator, "succeeded"):
            raise ContractError(f"{self._who}its simulator lacks succeeded; see docs/own_suite.md")
        if truth(self._simulator.succeeded, f"{self._who}succeeded"):
            self._outcome = Outcome.SUCCESS
        return following

    def demonstrator(self, seed: int) -> Demonstrator:
        """Return the simulator's expert; the start that ``seed`` gave is all it depends on.

        An action outside the declared bounds raises ContractError: what is learned must be what was done.
        """

        def show() -> tuple[Array, Frame] | None:
            wanted = self._simulator.expert()
            if wanted is None:
                return None
            action = self._within(self._action(wanted))
            return action, self.step(action)

        return show

    def close(self) -> None:
        """Close the simulator, where it can be closed."""
        close = getattr(self._simulator, "close", None)
        if close is not None:
            close()

    def _observation(self, values: Any, method: str) -> Frame:
        if isinstance(values, tuple) and len(values) in (2, 4, 5) and np.ndim(values[0]):
            raise ContractError(
                f"{self._who}{method} returns a tuple of {len(values)}, as gymnasium's does; return the "
                "observation alone, or use amf_ros.tasks.gym; see docs/own_suite.md"
            )
        return {SINGLE: _vector(values, self.interface.layout.elements, self._who + "observation")}

    def _action(self, values: Array) -> Array:
        return _vector(values, self.interface.action_names, self._who + "action")

    def _within(self, action: Array) -> Array:
        """Return the expert's action, rounding aside. Raises ContractError."""
        if self._bounds is None:
            return action
        low, high = self._bounds
        outside = np.flatnonzero((action < low - _WITHIN) | (action > high + _WITHIN))
        if len(outside):
            i = int(outside[0])
            raise ContractError(
                f"{self._who}the expert's action {self.interface.action_names[i]} is {action[i]:g}, declared "
                f"are {low[i]:g} to {high[i]:g}; clip it in the expert, or mend action_low and action_high"
            )
        return np.clip(action, low, high)


def _vector(values: Array, names: tuple[str, ...], what: str) -> Array:
    """Return a copy, since a simulator may hand out the array it goes on working in. Raises ContractError."""
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{what} is {str(values)[:80]!r}, not an array of numbers") from error
    if vector.shape != (len(names),):
        raise ContractError(f"{what} has shape {vector.shape}, its names say ({len(names)},)")
    if not np.isfinite(vector).all():
        bad = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ContractError(f"{what} {names[bad]} is {vector[bad]}; only finite numbers are allowed")
    return vector
