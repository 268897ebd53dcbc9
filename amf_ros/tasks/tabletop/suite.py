"""The tabletop suite: tasks, embeddings and success under one name. Imports this package only.

Usage::

    suite = TabletopSuite()
    suite.succeeded("open_drawer", scene_state)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, SceneState, Task
from amf_ros.tasks.tabletop.success import PREDICATES
from amf_ros.tasks.tabletop.tasks import TASKS


class TabletopSuite:
    """Tasks on a table for a Panda; implements :class:`amf_ros.tasks.base.RobotSuite`."""

    name = "tabletop"
    staging = "tabletop"

    def __init__(self) -> None:
        self._tasks: Mapping[str, Task] = {task.id: task for task in TASKS}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in their fixed order."""
        return TASKS

    def task(self, task_id: str) -> Task:
        """Return one task.

        Raises:
            UnknownName: with the known ids.
        """
        try:
            return self._tasks[task_id]
        except KeyError:
            raise UnknownName("task", task_id, self._tasks) from None

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """What each element of an embedding says: ``attribute=value``, then ``task=id``."""
        shared = {f"{key}={value}": None for task in TASKS for key, value in task.attributes.items()}
        return (*shared, *(f"task={task.id}" for task in TASKS))

    def embedding(self, task_id: str) -> Array:
        """Multi-hot (k,): ones for the task's attributes and for itself, in the order of ``embedding_names``.

        Raises:
            UnknownName: with the known ids.
        """
        task = self.task(task_id)
        on = {f"{key}={value}" for key, value in task.attributes.items()} | {f"task={task.id}"}
        return np.array([float(name in on) for name in self.embedding_names])

    def succeeded(self, task_id: str, scene: SceneState) -> bool:
        """Say whether the scene satisfies the task now.

        Raises:
            UnknownName: no such task, or the scene lacks an object.
        """
        task = self.task(task_id)
        return bool(PREDICATES[task.id](scene, task.roles))
