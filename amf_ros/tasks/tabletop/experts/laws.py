"""One feedback law per task, composed of moves. Imports this package, success and types only.

    aim = LAWS["stack_red_on_blue"](view, task.roles)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from amf_ros.tasks.tabletop import geometry as geo
from amf_ros.tasks.tabletop import success
from amf_ros.tasks.tabletop.experts import moves
from amf_ros.tasks.tabletop.experts.moves import UP, Aim, View
from amf_ros.types import Array

Roles = Mapping[str, str]
Law = Callable[[View, Roles], Aim]

_DRAWER_PULL_M = 0.14
_HANDLE_WIDTH = 0.024
_POST_WIDTH = 0.022
_BUTTON_TIP = 0.007  # the fingertips reach below the tool frame [m]


def _square_yaw(view: View, name: str) -> float:
    """Yaw of a square thing nearest to the tool's home yaw of zero."""
    return geo.wrap(view.yaw_of(name), math.pi / 2)


def _move_cube(view: View, cube: str, goal: Array, within: tuple[float, float] = (0.012, 0.008)) -> Aim:
    thing = view.at(cube)
    return moves.place(view, thing, goal, thing, _square_yaw(view, cube), geo.CUBE, within=within)


def place_in_tray(view: View, roles: Roles) -> Aim:
    """Carry a cube to the middle of a tray."""
    goal = view.at(roles["target"]) + UP * (geo.TRAY_FLOOR + geo.CUBE / 2)
    return _move_cube(view, roles["object"], goal, within=(0.02, 0.01))


def stack(view: View, roles: Roles) -> Aim:
    """Carry a cube onto another."""
    return _move_cube(view, roles["object"], view.at(roles["target"]) + UP * geo.CUBE, within=(0.008, 0.006))


def tower(view: View, roles: Roles) -> Aim:
    """``object`` onto ``target``, then ``aux`` onto ``object``."""
    lower, upper = view.at(roles["object"]), view.at(roles["aux"])
    second = {"object": roles["aux"], "target": roles["object"]}
    busy = moves.holds(view, upper, geo.CUBE) or success.on_top(view.scene, roles["aux"], roles["object"])
    if success.on_top(view.scene, roles["object"], roles["target"]):
        leaving = np.hypot(*(view.tool - lower)[:2]) < 0.05 and view.tool[2] < lower[2] + 0.06
        if busy or not leaving:
            return stack(view, second)
    first = stack(view, roles)
    return Aim(first.position, first.yaw, first.finger, first.calm, first.speed)


def push_to_goal(view: View, roles: Roles) -> Aim:
    """Push a cube over the table onto the mark."""
    thing, goal = view.at(roles["object"]), view.at(roles["target"])
    way = goal[:2] - thing[:2]
    heading, left = geo.unit(way), float(np.linalg.norm(way))
    if left < 0.022:
        return moves.leave(view, thing, view.yaw, geo.GRIPPER_CLOSED)
    yaw = math.atan2(heading[1], heading[0])
    return moves.push(view, thing, heading, yaw, contact=0.032, advance=0.015, drift=0.02)


def open_drawer(view: View, roles: Roles) -> Aim:
    """Hold the handle, pull it out, let go."""
    handle, cabinet = view.at("drawer_handle"), view.yaw_of("cabinet")
    point, opening = handle + UP * 0.006, success.drawer_opening_m(view.scene)
    if opening > _DRAWER_PULL_M - 0.008:
        return moves.release(view, point, cabinet)
    if moves.holds(view, point, _HANDLE_WIDTH):
        out = -geo.turned(np.array([1.0, 0.0]), cabinet)
        pull = np.array([*((_DRAWER_PULL_M + 0.01 - opening) * out), 0.0])
        return Aim(point + pull, cabinet, geo.GRIPPER_CLOSED, calm=0.7)
    return moves.grasp(view, point, cabinet)


def close_drawer(view: View, roles: Roles) -> Aim:
    """Push the handle in."""
    handle, cabinet = view.at("drawer_handle"), view.yaw_of("cabinet")
    if success.drawer_opening_m(view.scene) < 0.008:
        return moves.leave(view, handle, cabinet, geo.GRIPPER_CLOSED)
    heading = geo.turned(np.array([1.0, 0.0]), cabinet)
    return moves.push(view, handle, heading, cabinet, contact=0.02, advance=0.03)


def _door(view: View) -> tuple[Array, Array, Array]:
    """Where to hold the handle (3,), the direction of opening (2,), and the radius vector (2,)."""
    point = view.at("door_handle") + UP * 0.016
    radius = (point - view.at("door_frame"))[:2]
    return point, geo.unit(geo.turned(radius, -math.pi / 2)), radius


