"""Where each task starts: draws from a generator. Imports numpy and this package only.

    start = STARTS["stack_red_on_blue"](np.random.default_rng(0))
    start.poses["cube_red"]          # (x, y, yaw) on the table

Things keep a distance from one another, lie within reach, and never start where they should end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Spot = tuple[float, float, float]
Area = tuple[float, float, float, float]  # x from, x to, y from, y to [m]
Rng = np.random.Generator

# Beyond reach, around the back and sides of the table.
PARKED: Mapping[str, Spot] = {
    "cube_red": (0.05, 0.50, 0.0),
    "cube_green": (0.05, 0.58, 0.0),
    "cube_blue": (0.05, 0.66, 0.0),
    "peg": (0.05, -0.50, 0.0),
    "tray_left": (0.32, 0.72, 0.0),
    "tray_right": (0.40, -0.78, 0.0),
    "goal": (0.92, 0.04, 0.0),
    "slot": (0.05, -0.65, 0.0),
    "cabinet": (0.84, 0.32, 0.0),
    "door_frame": (0.90, -0.16, 0.0),
    "button_base": (0.72, -0.62, 0.0),
    "faucet_base": (0.62, 0.66, 0.0),
}

_MIDDLE: Area = (0.40, 0.58, -0.14, 0.14)
_GAP = 0.09  # between the centres of loose things [m]


@dataclass(frozen=True)
class Start:
    """Where an episode starts.

    Attributes:
        poses: (x, y, yaw) of everything by name [m, rad].
        needed: what stands within reach; the rest is parked.
        joints: openings of fixtures by name [rad or m]; those left out are shut.
    """

    poses: Mapping[str, Spot]
    needed: frozenset[str]
    joints: Mapping[str, float]


def _start(poses: Mapping[str, Spot], **joints: float) -> Start:
    return Start({**PARKED, **poses}, frozenset(poses), joints)


def _spots(rng: Rng, names: tuple[str, ...], area: Area, yaw: float = 0.4) -> dict[str, Spot]:
    """Random spots in an area that keep ``_GAP`` from one another."""
    while True:
        xy = np.stack([rng.uniform(*area[:2], len(names)), rng.uniform(*area[2:], len(names))], axis=1)
        apart = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + np.eye(len(names))
        if apart.min() > _GAP:
            yaws = rng.uniform(-yaw, yaw, len(names))
            return {n: (float(x), float(y), float(a)) for n, (x, y), a in zip(names, xy, yaws, strict=True)}


def _near(rng: Rng, x: float, y: float, spread: float = 0.03, yaw: float = 0.0) -> Spot:
    dx, dy, turn = rng.uniform(-1, 1, 3) * (spread, spread, yaw)
    return (x + dx, y + dy, turn)


def pick_place(cube: str) -> Callable[[Rng], Start]:
    """Return the cube and another one in the middle, both trays at the sides."""

    def draw(rng: Rng) -> Start:
        trays = {"tray_left": _near(rng, 0.46, 0.30), "tray_right": _near(rng, 0.46, -0.30)}
        return _start({**_spots(rng, (cube, "cube_green"), _MIDDLE), **trays})

    return draw


def push(rng: Rng) -> Start:
    """Return the cube near the robot, the mark straight behind it."""
    cube = _spots(rng, ("cube",), (0.40, 0.45, -0.12, 0.12), 0.3)["cube"]
    goal = (float(rng.uniform(0.56, 0.62)), cube[1] + float(rng.uniform(-0.015, 0.015)), 0.0)
    return _start({"cube_green": cube, "goal": goal})


def stack(*cubes: str) -> Callable[[Rng], Start]:
    """Cubes scattered over the middle."""

    def draw(rng: Rng) -> Start:
        return _start(_spots(rng, cubes, _MIDDLE, 0.35))

    return draw


def tower(rng: Rng) -> Start:
    """Blue behind, red to the right, green to the left: the wide hand must not sweep the stack away."""
    cubes = {"cube_blue": (0.55, 0.0), "cube_red": (0.44, -0.10), "cube_green": (0.43, 0.12)}
    return _start({name: _near(rng, *spot, spread=0.03, yaw=0.4) for name, spot in cubes.items()})


def drawer(low: float, high: float, *cubes: str) -> Callable[[Rng], Start]:
    """Return the cabinet within reach, its drawer out by ``low`` to ``high`` [m]; cubes to its right."""

    def draw(rng: Rng) -> Start:
        if cubes:
            beside = _spots(rng, cubes, (0.40, 0.55, -0.22, -0.10))
            poses = {"cabinet": _near(rng, 0.64, 0.12, 0.02), **beside}
        else:
            poses = {"cabinet": _near(rng, 0.64, 0.0, 0.03, yaw=0.15)}
        return _start(poses, drawer=float(rng.uniform(low, high)))

    return draw


def door(low_deg: float, high_deg: float) -> Callable[[Rng], Start]:
    """Return the door within reach, open by ``low_deg`` to ``high_deg``."""

    def draw(rng: Rng) -> Start:
        opening = math.radians(float(rng.uniform(low_deg, high_deg)))
        return _start({"door_frame": _near(rng, 0.60, 0.10, 0.03, 0.15)}, door=opening)

    return draw


def button(rng: Rng) -> Start:
    """Return the button anywhere in the middle."""
    return _start(_spots(rng, ("button_base",), _MIDDLE, yaw=0.0))


def faucet(rng: Rng) -> Start:
    """Return the faucet within reach, its lever to the right of the robot's view, a little open."""
    x, y, _ = _near(rng, 0.52, 0.05, 0.04)
    return _start({"faucet_base": (x, y, -math.pi / 2)}, faucet=float(rng.uniform(0, 0.3)))


def insert(rng: Rng) -> Start:
    """Peg and slot well apart."""
    slot = _near(rng, 0.50, 0.14, 0.03)
    peg = _spots(rng, ("peg",), (0.42, 0.56, -0.16, -0.04), 0.25)["peg"]
    return _start({"slot": slot, "peg": peg})


STARTS: Mapping[str, Callable[[Rng], Start]] = {
    "place_red_left": pick_place("cube_red"),
    "place_red_right": pick_place("cube_red"),
    "place_blue_left": pick_place("cube_blue"),
    "place_blue_right": pick_place("cube_blue"),
    "push_green": push,
    "stack_red_on_blue": stack("cube_red", "cube_blue"),
    "stack_green_on_red": stack("cube_green", "cube_red"),
    "open_drawer": drawer(0.0, 0.03),
    "close_drawer": drawer(0.09, 0.15),
    "open_door": door(0, 8),
    "close_door": door(45, 80),
    "press_button": button,
    "turn_faucet": faucet,
    "insert_peg": insert,
    "tower_of_three": tower,
    "store_red_in_drawer": drawer(0.0, 0.02, "cube_red"),
}
