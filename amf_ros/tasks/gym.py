"""Environments of gymnasium as a suite: name them, say what success is, and bring an expert.

    def push(task_id, env, observation):
        return np.sign(observation[1:])  # or None: nothing more to do

    def suite():
        return GymSuite("MountainCarContinuous-v0", ["climb"], push, success=lambda reward, over, info: over)

    amf check-suite my_suite:suite

gymnasium is optional (``pip install -r requirements/gym.txt``). Imports errors, types and this room.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amf_ros.core.errors import ConfigError, ContractError
from amf_ros.core.values import Array, Task
from amf_ros.tasks.judge import truth
from amf_ros.tasks.table import TaskTable

GymExpert = Callable[[str, Any, Any], ArrayLike | None]
"""Task id, environment and its latest observation -> action, or None: nothing more to do."""

GymSuccess = Callable[[float, bool, Mapping[str, Any]], bool]
"""Reward, terminated and info of a step -> whether the task is done."""


class GymSuite(TaskTable):
    """Tasks in environments of gymnasium; implements :class:`amf_ros.tasks.base.SimulatedSuite`.

    Observations are flattened; actions must be a Box, whose bounds become the suite's. An expert's actions
    are brought within them, as such environments do, and that is what is learned. An environment that
    terminates or truncates ends the episode.
    """

    def __init__(
        self,
        make: str | Mapping[str, str] | Callable[[str], Any],
        tasks: Sequence[str | Task],
        expert: GymExpert,
        *,
        success: str | GymSuccess = "success",
        name: str = "",
        fps: float | None = None,
        max_episode_steps: int | None = None,
        observation_names: Sequence[str] = (),
        embeddings: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Nothing is made yet.

        Args:
            make: an environment's id, for a single task; task id -> environment's id; or a function that gets
                a task id and returns an environment.
            tasks: ids, or tasks with instructions and limits of their own.
            expert: see ``GymExpert``.
            success: the key of ``info`` that says so at every step, with a bool or with 0 and 1; or see
                ``GymSuccess``.
            name: of the suite; empty = the environment's id.
            fps: steps per second; None = the environment's ``render_fps``.
            max_episode_steps: of tasks that do not say; None = what the environment was registered with.
            observation_names: of the flattened elements; empty = numbered.
            embeddings: task id -> numbers; None = a one-hot.

        Raises:
            ConfigError: one environment's id for several tasks, or a task that a mapping lacks.
        """
        self._make, self._expert, self._success = make, expert, success
        self._fps, self._max_steps, self._names = fps, max_episode_steps, tuple(observation_names)
        self._asked = tuple(task if isinstance(task, Task) else Task(task) for task in tasks)
        self._embeddings = embeddings
        self.name = name or (make if isinstance(make, str) else "gym")
        if isinstance(make, str) and len(self._asked) > 1:
            raise ConfigError(
                f"suite {self.name!r}: {len(self._asked)} tasks and one environment {make!r}; give a mapping "
                "task id -> environment's id, or a function that makes one for a task id"
            )
        for what, table in (("environment", make), ("embedding", embeddings)):
            lacking = [t.id for t in self._asked if isinstance(table, Mapping) and t.id not in table]
            if lacking:
                raise ConfigError(f"suite {self.name!r}: no {what} for task {lacking[0]!r}; add it")

    @cached_property
    def tasks(self) -> tuple[Task, ...]:  # type: ignore[override]
        """All tasks, each with its limit in steps."""
        return tuple(
            task if task.max_episode_steps else replace(task, max_episode_steps=self._probed[1])
            for task in self._asked
        )

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """Numbered where embeddings were given, else one for each task."""
        if self._embeddings is None:
            return super().embedding_names
        return tuple(f"embedding_{i}" for i in range(len(next(iter(self._embeddings.values())))))

    def embedding(self, task_id: str) -> Array:
        """Return what was given, or a one-hot. Raises UnknownName."""
        if self._embeddings is None:
            return super().embedding(task_id)
        return np.array(self._embeddings[self.task(task_id).id], dtype=np.float64)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of the flattened observation."""
        return self._names or self._probed[2]

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the flattened action."""
        return tuple(f"action_{i}" for i in range(len(self._probed[3])))

    @property
    def action_low(self) -> Array:
        """Of the Box."""
        return self._probed[3]

    @property
    def action_high(self) -> Array:
        """Of the Box."""
        return self._probed[4]

    @property
    def fps(self) -> float:
        """Steps per second."""
        return self._probed[0]

    def environment(self) -> GymSimulator:
        """Return a new simulator."""
        return GymSimulator(self.make, self._expert, self._success, f"suite {self.name!r}: ")

    def make(self, task_id: str) -> Any:
        """Return a new environment of gymnasium for one task.

        Raises:
            ConfigError: gymnasium is not installed, or has no such environment.
        """
        if callable(self._make):
            return self._make(task_id)
        gymnasium = _gymnasium()
        wanted = self._make if isinstance(self._make, str) else self._make[task_id]
        try:
            return gymnasium.make(wanted)
        except gymnasium.error.Error as error:
            raise ConfigError(f"suite {self.name!r}: environment {wanted!r}: {error}") from error

    @cached_property
    def _probed(self) -> tuple[float, int, tuple[str, ...], Array, Array]:
        """Rate, limit, names of observations, and bounds of actions, of the first task's environment."""
        env = self.make(self._asked[0].id)
        try:
            spaces = _gymnasium().spaces
            if not isinstance(env.action_space, spaces.Box):
                raise ConfigError(
                    f"suite {self.name!r}: actions are {env.action_space}; only a Box can be imitated"
                )
            fps = self._fps or env.metadata.get("render_fps")
            if not fps:
                raise ConfigError(f"suite {self.name!r}: its environment names no render_fps; give fps")
            limit = self._max_steps or (env.spec.max_episode_steps if env.spec else None)
            if not limit and not all(task.max_episode_steps for task in self._asked):
                raise ConfigError(
                    f"suite {self.name!r}: the environment has no limit; give max_episode_steps"
                )
            low, high = (
                np.asarray(bound, dtype=np.float64).ravel()
                for bound in (env.action_space.low, env.action_space.high)
            )
            return float(fps), int(limit or 0), _numbered(spaces, env.observation_space), low, high
        finally:
            env.close()


