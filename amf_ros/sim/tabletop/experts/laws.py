"""One feedback law per task, composed of moves. Imports core, this package and ``tasks/tabletop``.

Usage::

    aim = LAWS["stack_red_on_blue"](view, task.roles)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from amf_ros.core.values import Array
from amf_ros.sim.tabletop.experts import moves
from amf_ros.sim.tabletop.experts.moves import UP, Aim, Contact, ExpertView, Funnel, Grip
from amf_ros.tasks.tabletop import geometry as geo
from amf_ros.tasks.tabletop import success

Roles = Mapping[str, str]
Law = Callable[[ExpertView, Roles], Aim]

_DRAWER_PULL_M = 0.14
_HANDLE_WIDTH = 0.040
_POST_WIDTH = 0.036
_TIP = 0.007  # the fingertips reach below the tool frame [m]

_GENTLE = Funnel(tolerance=0.004)
_PRECISE = Funnel(tolerance=0.004, slope=20.0, care=0.5)
_PUSH_CUBE = Contact(touch=0.032, advance=0.015, drift=0.02, finger=0.008)  # two fingers steer better
_PUSH_HANDLE = Contact(touch=0.020, advance=0.03, drift=0.015)
_PUSH_POST = Contact(touch=0.029, advance=0.03, drift=0.025)


def _square_yaw(view: ExpertView, name: str) -> float:
    """Yaw of a square thing nearest to the tool's home yaw of zero."""
    return geo.wrap(view.yaw_of(name), math.pi / 2)


def _cube_grip(view: ExpertView, cube: str) -> Grip:
    return Grip(view.at(cube), _square_yaw(view, cube), geo.CUBE)


def _move_cube(view: ExpertView, cube: str, goal: Array, within: tuple[float, float]) -> Aim:
    return moves.place(view, goal - view.at(cube), _cube_grip(view, cube), within, _GENTLE)


def place_in_tray(view: ExpertView, roles: Roles) -> Aim:
    """Carry a cube to the middle of a tray."""
    goal = view.at(roles["target"]) + UP * (geo.TRAY_FLOOR + geo.CUBE / 2)
    return _move_cube(view, roles["object"], goal, within=(0.02, 0.01))


def stack(view: ExpertView, roles: Roles) -> Aim:
    """Carry a cube onto another."""
    return _move_cube(view, roles["object"], view.at(roles["target"]) + UP * geo.CUBE, within=(0.008, 0.006))


def tower(view: ExpertView, roles: Roles) -> Aim:
    """``object`` onto ``target``, then ``aux`` onto ``object``."""
    lower = view.at(roles["object"])
    second = {"object": roles["aux"], "target": roles["object"]}
    busy = _cube_grip(view, roles["aux"]).closed_on(view) or success.on_top(
        view.scene, roles["aux"], roles["object"]
    )
    if success.on_top(view.scene, roles["object"], roles["target"]):
        leaving = geo.across(view.tool, lower) < 0.05 and view.tool[2] < lower[2] + 0.06
        if busy or not leaving:
            return stack(view, second)
    return replace(stack(view, roles), done=False)


def push_to_goal(view: ExpertView, roles: Roles) -> Aim:
    """Push a cube over the table onto the mark."""
    thing, goal = view.at(roles["object"]), view.at(roles["target"])
    way = goal[:2] - thing[:2]
    if geo.across(goal, thing) < success.ON_GOAL_M / 2:
        return moves.leave(view, thing, _PUSH_CUBE.finger)
    return moves.push(view, thing, geo.unit(way), math.atan2(way[1], way[0]), _PUSH_CUBE)


def open_drawer(view: ExpertView, roles: Roles) -> Aim:
    """Hold the handle, pull it out, let go."""
    yaw, opening = view.yaw_of("cabinet"), success.drawer_opening_m(view.scene)
    grip = Grip(view.at("drawer_handle") + UP * 0.006, yaw, _HANDLE_WIDTH)
    if opening > _DRAWER_PULL_M - 0.008:
        return moves.release(view, grip)
    if grip.closed_on(view):
        pull = geo.turned(np.array([opening - _DRAWER_PULL_M - 0.01, 0.0]), yaw)
        return Aim(grip.point + np.array([*pull, 0.0]), yaw, geo.GRIPPER_CLOSED, calm=0.7)
    return moves.grasp(view, grip)


