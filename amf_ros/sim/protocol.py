"""What a suite's tasks need in a simulator: a scene to load, a start for each seed, and a scripted expert.

    class KitchenStaging:
        def __init__(self, suite): ...
        def scene(self): ...                   # a Scene
        def expert(self, task_id, seed): ...   # an Expert

A suite names its staging (``docs/own_suite.md``); :mod:`amf_ros.sim.staging` finds it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from amf_ros.core.values import Array, JointCommand, JointState, SceneState


class Expert(Protocol):
    """A scripted demonstrator: it sees joints and scene, as a person would, and commands joints."""

    def command(self, joints: JointState, scene: SceneState) -> JointCommand | None:
        """Return the next absolute joint targets (arm and gripper), or None when nothing more is to do."""


class Scene(Protocol):
    """Objects and fixtures of a suite in a PyBullet world; the simulator owns the physics client.

    Each reset loads and places a deep copy into a new world, so that one that fails leaves nothing behind.
    """

    def load(self, client: int) -> None:
        """Load everything into an emptied world; gravity, floor and arm are there already."""

    def place(self, client: int, task_id: str, rng: np.random.Generator) -> None:
        """Put objects and fixtures where the task starts, drawn from ``rng``."""

    def poses(self, client: int) -> tuple[tuple[str, ...], Array]:
        """Return names and poses (n, 7) of objects and moving parts, base frame; always the same names."""


@runtime_checkable
class Staging(Protocol):
    """Puts the tasks of one suite on stage: what stands there, where it starts, and who shows the task."""

    def scene(self) -> Scene:
        """Return a new scene for a simulator."""

    def expert(self, task_id: str, seed: int) -> Expert:
        """Return a fresh scripted expert for one episode; ``seed`` varies its style and injected noise.

        Raises:
            UnknownName: no such task.
        """
