"""A suite's table of tasks, for suites to inherit: looks tasks up and tells them apart by a one-hot.

    class Kitchen(TaskTable):
        name = "kitchen"
        tasks = (Task("open_door"), Task("boil_water"))

Imports errors and types only.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, Task


class TaskTable:
    """What every suite does alike; ``name`` and ``tasks`` are the suite's own.

    Override ``embedding_names`` and ``embedding`` together where tasks have something in common.
    """

    name: str
    tasks: tuple[Task, ...]

    def task(self, task_id: str) -> Task:
        """Return one task. Raises UnknownName."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise UnknownName("task", task_id, (task.id for task in self.tasks))

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """One element for each task."""
        return tuple(f"task={task.id}" for task in self.tasks)

    def embedding(self, task_id: str) -> Array:
        """One-hot, (n_tasks,). Raises UnknownName."""
        wanted = self.task(task_id)
        return np.array([float(task.id == wanted.id) for task in self.tasks])
