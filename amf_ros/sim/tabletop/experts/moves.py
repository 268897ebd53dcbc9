"""What experts are made of: what they see, what they aim at, and moves as feedback laws.

A move computes the tool's next aim from the present state alone. There are no hidden phases and no
clock, so whatever an expert does, a policy that sees the same state can imitate, and a disturbed
motion is corrected on the next step. Imports types and geometry only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amf_ros.core.values import Array, SceneState
from amf_ros.tasks.tabletop import geometry as geo

UP = np.array([0.0, 0.0, 1.0])
_NEAR_M = 0.02  # between the tool and the point where it holds a thing
_CLEAR_M = 0.07  # height above a thing at which the tool has left it


@dataclass(frozen=True)
class ExpertView:
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


@dataclass(frozen=True)
class Grip:
    """How to hold a thing: tool point (3,) [m], tool yaw [rad], width between the fingers [m]."""

    point: Array
    yaw: float
    width: float

    def closed_on(self, view: ExpertView) -> bool:
        """Say whether the fingers have closed on the thing."""
        near = float(np.linalg.norm(view.tool - self.point)) < _NEAR_M
        return near and view.finger < self.width / 2 * 1.15 + 0.001

    def reached(self, view: ExpertView) -> bool:
        """Say whether the open fingers are where they should close."""
        lift = abs(self.point[2] - view.tool[2])
        turn = abs(geo.wrap(self.yaw - view.yaw))
        return bool(geo.across(self.point, view.tool) < 0.009 and lift < 0.008 and turn < 0.12)


@dataclass(frozen=True)
class Funnel:
    """How a point is approached from above.

    The tool keeps ``clip(slope * (error - tolerance), 0, hover)`` above the point, with its horizontal
    error [m]; while it is lower than that, horizontal motion waits. Near the point the speed falls to
    ``care`` of the full speed.
    """

    tolerance: float = 0.006
    slope: float = 5.0
    hover: float = 0.10
    care: float = 1.0


def approach(view: ExpertView, point: Array, yaw: float, finger: float, funnel: Funnel) -> Aim:
    """Go to a point from above."""
    ahead = point[:2] - view.tool[:2]
    error = geo.across(point, view.tool) + 0.05 * abs(geo.wrap(yaw - view.yaw))
    height = float(point[2]) + geo.clamp(funnel.slope * (error - funnel.tolerance), 0.0, funnel.hover)
    lack = height - view.tool[2]
    free = geo.clamp(1.0 - (lack - 0.01) / 0.03, 0.0, 1.0)
    near = geo.clamp(1.0 - error / 0.06, 0.0, 1.0)
    position = np.array([*(view.tool[:2] + free * ahead), height])
    return Aim(position, yaw, finger, calm=0.7 * near, speed=1.0 - (1.0 - funnel.care) * near)


def leave(view: ExpertView, thing: Array, finger: float) -> Aim:
    """Go straight up from a thing; done when clear of it."""
    gap = _CLEAR_M - (view.tool[2] - thing[2])
    position = view.tool + UP * geo.clamp(gap + 0.02, 0.0, 0.05)
    return Aim(position, view.yaw, finger, calm=1.0, done=bool(gap < 0.0))


def grasp(view: ExpertView, grip: Grip) -> Aim:
    """Go to a thing with open fingers and close them there."""
    if grip.reached(view):
        return Aim(grip.point, grip.yaw, geo.GRIPPER_CLOSED, calm=1.0)
    return approach(view, grip.point, grip.yaw, geo.GRIPPER_OPEN, Funnel())


def release(view: ExpertView, grip: Grip) -> Aim:
    """Open the fingers around a thing that was held, then go up."""
    around = float(np.linalg.norm(view.tool - grip.point)) < _NEAR_M + 0.005
    if around and view.finger < geo.GRIPPER_OPEN - 0.008:
        return Aim(view.tool, view.yaw, geo.GRIPPER_OPEN, calm=1.0)
    return leave(view, grip.point, geo.GRIPPER_OPEN)


def place(
    view: ExpertView,
    offset: Array,
    grip: Grip,
    within: tuple[float, float],
    funnel: Funnel,
    carry_yaw: float | None = None,
) -> Aim:
    """Grasp a thing, carry it to its goal, let go and leave.

    Args:
        view: what the expert sees.
        offset: (3,) from the thing to its goal [m].
        grip: how to hold it.
        within: how near the goal, across and above, it may be let go [m].
        funnel: how the goal is approached.
        carry_yaw: of the tool while carrying; None keeps the grip's.
    """
    if math.hypot(offset[0], offset[1]) < within[0] and -offset[2] < within[1]:
        return release(view, grip)
    if grip.closed_on(view):
        yaw = grip.yaw if carry_yaw is None else carry_yaw
        return approach(view, view.tool + offset, yaw, geo.GRIPPER_CLOSED, funnel)
    return grasp(view, grip)


@dataclass(frozen=True)
class Contact:
    """How to push.

    Attributes:
        touch: distance of tool and thing when they touch [m].
        advance: how far ahead of that to aim [m].
        drift: sideways error at which to get behind the thing anew [m].
        finger: finger joint while pushing [m].
    """

    touch: float
    advance: float
    drift: float
    finger: float = geo.GRIPPER_CLOSED


def push(view: ExpertView, thing: Array, heading: Array, yaw: float, contact: Contact) -> Aim:
    """Push a thing (3,) along ``heading`` (2,): get behind it from above, then push."""
    offset = view.tool - thing
    along = float(offset[:2] @ heading)
    sideways = offset[:2] - along * heading
    behind = -contact.touch - 0.06 < along < -contact.touch + 0.008
    if behind and abs(offset[2]) < 0.015 and math.hypot(*sideways) < contact.drift:
        ahead = (contact.advance - contact.touch - along) * heading - sideways
        return Aim(np.array([*(view.tool[:2] + ahead), thing[2]]), yaw, contact.finger, calm=0.5)
    start = np.array([*(thing[:2] - (contact.touch + 0.025) * heading), thing[2]])
    return approach(view, start, yaw, contact.finger, Funnel(tolerance=0.008, slope=4.0))
