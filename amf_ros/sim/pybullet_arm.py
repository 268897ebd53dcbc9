"""A simulated Franka Panda in PyBullet, in simulated time. Imports core, arm and this room.

The world is rebuilt from nothing at every reset, which is what makes equal seeds give equal bytes.

    arm = PyBulletArm(TabletopScene())
    arm.reset("press_button", seed=3)
    joints, scene = arm.read(), arm.scene_state()
    arm.write(command); arm.step()           # one control period, 1 / control_hz seconds
    picture = arm.render(320, 240)           # (240, 320, 3) uint8
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from amf_ros.arm.protocol import JointLimit, RobotContext
from amf_ros.core.errors import ConfigError, RobotFault
from amf_ros.core.values import JointCommand, JointState, SceneState
from amf_ros.sim.bullet import pybullet
from amf_ros.sim.camera import PyBulletCamera
from amf_ros.sim.panda_world import JOINTS, PHYSICS_HZ, Panda, load_floor_and_arm
from amf_ros.sim.protocol import Scene
from amf_ros.sim.staging import load_staging

__all__ = ["PHYSICS_HZ", "TOOL_FRAME", "PyBulletArm", "make_pybullet_arm"]

TOOL_FRAME = "tool0"


def make_pybullet_arm(context: RobotContext) -> PyBulletArm:
    """Make the arm that ``robot:=pybullet`` means, in the scene that the context's suite is staged in.

    Raises:
        ConfigError: the suite has no staging, the rate does not fit, or a ``robot_config`` was given.
    """
    if context.config:
        raise ConfigError(f"robot_config is {context.config!r}: robot 'pybullet' reads none; leave it empty")
    scene = load_staging(context.suite).scene()
    return PyBulletArm(
        scene, context.rate_hz, start_ns=context.start_ns, episode_gap_ns=context.episode_gap_ns
    )


class PyBulletArm:
    """Panda with parallel gripper, base at the origin; implements :class:`amf_ros.sim.protocol.Simulator`.

    Owns its physics clients, so that several of them can live in one process. Simulated time only moves
    forward.

    Args:
        scene: what stands on the table; one scene object per arm, of which each reset takes a copy.
        control_hz: commands per simulated second; must divide 240.
        start_ns: the stamp of the first state [ns].
        episode_gap_ns: how far a reset moves time on, one period at least [ns].

    Raises:
        ConfigError: ``control_hz`` does not divide the physics rate.
    """

    simulated = True

    def __init__(
        self, scene: Scene, control_hz: float = 20.0, *, start_ns: int = 0, episode_gap_ns: int = 0
    ) -> None:
        substeps = PHYSICS_HZ / control_hz if control_hz > 0 else 0.0
        if substeps < 1 or substeps != round(substeps):
            raise ConfigError(f"control_hz: {control_hz} must divide {PHYSICS_HZ:g}; take 20, 30, 40 or 60")
        self.control_hz = control_hz
        self._substeps = round(substeps)
        self._period_ns = round(1e9 / control_hz)
        self._scene = scene
        self._stamp_ns = start_ns
        self._gap_ns = max(episode_gap_ns, self._period_ns)
        self._told: dict[str, float] = {}
        self._camera: PyBulletCamera | None = None
        self._spare: int = -1
        self._panda = Panda(pybullet.connect(pybullet.DIRECT), copy.deepcopy(scene))
        self._panda.place_arm(np.random.default_rng(0))
        self._open = True

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The seven arm joints [rad], then the finger [m]; the other finger follows."""
        return JOINTS

    @property
    def client(self) -> int:
        """The PyBullet client of the present world, for measurements. Stepping it breaks the stamps."""
        return self._panda.client

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """The limits by joint name, from the URDF."""
        return MappingProxyType(self._panda.limits)

    def reset(self, task_id: str, seed: int) -> None:
        """Build a new world and start an episode in it; equal task and seed give equal states, bit for bit.

        Whatever is raised, by the scene too, the present world stays as it is.

        Raises:
            UnknownName: the scene does not know the task.
            RobotFault: the robot is closed.
        """
        self._require_open()
        arm_rng, scene_rng = np.random.default_rng(seed).spawn(2)
        if self._spare < 0:
            self._spare = pybullet.connect(pybullet.DIRECT)
        panda = Panda(self._spare, copy.deepcopy(self._scene), self._panda.speed)
        panda.scene.place(panda.client, task_id, scene_rng)
        panda.place_arm(arm_rng)
        self._spare, self._panda = self._panda.client, panda
        self._told = {}
        self._stamp_ns += self._gap_ns

    def connect(self) -> None:
        """Do nothing: it is here."""
        self._require_open()

    def read(self) -> JointState:
        """Return the measured joints."""
        self._require_open()
        position, velocity = self._panda.joints()
        return JointState(self._stamp_ns, self.joint_names, position, velocity)

    def scene_state(self) -> SceneState:
        """Return the poses of the scene, ``tool0`` first."""
        self._require_open()
        names, poses = self._panda.scene.poses(self._panda.client)
        poses = np.concatenate([self._panda.tool()[None], poses])
        return SceneState(self._stamp_ns, (TOOL_FRAME, *names), poses)

    def state(self) -> tuple[JointState, SceneState]:
        """Return joints and scene, which have one stamp."""
        return self.read(), self.scene_state()

    def write(self, command: JointCommand, ahead: Sequence[JointCommand] = ()) -> None:
        """Take targets of some or all joints for the next step, clamped to the position limits.

        Raises:
            RobotFault: a joint that the arm does not have, or a target that is not finite.
        """
        self._require_open()
        self._told.update(self._accept(command))

    def step(self) -> None:
        """Advance one control period with the targets that were written; the others keep their last ones."""
        self._require_open()
        self._panda.drive(self._told, self._substeps)
        self._told = {}
        self._stamp_ns += self._period_ns

    def hold(self) -> None:
        """Keep the targets that were written last."""
        self._require_open()

    def slow_to(self, share: float) -> None:
        """Move no joint faster than this share of its velocity limit, in (0, 1]; resets keep it."""
        self._panda.speed = share

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """Draw a picture (height, width, 3) from a fixed camera in front of the table, holding the GIL."""
        self._require_open()
        if self._camera is None:
            self._camera = PyBulletCamera(self._load_shown)
        return self._camera.picture(self._panda.client, width, height)

    def close(self) -> None:
        """Free the simulator; closing twice is fine."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._open:
            self._open = False
            for client in (self._panda.client, self._spare):
                if client >= 0:
                    pybullet.disconnect(client)

    def _require_open(self) -> None:
        if not self._open:
            raise RobotFault("the simulated arm is closed; make a new PyBulletArm")

    def _load_shown(self, client: int) -> None:
        """Load the same bodies for the camera, in the same order; the scene stays with the simulation."""
        load_floor_and_arm(client, 0)
        copy.deepcopy(self._scene).load(client)

    def _accept(self, command: JointCommand) -> dict[str, float]:
        """Return the target by joint, each within its position limits."""
        position = np.asarray(command.position, dtype=np.float64)
        if position.shape != (len(command.names),) or not np.isfinite(position).all():
            raise RobotFault(
                f"command for {', '.join(command.names)}: {position.tolist()}; give a finite target each"
            )
        unknown = sorted(set(command.names) - set(self.joint_names))
        if unknown:
            raise RobotFault(f"no joint {', '.join(unknown)}; the arm has {', '.join(self.joint_names)}")
        return {
            name: min(max(value, self.limits[name].lower), self.limits[name].upper)
            for name, value in zip(command.names, position.tolist(), strict=True)
        }