class GymSimulator:
    """One environment for each task, made when it is first asked for."""

    def __init__(
        self, make: Callable[[str], Any], expert: GymExpert, success: str | GymSuccess, who: str
    ) -> None:
        self._make, self._expert, self._success, self._who = make, expert, success, who
        self._environments: dict[str, Any] = {}
        self._task_id, self._latest = "", None
        self.succeeded, self.ended = False, False

    def reset(self, task_id: str, seed: int) -> Array:
        """Start an episode; the flattened observation (d,)."""
        if task_id not in self._environments:
            self._environments[task_id] = self._make(task_id)
        self._task_id, self.succeeded, self.ended = task_id, False, False
        self._latest, _ = self._env.reset(seed=seed)
        return self._flat()

    def step(self, action: Array) -> Array:
        """Apply an action (a,); the flattened observation (d,)."""
        space = self._env.action_space
        shaped = np.asarray(action).reshape(space.shape).astype(space.dtype)
        self._latest, reward, terminated, truncated, info = self._env.step(shaped)
        self.ended = bool(terminated or truncated)
        self.succeeded = self._judged(float(reward), bool(terminated), info)
        return self._flat()

    def expert(self) -> Array | None:
        """Return what the suite's expert does, within the Box."""
        wanted = None if self.ended else self._expert(self._task_id, self._env, self._latest)
        if wanted is None:
            return None
        space, action = self._env.action_space, np.asarray(wanted, dtype=np.float64).ravel()
        if action.size != space.low.size:
            return action  # of another length: the environment that calls this says so
        clipped: Array = np.clip(action, space.low.ravel(), space.high.ravel()).astype(np.float64)
        return clipped

    def close(self) -> None:
        """Close all environments."""
        for env in self._environments.values():
            env.close()
        self._environments.clear()

    @property
    def _env(self) -> Any:
        return self._environments[self._task_id]

    def _flat(self) -> Array:
        space = self._env.observation_space
        flat = _gymnasium().spaces.utils.flatten(space, self._latest)
        return np.asarray(flat, dtype=np.float64)

    def _judged(self, reward: float, terminated: bool, info: Mapping[str, Any]) -> bool:
        """Raise ContractError where it is neither true nor false."""
        if callable(self._success):
            return truth(self._success(reward, terminated, info), f"{self._who}what success(...) returns")
        if self._success not in info:
            known = ", ".join(map(repr, info)) or "nothing"
            raise ContractError(
                f"{self._who}info has no {self._success!r} in a step of {self._task_id!r}, it has {known}; "
                "name the key as success, or give a function of reward, terminated and info"
            )
        told = info[self._success]
        if not isinstance(told, (bool, np.bool_)) and np.ndim(told) == 0 and told in (0, 1):
            told = bool(told)
        return truth(told, f"{self._who}info[{self._success!r}]")


def _numbered(spaces: Any, space: Any, name: str = "") -> tuple[str, ...]:
    """Return a name for each element of a flattened space, in gymnasium's order."""
    if isinstance(space, spaces.Dict):
        parts = [_numbered(spaces, inner, f"{name}{key}_") for key, inner in space.spaces.items()]
        return tuple(part for names in parts for part in names)
    return tuple(f"{name or 'observation_'}{i}" for i in range(spaces.utils.flatdim(space)))


def _gymnasium() -> Any:
    try:
        return importlib.import_module("gymnasium")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "gymnasium is not installed; run `pip install -r requirements/gym.txt` where amf_ros is installed"
        ) from error
