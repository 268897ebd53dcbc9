"""Tasks whose demonstrations take longer than others': for measuring what choosing by cost is worth.

environment = PacedEnvironment(make_environment(suite), {"insert_peg": 3.0})
"""

from __future__ import annotations

from collections.abc import Mapping

from amf_ros.contract import Interface
from amf_ros.core.errors import ConfigError
from amf_ros.core.frames import Frame
from amf_ros.core.values import Array, Outcome, indices
from amf_ros.rollout.environment import Demonstrator, Environment
from amf_ros.tasks.base import Suite


class PacedEnvironment:
    """An environment whose clock runs faster in some tasks; what is done and seen stays the same.

    A demonstration of a task with pace 3 is recorded as three times as long, as a careful person's would be.
    """

    def __init__(self, environment: Environment, pace: Mapping[str, float]) -> None:
        """``pace``: task id -> factor; 1 where left out.

        Raises:
            UnknownName: a task is not in the suite.
            ConfigError: a factor is not above zero.
        """
        indices("task", tuple(task.id for task in environment.suite.tasks), pace)
        for task_id, factor in pace.items():
            if not factor > 0:
                raise ConfigError(f"pace of {task_id!r} is {factor}; factors are above 0")
        self._inner, self._pace, self._factor = environment, dict(pace), 1.0
        self._begun_ns = 0

    @property
    def num_steps(self) -> int:
        """Of the present episode."""
        return self._inner.num_steps

    @property
    def suite(self) -> Suite:
        """Whose tasks these are."""
        return self._inner.suite

    @property
    def interface(self) -> Interface:
        """Names and rate of observations and actions."""
        return self._inner.interface

    @property
    def stamp_ns(self) -> int:
        """Of the present observation, on the paced clock [ns]."""
        return self._begun_ns + round((self._inner.stamp_ns - self._begun_ns) * self._factor)

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done, else FAILURE."""
        return self._inner.outcome

    @property
    def succeeded(self) -> bool:
        """Whether the task has been done in this episode."""
        return self._inner.succeeded

    @property
    def timed_out(self) -> bool:
        """Whether the task's time is over, on the suite's own clock."""
        return self._inner.timed_out

    @property
    def done(self) -> bool:
        """Whether a policy's episode ends: done or out of time."""
        return self._inner.done

    def reset(self, task_id: str, seed: int) -> Frame:
        """Start an episode; give the first observation. Raises UnknownName."""
        first = self._inner.reset(task_id, seed)
        self._factor, self._begun_ns = self._pace.get(task_id, 1.0), self._inner.stamp_ns
        return first

    def step(self, action: Array) -> Frame:
        """Apply an action (a,) for one period; give the next observation. Raises ContractError."""
        return self._inner.step(action)

    def demonstrator(self, seed: int) -> Demonstrator:
        """Return the scripted expert of the episode that was reset with ``seed``."""
        return self._inner.demonstrator(seed)

    def close(self) -> None:
        """Free the simulator."""
        self._inner.close()
