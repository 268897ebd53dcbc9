"""What a simulator offers beyond an arm, and what a suite's tasks need in one: scene, starts, experts.

    simulator.reset("press_button", seed=3)      # an Arm as well: read, write, hold
    simulator.write(command); simulator.step()   # one control period, 1 / control_hz seconds
    joints, scene = simulator.read(), simulator.scene_state()

    class KitchenStaging:
        def __init__(self, suite): ...
        def scene(self): ...                   # a Scene
        def expert(self, task_id, seed): ...   # an Expert

A suite names its staging (``docs/own_suite.md``); :mod:`amf_ros.sim.staging` finds it.
"""

from __future__ import annotations

from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amf_ros.arm.protocol import Arm, SteppedArm, is_stepped
from amf_ros.core.values import Array, JointCommand, JointState, SceneState


@runtime_checkable
class Simulator(SteppedArm, Protocol):
    """An arm that is computed, in a scene that is computed too. Its attribute ``simulated`` is True.

    Only simulators have seeded resets, steps, simulated time (on the graph: ``/clock``) and poses of their
    scene. Their stamps count simulated time from ``start_ns`` of the context on, and never go back.
    """

    def reset(self, task_id: str, seed: int) -> None:
        """Bring arm and scene to a start of the task; equal seeds give equal states, bit for bit.

        Time moves on by at least ``episode_gap_ns`` of the context.

        Raises:
            UnknownName: no such task. Nothing moved.
            RobotFault: it cannot be done now. Nothing moved. Any other error leaves the arm faulted.
        """

    def scene_state(self) -> SceneState:
        """Return the tool frame (``tool0``) and the poses of the scene, under the stamp of :meth:`read`."""


@runtime_checkable
class Renderer(Protocol):
    """A simulator that can draw its scene."""

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return a picture from a fixed camera, (height, width, 3) RGB."""


def is_simulator(arm: Arm) -> TypeGuard[Simulator]:
    """Say whether an arm is a simulator. One that does not say ``simulated`` is taken for real."""
    return is_stepped(arm) and isinstance(arm, Simulator)


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