def close_drawer(view: ExpertView, roles: Roles) -> Aim:
    """Push the handle in."""
    handle, yaw = view.at("drawer_handle"), view.yaw_of("cabinet")
    if success.drawer_opening_m(view.scene) < success.DRAWER_CLOSED_M / 2.5:
        return moves.leave(view, handle, geo.GRIPPER_CLOSED)
    return moves.push(view, handle, geo.turned(np.array([1.0, 0.0]), yaw), yaw, _PUSH_HANDLE)


def open_door(view: ExpertView, roles: Roles) -> Aim:
    """Hold the handle and follow its arc, let go."""
    yaw = view.yaw_of("door_frame")
    grip = Grip(view.at("door_handle") + UP * 0.016, yaw, _POST_WIDTH)
    if success.door_angle_rad(view.scene) > success.DOOR_OPEN_RAD + 0.25:
        return moves.release(view, grip)
    if grip.closed_on(view):
        radius = (grip.point - view.at("door_frame"))[:2]
        ahead = geo.turned(radius, -0.22) - radius
        return Aim(grip.point + np.array([*ahead, 0.0]), yaw, geo.GRIPPER_CLOSED, calm=1.0)
    return moves.grasp(view, grip)


def close_door(view: ExpertView, roles: Roles) -> Aim:
    """Push the handle along its arc until the door is shut."""
    point = view.at("door_handle") + UP * 0.016
    if success.door_angle_rad(view.scene) < success.DOOR_CLOSED_RAD / 3:
        return moves.leave(view, point, geo.GRIPPER_CLOSED)
    closing = geo.unit(geo.turned((point - view.at("door_frame"))[:2], math.pi / 2))
    return moves.push(view, point, closing, view.yaw_of("door_frame"), _PUSH_POST)


def press_button(view: ExpertView, roles: Roles) -> Aim:
    """Press the cap down with closed fingers and stay there."""
    cap = view.at("button")
    if view.tool[2] - cap[2] < _TIP + 0.012 and geo.across(view.tool, cap) < 0.015:
        pressed = success.button_travel_m(view.scene) > success.BUTTON_PRESSED_M + 0.003
        return Aim(cap - UP * 0.012, 0.0, geo.GRIPPER_CLOSED, calm=1.0, done=pressed)
    return moves.approach(view, cap + UP * (_TIP + 0.004), 0.0, geo.GRIPPER_CLOSED, Funnel())


def turn_faucet(view: ExpertView, roles: Roles) -> Aim:
    """Push the lever's tip along its arc with closed fingers."""
    point = view.at("faucet_handle") + UP * 0.004
    if success.faucet_angle_rad(view.scene) > success.FAUCET_OPEN_RAD + 0.3:
        return moves.leave(view, point, geo.GRIPPER_CLOSED)
    opening = geo.unit(geo.turned((point - view.at("faucet_base"))[:2], math.pi / 2))
    return moves.push(view, point, opening, 0.0, _PUSH_POST)


def insert(view: ExpertView, roles: Roles) -> Aim:
    """Carry the peg above the slot, line it up, lower it, let go."""
    peg, slot = view.at(roles["object"]), view.at(roles["target"])
    grip = Grip(peg + UP * geo.PEG_GRIP, _square_yaw(view, roles["object"]), geo.PEG[1])
    twist = geo.wrap(view.yaw_of(roles["target"]) - view.yaw_of(roles["object"]), math.pi / 2)
    offset = slot + UP * geo.PEG[2] / 2 - peg
    return moves.place(view, offset, grip, (0.008, 0.008), _PRECISE, carry_yaw=view.yaw + twist)


def store(view: ExpertView, roles: Roles) -> Aim:
    """Open the drawer, put the cube in, close the drawer."""
    cube, drawer, handle = view.at(roles["object"]), view.at("drawer"), view.at("drawer_handle")
    spot = geo.turned(np.array(geo.DRAWER_SPOT), view.yaw_of("drawer"))
    goal = drawer + np.array([*spot, geo.DRAWER_FLOOR + geo.CUBE / 2])
    stored = geo.across(cube, goal) < 0.03 and cube[2] - goal[2] < 0.012
    held = _cube_grip(view, roles["object"]).closed_on(view)
    near_cube = geo.across(view.tool, cube) < 0.06 and view.tool[2] < cube[2] + 0.06
    near_handle = geo.across(view.tool, handle) < 0.05 and view.tool[2] < handle[2] + 0.06
    if stored and not near_cube:
        return close_drawer(view, roles)
    if not stored and not held and (near_handle or success.drawer_opening_m(view.scene) < 0.11):
        aim = open_drawer(view, roles)
    else:
        aim = _move_cube(view, roles["object"], goal, within=(0.02, 0.012))
    return replace(aim, done=False)


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
