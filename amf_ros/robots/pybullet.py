"""A simulated Franka Panda in PyBullet, in simulated time. Imports types, errors and robots only.

The world is rebuilt from nothing at every reset, which is what makes equal seeds give equal bytes.

    robot = PyBulletRobot(suite.scene())
    robot.reset("press_button", seed=3)
    joints, scene = robot.state()
    robot.step(command)                      # one control period, 1 / control_hz seconds
    picture = robot.render(320, 240)         # (240, 320, 3) uint8
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pybullet_data
from numpy.typing import NDArray

from amf_ros.bullet import pybullet
from amf_ros.errors import ConfigError, RobotFault
from amf_ros.robots.base import JointLimit
from amf_ros.robots.camera import Camera
from amf_ros.types import Array, JointCommand, JointState, SceneState

ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
GRIPPER_JOINT = "panda_finger_joint1"
MIMIC_JOINT = "panda_finger_joint2"
TOOL_LINK = "panda_grasptarget"
TOOL_FRAME = "tool0"
PHYSICS_HZ = 240.0

_URDF = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"
_HOME = (0.0, -0.328, 0.0, -2.549, 0.0, 2.221, math.pi / 4)  # tool at (0.42, 0, 0.28), pointing down
_FLOOR, _GREY = (15.0, 15.0, 0.05), (0.62, 0.66, 0.7, 1.0)  # half extents [m], colour
_FLOOR_Z = -0.63  # the table top, which the scene brings, is at z = 0
_FINGER_FRICTION = 1.0
_GRIPPER_FORCE_N = 30.0


class World(Protocol):
    """What the robot needs of a scene; :class:`amf_ros.tasks.base.Scene` is one."""

    def load(self, client: int) -> None:
        """Load everything into an empty world with gravity, floor and arm."""

    def place(self, client: int, task_id: str, rng: np.random.Generator) -> None:
        """Put everything where the task starts."""

    def poses(self, client: int) -> tuple[tuple[str, ...], Array]:
        """Names and poses (n, 7) in the base frame."""


class PyBulletRobot:
    """Panda with parallel gripper, base at the origin; implements :class:`amf_ros.robots.base.Robot`.

    Owns its physics client, so that several robots can live in one process. Simulated time only moves
    forward: a reset starts the next episode one period after the last state.

    Args:
        scene: what stands on the table; one scene object per robot.
        control_hz: commands per simulated second; must divide 240.

    Raises:
        ConfigError: ``control_hz`` does not divide the physics rate.
    """

    def __init__(self, scene: World, control_hz: float = 20.0) -> None:
        substeps = PHYSICS_HZ / control_hz if control_hz > 0 else 0.0
        if substeps < 1 or substeps != round(substeps):
            raise ConfigError(f"control_hz: {control_hz} must divide {PHYSICS_HZ:g}; take 20, 30, 40 or 60")
        self.control_hz = control_hz
        self._substeps = round(substeps)
        self._period_ns = round(1e9 / control_hz)
        self._scene = scene
        self._stamp_ns = 0
        self._camera: Camera | None = None
        self._client: int = pybullet.connect(pybullet.DIRECT)
        self._load()
        self._limits = self._read_limits()
        self._target = dict.fromkeys(self.joint_names, 0.0)
        self._place_arm(np.random.default_rng(0))

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Seven arm joints [rad], then the finger [m]; the other finger follows."""
        return (*ARM_JOINTS, GRIPPER_JOINT)

    @property
    def client(self) -> int:
        """The PyBullet client of the world, for measurements; who steps it breaks the stamps."""
        return self._client

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """By joint name, from the URDF."""
        return MappingProxyType(self._limits)

    def reset(self, task_id: str, seed: int) -> None:
        """Rebuild the world and start an episode; equal task and seed give equal states, bit for bit.

        Raises:
            UnknownName: the scene does not know the task.
            RobotFault: the robot is closed.
        """
        self._require_open()
        arm_rng, scene_rng = np.random.default_rng(seed).spawn(2)
        self._load()
        self._scene.place(self._client, task_id, scene_rng)
        self._place_arm(arm_rng)
        self._stamp_ns += self._period_ns

    def state(self) -> tuple[JointState, SceneState]:
        """Measured joints and scene (``tool0`` first) with one stamp."""
        self._require_open()
        ids = [self._joints[name] for name in self.joint_names]
        states = pybullet.getJointStates(self._arm, ids, physicsClientId=self._client)
        link = pybullet.getLinkState(
            self._arm, self._tool, computeForwardKinematics=True, physicsClientId=self._client
        )
        names, poses = self._scene.poses(self._client)
        joints = JointState(
            self._stamp_ns,
            self.joint_names,
            np.array([s[0] for s in states]),
            np.array([s[1] for s in states]),
        )
        tool = np.array([[*link[4], *link[5]]])
        return joints, SceneState(self._stamp_ns, (TOOL_FRAME, *names), np.concatenate([tool, poses]))

    def step(self, command: JointCommand | None) -> None:
        """Apply a command, clamped to the position limits, and advance one control period.

        Args:
            command: targets of some or all joints; None holds what was commanded last.

        Raises:
            RobotFault: a joint that the robot does not have, or a target that is not finite; nothing moved.
        """
        self._require_open()
        if command is not None:
            self._accept(command)
        self._drive()
        for _ in range(self._substeps):
            pybullet.stepSimulation(physicsClientId=self._client)
        self._stamp_ns += self._period_ns

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """A picture (height, width, 3) from a fixed camera in front of the table; holds the GIL meanwhile."""
        self._require_open()
        if self._camera is None:
            self._camera = Camera(self._load_shown)
        return self._camera.picture(self._client, width, height)

    def close(self) -> None:
        """Free the simulator; closing twice is fine."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1

    def _require_open(self) -> None:
        if self._client < 0:
            raise RobotFault("the simulated robot is closed; make a new PyBulletRobot")

    def _load(self) -> None:
        client: dict[str, Any] = {"physicsClientId": self._client}
        pybullet.resetSimulation(**client)
        pybullet.setGravity(0, 0, -9.81, **client)
        pybullet.setTimeStep(1 / PHYSICS_HZ, **client)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, **client)
        self._arm = _load_floor_and_arm(self._client, pybullet.URDF_IGNORE_VISUAL_SHAPES)
        self._joints, self._tool = {}, -1
        for i in range(pybullet.getNumJoints(self._arm, **client)):
            info = pybullet.getJointInfo(self._arm, i, **client)
            self._joints[info[1].decode()] = i
            if info[12].decode() == TOOL_LINK:
                self._tool = i
        self._couple_fingers()
        self._scene.load(self._client)

    def _load_shown(self, client: int) -> None:
        """The same bodies for the camera, in the same order; the scene itself stays with the simulation."""
        _load_floor_and_arm(client, 0)
        copy.deepcopy(self._scene).load(client)

    def _couple_fingers(self) -> None:
        """Without a gear constraint the fingers move singly and a grasped object slides (facts.md)."""
        client: dict[str, Any] = {"physicsClientId": self._client}
        left, right = self._joints[GRIPPER_JOINT], self._joints[MIMIC_JOINT]
        gear = pybullet.createConstraint(
            self._arm, left, self._arm, right, pybullet.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0), **client
        )
        pybullet.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50, **client)
        for finger in (left, right):
            pybullet.changeDynamics(
                self._arm, finger, lateralFriction=_FINGER_FRICTION, spinningFriction=0.002, **client
            )

    def _read_limits(self) -> dict[str, JointLimit]:
        limits = {}
        for name in self.joint_names:
            info = pybullet.getJointInfo(self._arm, self._joints[name], physicsClientId=self._client)
            limits[name] = JointLimit(lower=info[8], upper=info[9], effort=info[10], velocity=info[11])
        return limits

    def _place_arm(self, rng: np.random.Generator) -> None:
        """Arm near home, gripper anywhere from shut to open; q6 = q2 - q4 keeps the tool pointing down."""
        q = np.array(_HOME)
        q[[0, 1, 3, 6]] += rng.uniform(-1, 1, 4) * (0.12, 0.06, 0.06, 0.1)
        q[5] = q[1] - q[3]
        gripper = self._limits[GRIPPER_JOINT]
        self._target = dict(zip(ARM_JOINTS, q.tolist(), strict=True))
        self._target[GRIPPER_JOINT] = float(rng.uniform(gripper.lower, gripper.upper))
        for name, value in {**self._target, MIMIC_JOINT: self._target[GRIPPER_JOINT]}.items():
            pybullet.resetJointState(self._arm, self._joints[name], value, physicsClientId=self._client)

    def _accept(self, command: JointCommand) -> None:
        position = np.asarray(command.position, dtype=np.float64)
        if position.shape != (len(command.names),) or not np.isfinite(position).all():
            raise RobotFault(
                f"command for {', '.join(command.names)}: {position.tolist()}; give a finite target each"
            )
        unknown = sorted(set(command.names) - set(self.joint_names))
        if unknown:
            raise RobotFault(f"no joint {', '.join(unknown)}; the robot has {', '.join(self.joint_names)}")
        for name, value in zip(command.names, position.tolist(), strict=True):
            limit = self._limits[name]
            self._target[name] = min(max(value, limit.lower), limit.upper)

    def _drive(self) -> None:
        for name, target in self._target.items():
            limit = self._limits[name]
            fingers = (name, MIMIC_JOINT) if name == GRIPPER_JOINT else (name,)
            for joint in fingers:
                pybullet.setJointMotorControl2(
                    self._arm,
                    self._joints[joint],
                    pybullet.POSITION_CONTROL,
                    targetPosition=target,
                    force=_GRIPPER_FORCE_N if name == GRIPPER_JOINT else limit.effort,
                    maxVelocity=limit.velocity,
                    physicsClientId=self._client,
                )


def _load_floor_and_arm(client: int, flags: int) -> int:
    """The body id of the arm."""
    on: dict[str, Any] = {"physicsClientId": client}
    floor = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=_FLOOR, **on)
    grey = pybullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=_FLOOR, rgbaColor=_GREY, **on)
    pybullet.createMultiBody(0, floor, grey, (0, 0, _FLOOR_Z - _FLOOR[2]), **on)
    return int(pybullet.loadURDF(str(_URDF), useFixedBase=True, flags=flags, **on))
