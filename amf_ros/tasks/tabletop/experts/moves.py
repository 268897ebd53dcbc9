"""What experts are made of: what they see, what they aim at, and moves as feedback laws.

A move computes the tool's next aim from the present state alone. There are no hidden phases and no
clock, so whatever an expert does, a policy that sees the same state can imitate, and a disturbed
motion is corrected on the next step. Imports types and geometry only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amf_ros.tasks.tabletop import geometry as geo
from amf_ros.types import Array, SceneState

UP = np.array([0.0, 0.0, 1.0])
_HOVER_M = 0.10  # height at which the tool travels above where it will go
_CLEAR_M = 0.07  # height above a thing at which the tool has left it


@dataclass(frozen=True)
class View:
    """What an expert sees: tool position (3,) [m] and yaw [rad], finger joint [m], and the scene."""

    tool: Array
    yaw: float
    finger: float
    scene: SceneState

    def at(self, name: str) -> Array:
        """Position (3,) of a thing [m]."""
        return self.scene.pose(name)[:3]

    def yaw_of(self, name: str) -> float:
        """Yaw of a thing [rad]."""
        return geo.yaw_of(self.scene.pose(name))


@dataclass(frozen=True)
class Aim:
    """Where the tool should go next.

    Attributes:
        position: (3,) [m]; far ones are approached step by step.
        yaw: [rad].
        finger: target of the finger joint [m].
        calm: 0 where noise may be added, 1 where it may not (contact, precision).
        speed: fraction of the expert's full speed.
        done: nothing remains to be done; the expert ends when this has lasted.
    """

    position: Array
    yaw: float
    finger: float
    calm: float = 0.0
    speed: float = 1.0
    done: bool = False


def approach(
    view: View,
    point: Array,
    yaw: float,
    finger: float,
    *,
    tolerance: float = 0.006,
    slope: float = 5.0,
    hover: float = _HOVER_M,
    care: float = 1.0,
) -> Aim:
    """Go to a point from above, through a funnel.

    The height to keep is ``point.z + clip(slope * (error - tolerance), 0, hover)`` with the horizontal
    error; below that height, horizontal motion waits. Near the point the speed falls to ``care``.
    """
    ahead = point[:2] - view.tool[:2]
    error = float(np.linalg.norm(ahead)) + 0.05 * abs(geo.wrap(yaw - view.yaw))
    height = point[2] + np.clip(slope * (error - tolerance), 0.0, hover)
    free = np.clip(1.0 - (height - view.tool[2] - 0.01) / 0.03, 0.0, 1.0) if height > view.tool[2] else 1.0
    position = np.array([*(view.tool[:2] + free * ahead), height])
    calm = float(np.clip(1.0 - error / 0.06, 0.0, 1.0))
    return Aim(position, yaw, finger, calm, speed=1.0 - (1.0 - care) * calm)


def leave(view: View, thing: Array, yaw: float, finger: float) -> Aim:
    """Go straight up from a thing; done when clear of it."""
    gap = _CLEAR_M - (view.tool[2] - thing[2])
    position = view.tool + UP * np.clip(gap + 0.02, 0.0, 0.05)
    return Aim(position, yaw, finger, calm=1.0, done=bool(gap < 0.0))


def holds(view: View, point: Array, width: float, reach: float = 0.02) -> bool:
    """Whether the fingers have closed on a thing ``width`` wide at ``point``."""
    near = bool(np.linalg.norm(view.tool - point) < reach)
    return near and view.finger < width / 2 * 1.15 + 0.001


def grasp(view: View, point: Array, yaw: float) -> Aim:
    """Go to a grasp point with open fingers and close them there."""
    error = point - view.tool
    arrived = np.hypot(*error[:2]) < 0.009 and abs(error[2]) < 0.008 and abs(geo.wrap(yaw - view.yaw)) < 0.12
    if arrived:
        return Aim(point, yaw, geo.GRIPPER_CLOSED, calm=1.0)
    return approach(view, point, yaw, geo.GRIPPER_OPEN)


def place(
    view: View,
    thing: Array,
    goal: Array,
    point: Array,
    yaw: float,
    width: float,
    *,
    within: tuple[float, float] = (0.012, 0.008),
    tolerance: float = 0.004,
    slope: float = 5.0,
    hover: float = _HOVER_M,
    care: float = 1.0,
) -> Aim:
    """Grasp a thing at ``point``, carry it so that it comes to ``goal``, let go and leave.

    Args:
        within: how near the goal (across, up) it may be let go [m].
        tolerance, slope, hover, care: of the funnel above the goal.
    """
    off = goal - thing
    if np.hypot(*off[:2]) < within[0] and -off[2] < within[1]:
        return release(view, point, yaw)
    if holds(view, point, width):
        shift = view.tool + off
        funnel = {"tolerance": tolerance, "slope": slope, "hover": hover, "care": care}
        return approach(view, shift, yaw, geo.GRIPPER_CLOSED, **funnel)
    return grasp(view, point, yaw)


def release(view: View, point: Array, yaw: float) -> Aim:
    """Open the fingers around a thing held at ``point``, then go up."""
    around = np.linalg.norm(view.tool - point) < 0.025
    if around and view.finger < geo.GRIPPER_OPEN - 0.008:
        return Aim(view.tool, view.yaw, geo.GRIPPER_OPEN, calm=1.0)
    return leave(view, point, view.yaw, geo.GRIPPER_OPEN)


def push(
    view: View, thing: Array, heading: Array, yaw: float, *, contact: float, advance: float, drift: float = 0.015
) -> Aim:
    """Push a thing along ``heading`` (2,) with closed fingers; get behind it first, from above.

    Args:
        contact: distance of tool and thing when they touch [m].
        advance: how far ahead of contact to aim, at most [m].
        drift: sideways error at which to get behind it anew [m].
    """
    offset = view.tool - thing
    along = float(offset[:2] @ heading)
    across = offset[:2] - along * heading
    low = abs(offset[2]) < 0.015
    if low and along < -contact + 0.008 and along > -contact - 0.06 and np.linalg.norm(across) < drift:
        ahead = (-contact - along + advance) * heading - across
        return Aim(np.array([*(view.tool[:2] + ahead), thing[2]]), yaw, geo.GRIPPER_CLOSED, calm=1.0)
    behind = np.array([*(thing[:2] - (contact + 0.025) * heading), thing[2]])
    return approach(view, behind, yaw, geo.GRIPPER_CLOSED, tolerance=0.008, slope=4.0)
