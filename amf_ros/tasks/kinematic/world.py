"""A point tool with a suction gripper above a table with four cubes: positions only, no physics.

    world = KinematicWorld({"red_left": ("red", "left")})
    vector = world.reset("red_left", seed=3)
    while not world.succeeded:
        vector = world.step(world.expert())

Lengths in metres, z up, the table at 0. Plain floats: at this size numpy costs more than the arithmetic.
Each cube starts around a place of its own: with cubes anywhere the same network, from the same number of
demonstrations, does less than 80% of the tasks that it was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from amf_ros.core.values import Array

FPS = 10.0
OBJECTS: Mapping[str, tuple[float, float]] = {
    "red": (0.1, 0.1),
    "green": (0.1, -0.1),
    "blue": (-0.1, 0.1),
    "yellow": (-0.1, -0.1),
}  # around which they start
GOALS: Mapping[str, tuple[float, float] | None] = {
    "left": (0.0, 0.28),
    "right": (0.0, -0.28),
    "back": (0.26, 0.0),
    "up": None,  # held in the air, anywhere
}

SPREAD_M = 0.03  # of a cube's start around its own place, on each axis
START_M = 0.15  # of the tool's around the middle
HOVER_M = 0.12  # height to travel at
UP_M = 0.22  # height that counts as up
STEP_M = 0.02  # the tool moves by at most this on each axis in a step
NOISE_M = 0.004  # deviation of where the tool really goes, per axis and step
GRASP_M = 0.04  # a cube this near is taken while suction is on
PLACE_M = 0.05  # a cube this near to its goal is there
ALIGNED_M = 0.012  # the expert is as low as it wants to be when this near to being above the target
SUCTION = 0.0  # is on at actions above this

Point = tuple[float, float, float]


class KinematicWorld:
    """One episode at a time; implements :class:`amf_ros.tasks.base.SuiteSimulator`."""

    def __init__(self, tasks: Mapping[str, tuple[str, str]]) -> None:
        """``tasks``: id -> (object, goal)."""
        self._tasks = tasks
        self._tool: Point = (0.0, 0.0, HOVER_M)
        self._cubes: list[Point] = [(0.0, 0.0, 0.0)] * len(OBJECTS)
        self._on = False
        self._held: int | None = None
        self._wanted, self._goal = 0, GOALS["up"]
        self._rng = np.random.default_rng(0)

    def reset(self, task_id: str, seed: int) -> Array:
        """Cubes around their places, the tool anywhere above them, suction off; the first observation (16,).

        Args:
            task_id: known.
            seed: of the starts and of how inexactly the tool moves.
        """
        thing, goal = self._tasks[task_id]
        self._wanted, self._goal = tuple(OBJECTS).index(thing), GOALS[goal]
        self._rng = np.random.default_rng(seed)
        self._cubes = [(*self._near(slot, SPREAD_M), 0.0) for slot in OBJECTS.values()]
        x, y = self._near((0.0, 0.0), START_M)
        self._tool = (x, y, HOVER_M + float(self._rng.uniform(-0.03, 0.06)))
        self._on, self._held = False, None
        return self._observe()

    def step(self, action: Array) -> Array:
        """Move the tool by about (dx, dy, dz) [m], suction on or off; the next observation (16,)."""
        dx, dy, dz, suction = action.tolist()
        nx, ny, nz = (self._rng.standard_normal(3) * NOISE_M).tolist()
        x, y, z = self._tool
        self._tool = (x + _bounded(dx) + nx, y + _bounded(dy) + ny, max(0.0, z + _bounded(dz) + nz))
        self._grip(suction > SUCTION)
        if self._held is not None:
            self._cubes[self._held] = self._tool
        return self._observe()

    @property
    def succeeded(self) -> bool:
        """The cube lies, released, at its goal; or it is held up."""
        cube = self._cubes[self._wanted]
        if self._goal is None:
            return self._held == self._wanted and cube[2] > UP_M
        return self._held != self._wanted and _flat(cube, self._goal) < PLACE_M

    def expert(self) -> Array | None:
        """Down on the cube, suction on, over to the goal, down, off: a rule of the present state alone."""
        if self.succeeded:
            return None
        x, y, z = self._tool
        if self._held == self._wanted:
            return self._carry(x, y, z)
        cx, cy, cz = self._cubes[self._wanted]
        if math.dist(self._tool, (cx, cy, cz)) < 0.8 * GRASP_M:
            return np.array([0.0, 0.0, 0.0, 1.0])
        away = math.hypot(cx - x, cy - y)
        return _towards(x, y, z, (cx, cy, cz + _cone(away)), -1.0)

    def _carry(self, x: float, y: float, z: float) -> Array:
        if self._goal is None:
            return _towards(x, y, z, (x, y, UP_M + 0.05), 1.0)
        gx, gy = self._goal
        away = math.hypot(gx - x, gy - y)
        if away < 0.6 * PLACE_M and z < 0.03:
            return np.array([0.0, 0.0, 0.0, -1.0])
        return _towards(x, y, z, (gx, gy, _cone(away - 0.4 * PLACE_M)), 1.0)

    def _grip(self, on: bool) -> None:
        if on and self._held is None:
            near = [math.dist(self._tool, cube) for cube in self._cubes]
            nearest = min(range(len(near)), key=near.__getitem__)
            self._held = nearest if near[nearest] < GRASP_M else None
        elif not on and self._held is not None:
            x, y, _ = self._cubes[self._held]
            self._cubes[self._held] = (x, y, 0.0)  # it falls
            self._held = None
        self._on = on

    def _observe(self) -> Array:
        x, y, z = self._tool
        values = [1.0 if self._on else -1.0, x, y, z]
        for cx, cy, cz in self._cubes:
            values += (cx - x, cy - y, cz - z)
        return np.array(values)

    def _near(self, place: tuple[float, float], spread: float) -> tuple[float, float]:
        dx, dy = self._rng.uniform(-spread, spread, 2).tolist()
        return place[0] + dx, place[1] + dy


def _bounded(value: float) -> float:
    return min(STEP_M, max(-STEP_M, value))


def _towards(x: float, y: float, z: float, target: Point, suction: float) -> Array:
    tx, ty, tz = target
    return np.array([_bounded(tx - x), _bounded(ty - y), _bounded(tz - z), suction])


def _cone(away: float) -> float:
    """Height to be at when so far away from above the target: lower as it comes nearer, without a jump."""
    return min(HOVER_M, max(0.0, 1.5 * (away - ALIGNED_M)))


def _flat(cube: Point, place: tuple[float, float]) -> float:
    return math.hypot(cube[0] - place[0], cube[1] - place[1])
