"""One PyBullet world with a Panda in it: loaded, placed, driven and read. Imports core, arm and this room.

A reset builds a second world and changes over when it stands, so that one that fails leaves the first alone.

    panda = Panda(client, scene)
    panda.place_arm(rng)
    panda.drive(targets, substeps=12)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pybullet_data

from amf_ros.arm.protocol import JointLimit
from amf_ros.core.values import Array
from amf_ros.sim.bullet import pybullet
from amf_ros.sim.protocol import Scene

ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
GRIPPER_JOINT = "panda_finger_joint1"
MIMIC_JOINT = "panda_finger_joint2"
JOINTS = (*ARM_JOINTS, GRIPPER_JOINT)
TOOL_LINK = "panda_grasptarget"
PHYSICS_HZ = 240.0
VELOCITY_TOLERANCE = 0.05
"""By how much a joint may exceed its velocity limit before it is slowed to it: a motor at its limit does so
by 3%. Relative; of velocity and of motion between two steps of physics."""

_URDF = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"
_HOME = (0.0, -0.328, 0.0, -2.549, 0.0, 2.221, math.pi / 4)  # tool at (0.42, 0, 0.28), pointing down
_FLOOR, _GREY = (15.0, 15.0, 0.05), (0.62, 0.66, 0.7, 1.0)  # half extents [m], colour
_FLOOR_Z = -0.63  # the table top, which the scene brings, is at z = 0
_FINGER_FRICTION = 1.0
_GRIPPER_FORCE_N = 30.0


class Panda:
    """Empties a client and fills it with floor, arm and scene; the arm stands at the URDF's zero pose.

    Args:
        client: of PyBullet; whatever was in it is gone.
        scene: what stands on the table; it belongs to this world.
        speed: share of the velocity limits that is used.
    """

    def __init__(self, client: int, scene: Scene, speed: float = 1.0) -> None:
        self.client, self.scene, self.speed = client, scene, speed
        self._on: dict[str, Any] = {"physicsClientId": client}
        pybullet.resetSimulation(**self._on)
        pybullet.setGravity(0, 0, -9.81, **self._on)
        pybullet.setTimeStep(1 / PHYSICS_HZ, **self._on)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, **self._on)
        self._arm = load_floor_and_arm(client, pybullet.URDF_IGNORE_VISUAL_SHAPES)
        self._joints: dict[str, int] = {}
        self._tool = -1
        for i in range(pybullet.getNumJoints(self._arm, **self._on)):
            info = pybullet.getJointInfo(self._arm, i, **self._on)
            self._joints[info[1].decode()] = i
            if info[12].decode() == TOOL_LINK:
                self._tool = i
        self._ids = [self._joints[name] for name in JOINTS]
        self._couple_fingers()
        scene.load(client)
        self.limits = self._read_limits()
        self._moving = [*self._ids, self._joints[MIMIC_JOINT]]
        self._fastest = [self.limits[name].velocity for name in (*JOINTS, GRIPPER_JOINT)]
        self.target = dict.fromkeys(JOINTS, 0.0)

    def _couple_fingers(self) -> None:
        """Without a gear constraint the fingers move singly and a grasped object slides (facts.md)."""
        left, right = self._joints[GRIPPER_JOINT], self._joints[MIMIC_JOINT]
        gear = pybullet.createConstraint(
            self._arm,
            left,
            self._arm,
            right,
            pybullet.JOINT_GEAR,
            (1, 0, 0),
            (0, 0, 0),
            (0, 0, 0),
            **self._on,
        )
        pybullet.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50, **self._on)
        for finger in (left, right):
            pybullet.changeDynamics(
                self._arm, finger, lateralFriction=_FINGER_FRICTION, spinningFriction=0.002, **self._on
            )

    def _read_limits(self) -> dict[str, JointLimit]:
        limits = {}
        for name in JOINTS:
            info = pybullet.getJointInfo(self._arm, self._joints[name], **self._on)
            limits[name] = JointLimit(lower=info[8], upper=info[9], effort=info[10], velocity=info[11])
        return limits

    def place_arm(self, rng: np.random.Generator) -> None:
        """Arm near home, gripper anywhere from shut to open; q6 = q2 - q4 keeps the tool pointing down."""
        q = np.array(_HOME)
        q[[0, 1, 3, 6]] += rng.uniform(-1, 1, 4) * (0.12, 0.06, 0.06, 0.1)
        q[5] = q[1] - q[3]
        gripper = self.limits[GRIPPER_JOINT]
        self.target = dict(zip(ARM_JOINTS, q.tolist(), strict=True))
        self.target[GRIPPER_JOINT] = float(rng.uniform(gripper.lower, gripper.upper))
        for name, value in {**self.target, MIMIC_JOINT: self.target[GRIPPER_JOINT]}.items():
            pybullet.resetJointState(self._arm, self._joints[name], value, **self._on)

    def joints(self) -> tuple[Array, Array]:
        """Measured positions and velocities of ``JOINTS``, (8,) each."""
        states = pybullet.getJointStates(self._arm, self._ids, **self._on)
        return np.array([s[0] for s in states]), np.array([s[1] for s in states])

    def tool(self) -> Array:
        """Pose of the tool frame, (7,)."""
        link = pybullet.getLinkState(self._arm, self._tool, computeForwardKinematics=True, **self._on)
        return np.array([*link[4], *link[5]])

    def drive(self, targets: Mapping[str, float], substeps: int) -> None:
        """Set targets of some or all joints, and let ``substeps`` of physics pass."""
        self.target.update(targets)
        for name, target in self.target.items():
            limit = self.limits[name]
            for joint in (name, MIMIC_JOINT) if name == GRIPPER_JOINT else (name,):
                pybullet.setJointMotorControl2(
                    self._arm,
                    self._joints[joint],
                    pybullet.POSITION_CONTROL,
                    targetPosition=target,
                    force=_GRIPPER_FORCE_N if name == GRIPPER_JOINT else limit.effort,
                    maxVelocity=limit.velocity * self.speed,
                    **self._on,
                )
        before = [s[0] for s in pybullet.getJointStates(self._arm, self._moving, **self._on)]
        for _ in range(substeps):
            pybullet.stepSimulation(**self._on)
            before = self._bound_motion(before)

    def _bound_motion(self, before: list[float]) -> list[float]:
        """Slow joints that were thrown beyond their velocity limit down to it. The new positions.

        The motor's ``maxVelocity`` bounds what the motor asks for. What the joint does is also decided by
        the other joints' accelerations and by contacts, which drove it to ten times that.
        """
        after = []
        states = pybullet.getJointStates(self._arm, self._moving, **self._on)
        for joint, last, state, fastest in zip(self._moving, before, states, self._fastest, strict=True):
            limit = fastest * self.speed
            position, velocity = state[:2]
            moved = (position - last) * PHYSICS_HZ
            if max(abs(velocity), abs(moved)) > limit * (1 + VELOCITY_TOLERANCE):
                position = last + min(max(moved, -limit), limit) / PHYSICS_HZ
                velocity = min(max(velocity, -limit), limit)
                pybullet.resetJointState(self._arm, joint, position, velocity, **self._on)
            after.append(position)
        return after


def load_floor_and_arm(client: int, flags: int) -> int:
    """Load them, and return the body id of the arm."""
    on: dict[str, Any] = {"physicsClientId": client}
    floor = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=_FLOOR, **on)
    grey = pybullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=_FLOOR, rgbaColor=_GREY, **on)
    pybullet.createMultiBody(0, floor, grey, (0, 0, _FLOOR_Z - _FLOOR[2]), **on)
    return int(pybullet.loadURDF(str(_URDF), useFixedBase=True, flags=flags, **on))
