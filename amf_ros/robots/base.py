"""What a robot backend offers in-process. The simulated arm implements it; nodes and rollouts use it.

robot.reset("stack_red_on_blue", seed=3)
joints, scene = robot.state()
robot.step(command)          # advances 1 / control_hz seconds
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amf_ros.types import JointCommand, JointState, SceneState


@dataclass(frozen=True)
class JointLimit:
    """Limits of one joint from the URDF: position [rad or m], velocity [rad/s or m/s], effort [N m or N]."""

    lower: float
    upper: float
    velocity: float
    effort: float


class Robot(Protocol):
    """One arm with a gripper, in simulated time."""

    control_hz: float

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Commanded joints, arm first, then gripper."""

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """By joint name."""

    def reset(self, task_id: str, seed: int) -> None:
        """Bring arm and scene to a start state of the task; equal seeds give equal states, bit for bit."""

    def state(self) -> tuple[JointState, SceneState]:
        """Both with the same stamp."""

    def step(self, command: JointCommand | None) -> None:
        """Apply a command (None = hold what was commanded last) and advance one control period."""

    def close(self) -> None:
        """Free the simulator; further calls raise."""


@runtime_checkable
class Camera(Protocol):
    """A robot that can show its scene."""

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """A picture from a fixed camera, (height, width, 3) RGB."""
