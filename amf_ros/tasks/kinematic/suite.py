"""Sixteen tasks, four objects by four goals, under two embeddings. Imports this package, types and errors.

suite = KinematicSuite()
simulator = suite.environment()
vector = simulator.reset("red_left", seed=3)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, Task
from amf_ros.tasks.kinematic.world import FPS, GOALS, OBJECTS, KinematicWorld

EPISODE_S = 5.0
TASKS = tuple(
    Task(
        id=f"{thing}_{goal}",
        instruction=f"put the {thing} cube {goal}" if place else f"hold the {thing} cube up",
        roles={},
        attributes={"object": thing, "goal": goal},
        time_limit_s=EPISODE_S,
    )
    for thing in OBJECTS
    for goal, place in GOALS.items()
)


class KinematicSuite:
    """Tasks told apart by a one-hot; implements :class:`amf_ros.tasks.base.SimulatedSuite`.

    What two tasks have in common shows in their states only. An element that was never trained tells the
    policy nothing, so an unseen task starts from where all unseen tasks start.
    """

    name = "kinematic"
    tasks = TASKS
    fps = FPS
    observation_names = (
        "suction",
        *(f"tool_{axis}" for axis in "xyz"),
        *(f"{thing}_from_tool_{axis}" for thing in OBJECTS for axis in "xyz"),
    )
    action_names = ("tool_dx", "tool_dy", "tool_dz", "suction")
    embedding_names: tuple[str, ...] = tuple(f"task={task.id}" for task in TASKS)

    def __init__(self) -> None:
        self._tasks: Mapping[str, Task] = {task.id: task for task in TASKS}

    def task(self, task_id: str) -> Task:
        """Return one task.

        Raises:
            UnknownName: with the known ids.
        """
        try:
            return self._tasks[task_id]
        except KeyError:
            raise UnknownName("task", task_id, self._tasks) from None

    def embedding(self, task_id: str) -> Array:
        """Ones where an element of ``embedding_names`` is true of the task, (k,).

        Raises:
            UnknownName: with the known ids.
        """
        task = self.task(task_id)
        on = {f"{key}={value}" for key, value in task.attributes.items()} | {f"task={task.id}"}
        return np.array([float(name in on) for name in self.embedding_names])

    def environment(self) -> KinematicWorld:
        """Return a new simulator."""
        return KinematicWorld(
            {task.id: (task.attributes["object"], task.attributes["goal"]) for task in TASKS}
        )


class KinematicAttributesSuite(KinematicSuite):
    """The same tasks told apart by object and goal: a task is made of elements that others have trained."""

    name = "kinematic_attributes"
    embedding_names = (
        *(f"object={thing}" for thing in OBJECTS),
        *(f"goal={goal}" for goal in GOALS),
    )
