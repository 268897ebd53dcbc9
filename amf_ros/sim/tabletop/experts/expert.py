"""The scripted expert: turns a law's aims into joint commands. Imports this package and types only.

Usage::

    expert = staging.expert("open_drawer", seed=0)
    while (command := expert.command(arm.read(), arm.scene_state())) is not None:
        arm.write(command)
        arm.step()
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.values import Array, JointCommand, JointState, SceneState, Task
from amf_ros.sim.tabletop.experts.laws import LAWS
from amf_ros.sim.tabletop.experts.moves import ExpertView
from amf_ros.sim.tabletop.kinematics import ARM_JOINTS, FINGER_JOINT, MAX_VELOCITY, inverse
from amf_ros.tasks.tabletop import geometry as geo

_PERIOD_S = 0.05  # commands at the 20 Hz of the built-in contract
_MAX_STEP_M = 0.035  # of the tool per command
_MAX_TURN_RAD = 0.20
_VELOCITY_SCALE = 0.8  # of the URDF's limits
_NOISE_M = 0.007  # standard deviation of the injected disturbance
_NOISE_KEEP = 0.85  # what remains of it after one period
_DONE_STEPS = 8  # longer than the judge's dwell


class TabletopExpert:
    """Demonstrates one task; implements :class:`amf_ros.sim.protocol.Expert`.

    Each command is the measured tool pose plus a bounded step towards the law's aim, through inverse
    kinematics. An Ornstein-Uhlenbeck disturbance (seeded; none near contact) takes the arm off its path,
    and as commands start from what is measured, the next ones show how to come back.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._task, self._law = task, LAWS[task.id]
        self._rng = np.random.default_rng(seed)
        self._noise = np.zeros(3)
        self._done = 0

    def command(self, joints: JointState, scene: SceneState) -> JointCommand | None:
        """Return the next joint targets, or None when the task has looked done for some steps."""
        tool = scene.pose("tool0")
        (finger,) = joints.positions([FINGER_JOINT])
        view = ExpertView(tool[:3], geo.yaw_of(tool), float(finger), scene)
        aim = self._law(view, self._task.roles)
        self._done = self._done + 1 if aim.done else 0
        if self._done > _DONE_STEPS:
            return None
        step = aim.position - view.tool + (1.0 - aim.calm) * self._disturbance()
        step *= min(1.0, aim.speed * _MAX_STEP_M / max(float(np.linalg.norm(step)), 1e-9))
        turn = geo.clamp(geo.wrap(aim.yaw - view.yaw), -_MAX_TURN_RAD, _MAX_TURN_RAD)
        arm = _bounded(joints.positions(ARM_JOINTS), view.tool + step, view.yaw + turn)
        return JointCommand(scene.stamp_ns, (*ARM_JOINTS, FINGER_JOINT), np.append(arm, aim.finger))

    def _disturbance(self) -> Array:
        kick = np.sqrt(1 - _NOISE_KEEP**2) * _NOISE_M * self._rng.standard_normal(3)
        self._noise = _NOISE_KEEP * self._noise + kick
        return self._noise


def _bounded(measured: Array, position: Array, yaw: float) -> Array:
    """Joint targets (7,) for a tool pose, no further away than the joints may move in one period."""
    step = inverse(position, yaw) - measured
    excess = float(np.max(np.abs(step) / (MAX_VELOCITY * _VELOCITY_SCALE * _PERIOD_S)))
    return measured + step / max(excess, 1.0)
