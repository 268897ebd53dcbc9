"""The tabletop in PyBullet: a table, cubes, a peg and fixtures, always the same things with the same names.

What a task does not need stands parked beyond the arm's reach. Imports types, errors and this package.

    scene = TabletopScene()
    scene.load(client); scene.place(client, "open_drawer", np.random.default_rng(0))
    names, poses = scene.poses(client)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array
from amf_ros.sim.bullet import pybullet
from amf_ros.sim.tabletop.starts import STARTS, Start
from amf_ros.tasks.tabletop import geometry as geo

Colour = tuple[float, float, float, float]
Table = dict[tuple[str, str], tuple[int, int]]  # -> body, index of its link or joint

ASSETS = Path(__file__).parent / "assets"

_RED, _GREEN, _BLUE = (0.85, 0.2, 0.18, 1.0), (0.25, 0.65, 0.3, 1.0), (0.2, 0.4, 0.85, 1.0)
_VIOLET, _WARM, _COOL = (0.55, 0.35, 0.7, 1.0), (0.95, 0.88, 0.75, 1.0), (0.75, 0.85, 0.92, 1.0)

# Boxes that move freely: size [m], mass [kg], colour.
_BOXES: dict[str, tuple[tuple[float, float, float], float, Colour]] = {
    "cube_red": ((geo.CUBE,) * 3, 0.08, _RED),
    "cube_green": ((geo.CUBE,) * 3, 0.08, _GREEN),
    "cube_blue": ((geo.CUBE,) * 3, 0.08, _BLUE),
    "peg": (geo.PEG, 0.08, _VIOLET),
}
# Fixtures: file, colour of its base (None: as in the file).
_FIXTURES: dict[str, tuple[str, Colour | None]] = {
    "tray_left": ("tray", _WARM),
    "tray_right": ("tray", _COOL),
    "goal": ("goal", None),
    "slot": ("slot", None),
    "cabinet": ("cabinet", None),
    "door_frame": ("door", None),
    "button_base": ("button", None),
    "faucet_base": ("faucet", None),
}
# Links with a name of their own -> (fixture, link in its file).
_LINKS = {
    "drawer": ("cabinet", "drawer"),
    "drawer_handle": ("cabinet", "drawer_handle"),
    "door_handle": ("door_frame", "door_handle"),
    "button": ("button_base", "button"),
    "faucet_handle": ("faucet_base", "faucet_handle"),
}
# Joints: (fixture, joint in its file, friction [N or N m], drawn back to zero like a spring).
_JOINTS = {
    "drawer": ("cabinet", "drawer_slide", 1.5, False),
    "door": ("door_frame", "door_hinge", 0.1, False),
    "button": ("button_base", "button_slide", 3.0, True),
    "faucet": ("faucet_base", "faucet_axis", 0.1, False),
}
NAMES = (*_BOXES, *_FIXTURES, *_LINKS)

_TABLE = (1.5, 2.2, 0.04)  # [m]
_TABLE_X = 0.45
_SETTLE_STEPS = 24


class TabletopScene:
    """All objects and fixtures; implements :class:`amf_ros.sim.protocol.Scene`. One per physics client."""

    def __init__(self) -> None:
        self._bodies: dict[str, int] = {}
        self._links: dict[str, tuple[int, int]] = {}
        self._joints: dict[str, tuple[int, int]] = {}

    def load(self, client: int) -> None:
        """Load everything, parked; the table top is at z = 0."""
        on: dict[str, Any] = {"physicsClientId": client}
        _box(_TABLE, 0.0, (0.78, 0.74, 0.68, 1.0), (_TABLE_X, 0, -_TABLE[2] / 2), client)
        for name, (size, mass, colour) in _BOXES.items():
            self._bodies[name] = _box(size, mass, colour, (0, 0, size[2] / 2), client)
            pybullet.changeDynamics(self._bodies[name], -1, lateralFriction=0.8, spinningFriction=0.002, **on)
        for name, (file, tint) in _FIXTURES.items():
            body = pybullet.loadURDF(str(ASSETS / f"{file}.urdf"), useFixedBase=True, **on)
            self._bodies[name] = body
            if tint is not None:
                pybullet.changeVisualShape(body, -1, rgbaColor=tint, **on)
        pybullet.changeDynamics(self._bodies["slot"], -1, lateralFriction=0.2, **on)
        links, joints = self._find(client)
        self._links = {name: links[fixture, link] for name, (fixture, link) in _LINKS.items()}
        self._joints = {name: joints[fixture, joint] for name, (fixture, joint, _, _) in _JOINTS.items()}
        for name, (_, _, force, spring) in _JOINTS.items():
            mode = pybullet.POSITION_CONTROL if spring else pybullet.VELOCITY_CONTROL
            goal = {"targetPosition": 0.0} if spring else {"targetVelocity": 0.0}
            pybullet.setJointMotorControl2(*self._joints[name], mode, force=force, **goal, **on)

    def place(self, client: int, task_id: str, rng: np.random.Generator) -> None:
        """Move what the task needs into reach, at random; let it come to rest.

        Raises:
            UnknownName: no such task in this suite.
        """
        if task_id not in STARTS:
            raise UnknownName("task", task_id, STARTS)
        start = STARTS[task_id](rng)
        self._apply(client, start)
        for _ in range(_SETTLE_STEPS):
            pybullet.stepSimulation(physicsClientId=client)

    def poses(self, client: int) -> tuple[tuple[str, ...], Array]:
        """``NAMES`` and their poses (n, 7) in the base frame, quaternions xyzw."""
        on: dict[str, Any] = {"physicsClientId": client}
        rows = [sum(pybullet.getBasePositionAndOrientation(body, **on), ()) for body in self._bodies.values()]
        for body, link in self._links.values():
            state = pybullet.getLinkState(body, link, computeForwardKinematics=True, **on)
            rows.append(state[4] + state[5])
        return NAMES, np.array(rows)

    def _apply(self, client: int, start: Start) -> None:
        on: dict[str, Any] = {"physicsClientId": client}
        for name, (x, y, yaw) in start.poses.items():
            z = _BOXES[name][0][2] / 2 if name in _BOXES else 0.0
            pybullet.resetBasePositionAndOrientation(self._bodies[name], (x, y, z), geo.from_yaw(yaw), **on)
        for name in _BOXES:
            if name not in start.needed:  # parked: it need not be simulated, which halves the cost of a step
                pybullet.changeDynamics(self._bodies[name], -1, mass=0.0, **on)
        for name, (body, joint) in self._joints.items():
            pybullet.resetJointState(body, joint, start.joints.get(name, 0.0), **on)

    def _find(self, client: int) -> tuple[Table, Table]:
        """Links and joints by (fixture, name in its file)."""
        links, joints = {}, {}
        for fixture in _FIXTURES:
            body = self._bodies[fixture]
            for i in range(pybullet.getNumJoints(body, physicsClientId=client)):
                info = pybullet.getJointInfo(body, i, physicsClientId=client)
                joints[fixture, info[1].decode()] = (body, i)
                links[fixture, info[12].decode()] = (body, i)
        return links, joints


def _box(
    size: tuple[float, float, float],
    mass: float,
    colour: Colour,
    at: tuple[float, float, float],
    client: int,
) -> int:
    half = [edge / 2 for edge in size]
    collision = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, physicsClientId=client)
    visual = pybullet.createVisualShape(
        pybullet.GEOM_BOX, halfExtents=half, rgbaColor=colour, physicsClientId=client
    )
    return int(pybullet.createMultiBody(mass, collision, visual, at, physicsClientId=client))
