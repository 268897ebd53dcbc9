"""When a task is done, from the scene's state alone, so that the same test judges simulation and reality.

Imports types and geometry only. Fixtures' openings are measured between the frames of their parts.
Whatever is placed must have been let go: the tool is away from it.

    PREDICATES["open_drawer"](scene, task.roles)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from amf_ros.core.values import SceneState
from amf_ros.tasks.tabletop import geometry as geo

Roles = Mapping[str, str]
Predicate = Callable[[SceneState, Roles], bool]

DRAWER_OPEN_M = 0.09
DRAWER_CLOSED_M = 0.02
DOOR_OPEN_RAD = math.radians(55)
DOOR_CLOSED_RAD = math.radians(8)
BUTTON_PRESSED_M = 0.009
FAUCET_OPEN_RAD = math.radians(60)
ON_GOAL_M = 0.04

_AWAY_M = 0.05  # between the tool and what it has let go
_HANDLE_SHUT_X = -0.035  # drawer handle in the cabinet's frame, drawer shut [m]
_BUTTON_FREE_Z = 0.055  # top of the cap above the table, not pressed [m]


def in_cabinet_frame(scene: SceneState, name: str, cabinet: str = "cabinet") -> np.ndarray:
    """Position of ``name`` in the cabinet's frame, (3,); x points into the cabinet."""
    base = scene.pose(cabinet)
    delta = scene.pose(name)[:3] - base[:3]
    return np.array([*geo.turned(delta[:2], -geo.yaw_of(base)), delta[2]])


def drawer_opening_m(scene: SceneState) -> float:
    """Return how far the drawer is out, 0 to 0.16 [m]."""
    return _HANDLE_SHUT_X - float(in_cabinet_frame(scene, "drawer_handle")[0])


def door_angle_rad(scene: SceneState) -> float:
    """Return how far the door is open, 0 to 1.75 [rad]; it turns about -z."""
    return -geo.wrap(geo.yaw_of(scene.pose("door_handle")) - geo.yaw_of(scene.pose("door_frame")))


def button_travel_m(scene: SceneState) -> float:
    """Return how far the cap is down, 0 to 0.015 [m]."""
    return _BUTTON_FREE_Z - float(scene.pose("button")[2] - scene.pose("button_base")[2])


def faucet_angle_rad(scene: SceneState) -> float:
    """Return how far the lever is turned, 0 to 2.1 [rad]."""
    return geo.wrap(geo.yaw_of(scene.pose("faucet_handle")) - geo.yaw_of(scene.pose("faucet_base")))


def released(scene: SceneState, name: str) -> bool:
    """Say whether the tool has let go of a thing and moved away."""
    return bool(np.linalg.norm(scene.pose("tool0")[:3] - scene.pose(name)[:3]) > _AWAY_M)


def on_top(scene: SceneState, upper: str, lower: str) -> bool:
    """Say whether one cube rests on another (not whether it has been let go)."""
    above, below = scene.pose(upper), scene.pose(lower)
    flat = max(geo.tilt_of(above), geo.tilt_of(below)) < 0.2
    rests = abs(above[2] - below[2] - geo.CUBE) < 0.008
    return bool(flat and rests and geo.across(above, below) < geo.CUBE / 2)


def in_tray(scene: SceneState, roles: Roles) -> bool:
    """Say whether the object lies in the target tray, let go."""
    thing, tray = scene.pose(roles["object"]), scene.pose(roles["target"])
    dx, dy = geo.turned(thing[:2] - tray[:2], -geo.yaw_of(tray))
    inside = max(abs(dx), abs(dy)) < geo.TRAY_INSIDE / 2 - 0.01
    return inside and thing[2] - tray[2] < geo.CUBE and released(scene, roles["object"])


def pushed(scene: SceneState, roles: Roles) -> bool:
    """Say whether the object lies flat on the table on the mark, with nobody's fingers around it."""
    thing, goal = scene.pose(roles["object"]), scene.pose(roles["target"])
    tool = scene.pose("tool0")
    carried = geo.across(tool, thing) < 0.015 and tool[2] < thing[2] + geo.CUBE
    flat = thing[2] - goal[2] < geo.CUBE / 2 + 0.005 and geo.tilt_of(thing) < 0.2
    return bool(geo.across(thing, goal) < ON_GOAL_M and flat and not carried)


def stacked(scene: SceneState, roles: Roles) -> bool:
    """Say whether the object rests on the target, let go."""
    return on_top(scene, roles["object"], roles["target"]) and released(scene, roles["object"])


def towered(scene: SceneState, roles: Roles) -> bool:
    """``aux`` rests on ``object``, which rests on ``target``; all let go."""
    return (
        stacked(scene, roles)
        and on_top(scene, roles["aux"], roles["object"])
        and released(scene, roles["aux"])
    )


def inserted(scene: SceneState, roles: Roles) -> bool:
    """Say whether the peg stands upright in the slot, at least 3/4 of the depth down, let go."""
    peg, slot = scene.pose(roles["object"]), scene.pose(roles["target"])
    bottom = peg[2] - geo.PEG[2] / 2 - slot[2]
    centred = geo.across(peg, slot) < 0.008 and geo.tilt_of(peg) < 0.15
    return bool(centred and bottom < geo.SLOT_DEPTH / 4 and released(scene, roles["object"]))


def stored(scene: SceneState, roles: Roles) -> bool:
    """Say whether the object lies in the drawer and the drawer is shut."""
    thing, drawer = scene.pose(roles["object"]), scene.pose(roles["target"])
    dx, dy = geo.turned(thing[:2] - drawer[:2], -geo.yaw_of(drawer))
    inside = abs(dx) < 0.08 and abs(dy) < 0.08 and abs(thing[2] - drawer[2] - geo.CUBE / 2) < 0.02
    return inside and drawer_opening_m(scene) < 1.5 * DRAWER_CLOSED_M


PREDICATES: Mapping[str, Predicate] = {
    "place_red_left": in_tray,
    "place_red_right": in_tray,
    "place_blue_left": in_tray,
    "place_blue_right": in_tray,
    "push_green": pushed,
    "stack_red_on_blue": stacked,
    "stack_green_on_red": stacked,
    "open_drawer": lambda scene, _: drawer_opening_m(scene) > DRAWER_OPEN_M,
    "close_drawer": lambda scene, _: drawer_opening_m(scene) < DRAWER_CLOSED_M,
    "open_door": lambda scene, _: door_angle_rad(scene) > DOOR_OPEN_RAD,
    "close_door": lambda scene, _: door_angle_rad(scene) < DOOR_CLOSED_RAD,
    "press_button": lambda scene, _: button_travel_m(scene) > BUTTON_PRESSED_M,
    "turn_faucet": lambda scene, _: faucet_angle_rad(scene) > FAUCET_OPEN_RAD,
    "insert_peg": inserted,
    "tower_of_three": towered,
    "store_red_in_drawer": stored,
}
