"""The smallest suite with its own simulator: a point on a line that goes to one of six places."""

from __future__ import annotations

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, Task

GOALS = {"far_left": -3.0, "left": -2.0, "near_left": -1.0, "near_right": 1.0, "right": 2.0, "far_right": 3.0}


class LineSimulator:
    """Position [m], moved by at most half a metre a step."""

    def reset(self, task_id: str, seed: int) -> Array:
        self._goal = GOALS[task_id]
        self._x = float(np.random.default_rng(seed).uniform(-0.2, 0.2))
        return np.array([self._x])

    def step(self, action: Array) -> Array:
        self._x += float(np.clip(action[0], -0.5, 0.5))
        return np.array([self._x])

    @property
    def succeeded(self) -> bool:
        return abs(self._x - self._goal) < 0.2

    def expert(self) -> Array | None:
        return None if self.succeeded else np.array([np.clip(self._goal - self._x, -0.5, 0.5)])


class LineSuite:
    name = "line"
    tasks = tuple(Task(name, f"go {name}", {}, time_limit_s=2.0) for name in GOALS)
    observation_names = ("x",)
    action_names = ("dx",)
    fps = 10.0
    embedding_names = tuple(GOALS)
    environment = LineSimulator

    def task(self, task_id: str) -> Task:
        if task_id not in GOALS:
            raise UnknownName("task", task_id, GOALS)
        return next(task for task in self.tasks if task.id == task_id)

    def embedding(self, task_id: str) -> Array:
        return np.eye(len(GOALS))[list(GOALS).index(task_id)]


class ClumsySimulator(LineSimulator):
    """Its expert stops half way from four starts in ten, which the seed of the start decides."""

    def reset(self, task_id: str, seed: int) -> Array:
        self._clumsy = np.random.default_rng(seed + 1).uniform() < 0.4
        return super().reset(task_id, seed)

    def expert(self) -> Array | None:
        return None if self._clumsy and abs(self._goal - self._x) < 0.6 else super().expert()


class ClumsyLineSuite(LineSuite):
    environment = ClumsySimulator


class HopelessSimulator(LineSimulator):
    """Its expert never does one of the tasks."""

    def expert(self) -> Array | None:
        return None if self._goal == GOALS["far_left"] else super().expert()


class HopelessLineSuite(LineSuite):
    environment = HopelessSimulator