def open_door(view: View, roles: Roles) -> Aim:
    """Hold the handle and follow its arc."""
    point, opening, radius = _door(view)
    angle = success.door_angle_rad(view.scene)
    yaw = view.yaw_of("door_frame")
    if angle > success.DOOR_OPEN_RAD + 0.12:
        return moves.release(view, point, yaw)
    if moves.holds(view, point, _POST_WIDTH):
        ahead = geo.turned(radius, -0.22) - radius
        return Aim(point + np.array([*ahead, 0.0]), yaw, geo.GRIPPER_CLOSED, calm=1.0)
    return moves.grasp(view, point, yaw)


def close_door(view: View, roles: Roles) -> Aim:
    """Push the handle along its arc until the door is shut."""
    point, opening, _ = _door(view)
    if success.door_angle_rad(view.scene) < 0.04:
        return moves.leave(view, point, view.yaw, geo.GRIPPER_CLOSED)
    return moves.push(view, point, -opening, view.yaw_of("door_frame"), contact=0.022, advance=0.03, drift=0.025)


def press_button(view: View, roles: Roles) -> Aim:
    """Press the cap down with closed fingers and stay there."""
    cap = view.at("button")
    aim = moves.approach(view, cap + UP * (_BUTTON_TIP + 0.004), 0.0, geo.GRIPPER_CLOSED)
    low = view.tool[2] - cap[2] < _BUTTON_TIP + 0.012
    if low and np.hypot(*(view.tool - cap)[:2]) < 0.015:
        pressed = success.button_travel_m(view.scene) > success.BUTTON_PRESSED_M + 0.002
        return Aim(cap - UP * 0.012, 0.0, geo.GRIPPER_CLOSED, calm=1.0, done=pressed)
    return aim


def turn_faucet(view: View, roles: Roles) -> Aim:
    """Push the lever's tip along its arc with closed fingers."""
    point = view.at("faucet_handle") + UP * 0.004
    opening = geo.unit(geo.turned((point - view.at("faucet_base"))[:2], math.pi / 2))
    if success.faucet_angle_rad(view.scene) > success.FAUCET_OPEN_RAD + 0.1:
        return moves.leave(view, point, view.yaw, geo.GRIPPER_CLOSED)
    return moves.push(view, point, opening, 0.0, contact=0.022, advance=0.03, drift=0.025)


def insert(view: View, roles: Roles) -> Aim:
    """Carry the peg above the slot, line it up, lower it, let go."""
    peg = view.at(roles["object"])
    goal = view.at(roles["target"]) + UP * geo.PEG[2] / 2
    yaw = _square_yaw(view, roles["object"])
    if moves.holds(view, peg + UP * 0.028, geo.PEG[1]):
        yaw = view.yaw + geo.wrap(view.yaw_of(roles["target"]) - yaw, math.pi / 2)
    return moves.place(
        view, peg, goal, peg + UP * 0.028, yaw, geo.PEG[1], within=(0.008, 0.008), tolerance=0.001, slope=40.0, care=0.4
    )


def store(view: View, roles: Roles) -> Aim:
    """Open the drawer, put the cube in, close the drawer."""
    cube, drawer, handle = view.at(roles["object"]), view.at("drawer"), view.at("drawer_handle")
    spot = geo.turned(np.array(geo.DRAWER_SPOT), view.yaw_of("drawer"))
    goal = drawer + np.array([*spot, geo.DRAWER_FLOOR + geo.CUBE / 2])
    stored = np.hypot(*(cube - goal)[:2]) < 0.03 and cube[2] - goal[2] < 0.012
    held = moves.holds(view, cube, geo.CUBE)
    near_cube = np.hypot(*(view.tool - cube)[:2]) < 0.06 and view.tool[2] < cube[2] + 0.06
    near_handle = np.hypot(*(view.tool - handle)[:2]) < 0.05 and view.tool[2] < handle[2] + 0.06
    if stored and not near_cube:
        return close_drawer(view, roles)
    if not stored and not held and (near_handle or success.drawer_opening_m(view.scene) < 0.11):
        aim = open_drawer(view, roles)
    else:
        aim = _move_cube(view, roles["object"], goal, within=(0.02, 0.012))
    return Aim(aim.position, aim.yaw, aim.finger, aim.calm, aim.speed)


LAWS: Mapping[str, Law] = {
    "place_red_left": place_in_tray,
    "place_red_right": place_in_tray,
    "place_blue_left": place_in_tray,
    "place_blue_right": place_in_tray,
    "push_green": push_to_goal,
    "stack_red_on_blue": stack,
    "stack_green_on_red": stack,
    "open_drawer": open_drawer,
    "close_drawer": close_drawer,
    "open_door": open_door,
    "close_door": close_door,
    "press_button": press_button,
    "turn_faucet": turn_faucet,
    "insert_peg": insert,
    "tower_of_three": tower,
    "store_red_in_drawer": store,
}
