"""Inverse kinematics of the Panda in a private PyBullet client. Imports types and geometry only.

    q = PandaKinematics().inverse(np.array([0.5, 0, 0.2]), yaw=0.3)     # (7,) rad, tool pointing down
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data

from amf_ros.tasks.tabletop import geometry as geo
from amf_ros.types import Array

ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGER_JOINT = "panda_finger_joint1"

_REST = (0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4, geo.GRIPPER_OPEN, geo.GRIPPER_OPEN)
_MOVING = (0, 1, 2, 3, 4, 5, 6, 9, 10)  # joint indices in panda.urdf
_TOOL_LINK = 11


class PandaKinematics:
    """Joint angles for a tool pose, always from the same rest pose: one pose, one answer.

    That makes the joint targets a function of the tool's pose, which a policy that sees only the tool
    can learn; and it keeps answers within the joint limits (facts.md). Not for two threads at once.
    """

    def __init__(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        urdf = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"
        self._arm = pybullet.loadURDF(str(urdf), useFixedBase=True, physicsClientId=self._client)
        infos = [pybullet.getJointInfo(self._arm, i, physicsClientId=self._client) for i in range(7)]
        self._lower = np.array([info[8] for info in infos])
        self._upper = np.array([info[9] for info in infos])
        self.max_velocity = np.array([info[11] for info in infos])

    def inverse(self, position: Array, yaw: float) -> Array:
        """Arm joints (7,) [rad] that put the tool at ``position`` (3,) [m], pointing down at ``yaw`` [rad].

        Clipped to the joint limits; out of reach it is the nearest that the solver found.
        """
        self._set(_REST)
        solution = pybullet.calculateInverseKinematics(
            self._arm,
            _TOOL_LINK,
            [float(v) for v in position],
            geo.tool_down(yaw),
            maxNumIterations=200,
            residualThreshold=1e-6,
            physicsClientId=self._client,
        )
        return np.clip(np.array(solution[:7]), self._lower, self._upper)

    def forward(self, arm: Array) -> Array:
        """Tool pose (7,), x y z [m] and quaternion xyzw, for arm joints (7,) [rad]."""
        self._set((*(float(v) for v in arm), geo.GRIPPER_OPEN, geo.GRIPPER_OPEN))
        link = pybullet.getLinkState(
            self._arm, _TOOL_LINK, computeForwardKinematics=True, physicsClientId=self._client
        )
        return np.array([*link[4], *link[5]])

    def close(self) -> None:
        """Free the client; closing twice is fine."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1

    def _set(self, position: tuple[float, ...]) -> None:
        for joint, value in zip(_MOVING, position, strict=True):
            pybullet.resetJointState(self._arm, joint, value, physicsClientId=self._client)
