"""What a task suite offers. Implementations need not inherit: these are protocols. What all suites do alike
is there to inherit, in :class:`amf_ros.tasks.table.TaskTable`.

There are two kinds, alike in what selection and training ask of them (:class:`Suite`):

- :class:`RobotSuite`: pure knowledge about tasks in a robot's scene: roles and success. It reads
  :class:`~amf_ros.core.values.SceneState` only, so the same predicate judges a simulated and a real
  episode. It runs on the ROS graph, and in-process where its *staging* (``sim/``) has a scene and experts.
- :class:`SimulatedSuite`: brings its own simulator, of anything. Runs in-process. docs/own_suite.md has a
  whole one.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from amf_ros.core.values import Array, SceneState, Task


@runtime_checkable
class Suite(Protocol):
    """An ordered set of tasks: what every suite offers, wherever its episodes happen."""

    name: str

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in their fixed order."""

    def task(self, task_id: str) -> Task:
        """Return one task. Raises UnknownName."""

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """What the k elements of an embedding stand for; a checkpoint made for other ones is refused."""

    def embedding(self, task_id: str) -> Array:
        """Return what conditions the policy on the task, (k,), the same k for all."""


@runtime_checkable
class RobotSuite(Suite, Protocol):
    """Tasks that an arm does in a scene, simulated or real.

    Where they are to be done in a simulator too, ``staging`` names what puts them on stage: a registered
    name, or ``package.module:Object`` (:mod:`amf_ros.sim.staging`). A real arm needs none. It may have
    ``judges(task_id)``: False where nobody can tell from poses when the task is done.
    """

    def succeeded(self, task_id: str, scene: SceneState) -> bool:
        """Say whether the scene satisfies the task now, True or False (:mod:`amf_ros.tasks.judge` dwells)."""


class SuiteSimulator(Protocol):
    """A simulator of a suite's tasks, one episode at a time.

    It may have a ``close()``, called at the end, and ``ended``, an attribute or property: True after a step
    that ended the episode for good.
    """

    @property
    def succeeded(self) -> bool:
        """Whether the task is done now: asked after each step, and once True the episode is a success.

        An attribute or property, never a method: True or False (bool or numpy's), anything else is refused.
        """

    def reset(self, task_id: str, seed: int) -> Array:
        """Start an episode; equal seeds give equal starts. The first observation (d,)."""

    def step(self, action: Array) -> Array:
        """Apply an action (a,) for one period; the next observation (d,)."""

    def expert(self) -> Array | None:
        """Return what the scripted demonstrator does now, (a,), or None where nothing is left to do."""


@runtime_checkable
class SimulatedSuite(Suite, Protocol):
    """Tasks with a simulator of their own: no robot, no contract.

    It may declare ``action_low`` and ``action_high``, (a,) each: a policy's actions are kept within, an
    expert's that are not are refused.
    """

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of the d elements of an observation."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the a elements of an action."""

    @property
    def fps(self) -> float:
        """Steps per second of the simulator's clock [Hz]."""

    def environment(self) -> SuiteSimulator:
        """Return a new simulator."""
