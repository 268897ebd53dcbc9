"""What a robot backend offers in-process. The simulated arm implements it; nodes and rollouts use it.

robot.reset("stack_red_on_blue", seed=3)
joints, scene = robot.state()
robot.step(command)          # advances 1 / control_hz seconds
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.values import JointCommand, JointState, SceneState


@dataclass(frozen=True)
class JointLimit:
    """Limits of one joint from the URDF: position [rad or m], velocity [rad/s or m/s], effort [N m or N].

    A URDF's continuous joint has none on position: infinite on both sides, or 0 and -1 as PyBullet reports.
    """

    lower: float
    upper: float
    velocity: float
    effort: float

    @property
    def continuous(self) -> bool:
        """Whether it turns without end: only its velocity is limited, and angles are equal modulo 2 pi."""
        return (self.lower, self.upper) in ((-math.inf, math.inf), (0.0, -1.0))


class Robot(Protocol):
    """One arm with a gripper, in simulated time.

    Attributes:
        control_hz: commands per second.
        simulated: nothing real moves. Others start stopped, and so do robots that do not say.
    """

    control_hz: float
    simulated: bool

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Commanded joints, arm first, then gripper."""

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """By joint name."""

    def reset(self, task_id: str, seed: int) -> None:
        """Bring arm and scene to a start state of the task; equal seeds give equal states, bit for bit.

        Raises:
            UnknownName: no such task. Nothing moved.
            RobotFault: it cannot be done now. Nothing moved. Any other error leaves the robot faulted.
        """

    def state(self) -> tuple[JointState, SceneState]:
        """Both with the same stamp."""

    def step(self, command: JointCommand | None) -> None:
        """Apply a command and advance one control period.

        Args:
            command: of some or all joints; the others, and all of them at None, hold their last target.
        """

    def close(self) -> None:
        """Free the simulator; further calls raise."""


@runtime_checkable
class Camera(Protocol):
    """A robot that can show its scene."""

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """A picture from a fixed camera, (height, width, 3) RGB."""


@runtime_checkable
class Slowable(Protocol):
    """A robot whose own controller bounds how fast it moves; the gate bounds only how far targets go."""

    def slow_to(self, share: float) -> None:
        """Move no joint faster than this share of its velocity limit, in (0, 1]."""
