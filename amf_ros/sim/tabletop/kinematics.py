"""Inverse kinematics of the Panda with its tool pointing down, in closed form. Imports numpy and types only.

Usage::

    q = inverse(np.array([0.5, 0.0, 0.2]), yaw=0.3)     # (7,) rad
"""

from __future__ import annotations

import math

import numpy as np

from amf_ros.core.values import Array

ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGER_JOINT = "panda_finger_joint1"

# Franka's limits, as in the URDF: position [rad], velocity [rad/s].
LOWER = np.array([-2.9671, -1.8326, -2.9671, -3.1416, -2.9671, -0.0873, -2.9671])
UPPER = np.array([2.9671, 1.8326, 2.9671, 0.0, 2.9671, 3.8223, 2.9671])
MAX_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])

_SHOULDER_Z = 0.333  # joint 2 above the base [m]
_UPPER = (0.316, 0.0825)  # joint 2 to joint 4: along the arm, sideways [m]
_FORE = (0.384, 0.0825)  # joint 4 to joint 6, likewise
_WRIST_R = 0.088  # joint 6 to the tool's axis [m]
_WRIST_Z = 0.107 + 0.105  # joint 6 down to the tool frame [m]


def inverse(position: Array, yaw: float) -> Array:
    """Arm joints (7,) [rad] that put the tool at ``position`` (3,) [m], pointing down at ``yaw`` [rad].

    With joints 3 and 5 at zero the arm moves in a vertical plane, and shoulder, elbow and wrist form a
    triangle (law of cosines). One pose has one answer, which changes smoothly: the joint targets are a
    function of the tool's pose, which a policy that sees only the tool can learn. Clipped to the joint
    limits; for a pose out of reach the arm stretches towards it.
    """
    x, y, z = (float(v) for v in position)
    q1 = math.atan2(y, x)
    r, h = math.hypot(x, y) - _WRIST_R, z + _WRIST_Z - _SHOULDER_Z  # joint 6 seen from joint 2
    upper, fore, reach = math.hypot(*_UPPER), math.hypot(*_FORE), math.hypot(r, h)
    elbow = _angle(upper, fore, reach)
    q4 = elbow + math.atan2(*_UPPER) + math.atan2(*_FORE) - 2 * math.pi
    q2 = math.atan2(r, h) - _angle(upper, reach, fore) - math.atan2(_UPPER[1], _UPPER[0])
    q = np.array([q1, q2, 0.0, q4, 0.0, q2 - q4, _wrap(math.pi / 4 + q1 - yaw)])
    clipped: Array = np.clip(q, LOWER, UPPER)
    return clipped


def _angle(a: float, b: float, opposite: float) -> float:
    """Angle of a triangle between sides ``a`` and ``b``; the nearest one where there is no triangle."""
    cosine = (a * a + b * b - opposite * opposite) / (2 * a * b)
    return math.acos(min(1.0, max(-1.0, cosine)))


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
