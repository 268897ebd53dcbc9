"""Tasks of an arm as a YAML file, so that a lab writes no Python to begin: ``suite:=kitchen.yaml``.

    schema: amf_tasks/1
    name: kitchen
    tasks:
      - id: open_tap
        instruction: open the tap
        roles: {object: tap_handle, target: sink}
        attributes: {skill: open}
        time_limit_s: 15
        done: [{distance: [object, target], below: 0.05}]

``done`` judges an episode by poses of the contract's scene topic. Where it is left out nobody judges:
roll-outs stay unlabelled, and a person says how a demonstration went. Imports core and this room.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from amf_ros.core.config import Model, load_yaml
from amf_ros.core.paths import find_config
from amf_ros.core.values import Array, SceneState, Task
from amf_ros.tasks.table import TaskTable

AXES = "xyz"
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class Distance(Model):
    """Two roles are closer to each other, or further apart, than so much [m]."""

    distance: tuple[_Text, _Text] = Field(description="two roles")
    axes: Literal["xyz", "xy", "z"] = Field("xyz", description="along which it is measured")
    below: float | None = Field(None, gt=0, description="at most so far apart [m]")
    above: float | None = Field(None, gt=0, description="at least so far apart [m]")

    @model_validator(mode="after")
    def _one_bound(self) -> Distance:
        if (self.below is None) == (self.above is None):
            raise ValueError("give one of below and above [m]")
        return self

    def holds(self, scene: SceneState, roles: dict[str, str]) -> bool:
        """Say whether it is so in a scene. Raises UnknownName where that lacks an object."""
        first, second = (scene.pose(roles[role])[:3] for role in self.distance)
        rows = [AXES.index(axis) for axis in self.axes]
        apart = float(np.linalg.norm((first - second)[rows]))
        return apart <= self.below if self.below is not None else apart >= (self.above or 0.0)


class TaskSpec(Model):
    """One task."""

    id: _Text
    instruction: str = Field("", description="what a person would tell the robot")
    roles: dict[_Text, _Text] = Field(default_factory=dict, description="role -> name in the scene")
    attributes: dict[_Text, _Text] = Field(
        default_factory=dict, description="what tasks have in common, for the embedding"
    )
    time_limit_s: float = Field(20.0, gt=0, le=3600, description="of one episode [s]")
    done: tuple[Distance, ...] = Field((), description="all of it holds; empty = nobody judges by poses")

    @model_validator(mode="after")
    def _roles_there(self) -> TaskSpec:
        for condition in self.done:
            lacking = [role for role in condition.distance if role not in self.roles]
            if lacking:
                raise ValueError(f"done names role {lacking[0]!r}, which is not among roles")
        return self


class TasksSpec(Model):
    """The whole file."""

    tasks_format: Literal["amf_tasks/1"] = Field(alias="schema", description="format of the file")
    name: _Text
    tasks: tuple[TaskSpec, ...] = Field(min_length=1)


class FileSuite(TaskTable):
    """Tasks of a file; implements :class:`amf_ros.tasks.base.RobotSuite`.

    The embedding is a multi-hot of attributes and task, as that of the built-in suite.
    """

    def __init__(self, spec: TasksSpec) -> None:
        self.name = spec.name
        self._specs = {task.id: task for task in spec.tasks}
        self.tasks = tuple(
            Task(one.id, one.instruction, one.roles, one.attributes, one.time_limit_s) for one in spec.tasks
        )

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """What each element says: ``attribute=value``, then ``task=id``."""
        shared = {f"{key}={value}": None for task in self.tasks for key, value in task.attributes.items()}
        return (*shared, *(f"task={task.id}" for task in self.tasks))

    def embedding(self, task_id: str) -> Array:
        """Return ones for the task's attributes and for itself, (k,). Raises UnknownName."""
        task = self.task(task_id)
        on = {f"{key}={value}" for key, value in task.attributes.items()} | {f"task={task.id}"}
        return np.array([float(name in on) for name in self.embedding_names])

    def judges(self, task_id: str) -> bool:
        """Say whether the file says when this task is done. Raises UnknownName."""
        return bool(self._specs[self.task(task_id).id].done)

    def succeeded(self, task_id: str, scene: SceneState) -> bool:
        """Say whether the scene satisfies the task now. Raises UnknownName."""
        spec = self._specs[self.task(task_id).id]
        return bool(spec.done) and all(one.holds(scene, spec.roles) for one in spec.done)


def load_task_file(name: str) -> FileSuite:
    """Load the tasks of a YAML file, by path.

    Raises:
        ConfigError: no such file, or it does not say what it must; names file, key and what is allowed.
    """
    return FileSuite(load_yaml(find_config("tasks", name), TasksSpec))
