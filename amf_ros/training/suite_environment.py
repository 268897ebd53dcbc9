"""The simulator that a suite brings along, as an environment.

    environment = SuiteEnvironment(suite)
    vector = environment.reset("north", seed=3)

Imports contract, tasks and types only.
"""

from __future__ import annotations

import numpy as np

from amf_ros.contract import SuiteInterface
from amf_ros.errors import ContractError
from amf_ros.tasks.base import SimulatedSuite
from amf_ros.training.episode import Demonstrator, Episode
from amf_ros.types import Array, Outcome


def suite_interface(suite: SimulatedSuite) -> SuiteInterface:
    """Names and rate as the suite gives them."""
    names = tuple(suite.observation_names), tuple(suite.action_names)
    return SuiteInterface(suite.name, *names, float(suite.fps))


class SuiteEnvironment(Episode):
    """The simulator of a suite, one episode at a time: its vectors checked, its steps and time counted."""

    def __init__(self, suite: SimulatedSuite) -> None:
        super().__init__()
        self.suite = suite
        self.interface = suite_interface(suite)
        self._who = f"suite {suite.name!r}: "
        self._simulator = suite.environment()
        self._outcome = Outcome.FAILURE

    @property
    def stamp_ns(self) -> int:
        """Time since the reset [ns]."""
        return round(self.num_steps * 1e9 / self.interface.fps)

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the simulator said so after a step, else FAILURE."""
        return self._outcome

    def reset(self, task_id: str, seed: int) -> Array:
        """Start an episode; the first observation (d,).

        Raises:
            UnknownName: no such task.
            ContractError: the suite's observation is not what it named.
        """
        self.begin(self.suite.task(task_id).time_limit_s, self.interface.fps)
        self._outcome = Outcome.FAILURE
        return self._observation(self._simulator.reset(task_id, seed))

    def step(self, action: Array) -> Array:
        """Apply an action (a,) for one period; the next observation (d,).

        Raises:
            ContractError: action or observation are of another length, or not finite.
        """
        following = self._observation(self._simulator.step(self._action(action)))
        self.num_steps += 1
        if self._simulator.succeeded:
            self._outcome = Outcome.SUCCESS
        return following

    def demonstrator(self, seed: int) -> Demonstrator:
        """The simulator's expert; the start that ``seed`` gave is all it depends on."""

        def show() -> tuple[Array, Array] | None:
            wanted = self._simulator.expert()
            if wanted is None:
                return None
            action = self._action(wanted)
            return action, self.step(action)

        return show

    def close(self) -> None:
        """Close the simulator, where it can be closed."""
        close = getattr(self._simulator, "close", None)
        if close is not None:
            close()

    def _observation(self, values: Array) -> Array:
        return _vector(values, self.interface.observation_names, self._who + "observation")

    def _action(self, values: Array) -> Array:
        return _vector(values, self.interface.action_names, self._who + "action")


def _vector(values: Array, names: tuple[str, ...], what: str) -> Array:
    """A copy, since a simulator may hand out the array it goes on working in. Raises ContractError."""
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (len(names),):
        raise ContractError(f"{what} has shape {vector.shape}, its names say ({len(names)},)")
    if not np.isfinite(vector).all():
        bad = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ContractError(f"{what} {names[bad]} is {vector[bad]}; only finite numbers are allowed")
    return vector
