"""Poses and angles, and the sizes that scene, success and experts share. Imports numpy only.

The tool always points down, so its orientation is one angle: ``yaw`` turns its x axis in the table
plane; the fingers close along its y axis.
"""

from __future__ import annotations

import math

import numpy as np

from amf_ros.core.values import Array

CUBE = 0.04  # edge [m]
PEG = (0.03, 0.03, 0.11)  # [m]
PEG_GRIP = 0.038  # where to hold it above its centre [m]
SLOT_DEPTH = 0.05  # [m]
TRAY_INSIDE = 0.14  # edge [m]
TRAY_FLOOR = 0.004  # thickness [m]
DRAWER_FLOOR = 0.002  # above the drawer's frame [m]
DRAWER_SPOT = (-0.045, 0.0)  # where things go in the drawer, from its frame [m]
GRIPPER_OPEN = 0.04  # finger joint [m]
GRIPPER_CLOSED = 0.0


def yaw_of(pose: Array) -> float:
    """Heading of the pose's x axis in the table plane [rad]; ``pose`` (7,) is x y z and quaternion xyzw."""
    x, y, z, w = pose[3:7]
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def tilt_of(pose: Array) -> float:
    """Angle between the pose's z axis and the vertical [rad]."""
    x, y = pose[3:5]
    return math.acos(min(1.0, max(-1.0, 1 - 2 * (x * x + y * y))))


def from_yaw(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion xyzw of an upright object."""
    return (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))


def tool_down(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion xyzw of a tool that points down with its x axis at ``yaw``: Rz(yaw) Rx(pi)."""
    return (math.cos(yaw / 2), math.sin(yaw / 2), 0.0, 0.0)


def wrap(angle: float, period: float = 2 * math.pi) -> float:
    """Return the equivalent angle in [-period/2, period/2)."""
    return (angle + period / 2) % period - period / 2


def clamp(value: float, low: float, high: float) -> float:
    """``value`` within [low, high]; ten times as fast as ``numpy.clip`` on one number."""
    return min(max(value, low), high)


def across(a: Array, b: Array) -> float:
    """Horizontal distance of two points [m]."""
    return math.hypot(a[0] - b[0], a[1] - b[1])


def unit(vector: Array) -> Array:
    """``vector`` at length 1, or zeros where it has none."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.zeros_like(vector)


def turned(vector: Array, angle: float) -> Array:
    """``vector`` (2,) turned by ``angle`` [rad]."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([c * vector[0] - s * vector[1], s * vector[0] + c * vector[1]])
