"""Named joints and poses -> numbers. One pure function per feature, compiled once per contract.

compute = compile_feature(spec, optional)
names, values = feature_names(spec), compute(joints, scene, roles)

A role that a task does not name is absent, where the contract allows it: what looks at it is zero, and an
element of its own (:class:`~amf_ros.contract.feature_spec.PresentFeature`) says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import numpy as np

from amf_ros.contract.feature_spec import (
    FeatureSpec,
    JointAngleFeature,
    JointFeature,
    PositionFeature,
    PresentFeature,
    RelativePositionFeature,
    RelativeYawFeature,
    StateFeature,
    YawFeature,
)
from amf_ros.core.errors import ContractError
from amf_ros.core.values import Array, JointState, SceneState, indices

ROLE = "role."
Compute = Callable[[JointState, "SceneState | None", Mapping[str, str]], Array]


@lru_cache(maxsize=256)
def rows(kind: str, known: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[int, ...]:
    """Find the positions of names, remembered: the same names come with every message. Raises UnknownName."""
    return tuple(indices(kind, known, wanted))


def looked_at(spec: StateFeature) -> tuple[str, ...]:
    """Return the scene objects and ``role.<name>`` that a feature looks at."""
    if isinstance(spec, (JointFeature, JointAngleFeature, PresentFeature)):
        return ()
    if isinstance(spec, (RelativePositionFeature, RelativeYawFeature)):
        return (spec.of, spec.to)
    return (spec.of,)


def optional_roles(features: Iterable[FeatureSpec]) -> frozenset[str]:
    """Return the roles that a task may lack: their presence is observed too, so that zeros are no poses."""
    return frozenset(spec.of.removeprefix(ROLE) for spec in features if isinstance(spec, PresentFeature))


def feature_names(spec: StateFeature) -> tuple[str, ...]:
    """Return one name per element, e.g. ``role.object-tool0.position.x``."""
    if isinstance(spec, JointFeature):
        return tuple(f"{joint}.{spec.feature.removeprefix('joint_')}" for joint in spec.joints)
    if isinstance(spec, JointAngleFeature):
        return tuple(f"{joint}.angle.{part}" for joint in spec.joints for part in ("sin", "cos"))
    if isinstance(spec, PresentFeature):
        return (f"{spec.of}.present",)
    subject = "-".join(looked_at(spec))
    if isinstance(spec, (PositionFeature, RelativePositionFeature)):
        return tuple(f"{subject}.position.{axis}" for axis in spec.axes)
    times = "" if spec.symmetry == 1 else str(spec.symmetry)
    return (f"{subject}.yaw{times}.sin", f"{subject}.yaw{times}.cos")


def compile_feature(spec: StateFeature, optional: frozenset[str] = frozenset()) -> Compute:
    """Return the function that computes one feature, (n,) float64.

    Args:
        spec: of the feature.
        optional: roles that a task may lack; the feature is zero where it looks at one that the task lacks.
    """
    if isinstance(spec, JointFeature):
        return _joints(spec)
    if isinstance(spec, JointAngleFeature):
        return _angles(spec)
    if isinstance(spec, PresentFeature):
        return _present(spec)
    of_poses = (
        _positions(spec) if isinstance(spec, (PositionFeature, RelativePositionFeature)) else _yaws(spec)
    )
    roles = [name.removeprefix(ROLE) for name in looked_at(spec) if name.startswith(ROLE)]
    lacked = [role for role in roles if role in optional]
    return _zero_without(lacked, of_poses, len(feature_names(spec))) if lacked else of_poses


def heading(pose: Array) -> complex:
    """Return where the frame's x axis points, seen from above: cos(yaw) + i sin(yaw), times cos(pitch).

    Taken from the rotated x axis and not from Euler angles, it changes smoothly even for a toppled
    object, and a tool that points down has a heading like any other.
    """
    x, y, z, w = (float(value) for value in pose[3:7])
    return complex(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z))


def _joints(spec: JointFeature) -> Compute:
    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        values = joints.position if spec.feature == "joint_position" else joints.velocity
        picked: Array = values[list(rows("joint", joints.names, spec.joints))]
        return picked

    return compute


def _angles(spec: JointAngleFeature) -> Compute:
    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        angles = joints.position[list(rows("joint", joints.names, spec.joints))]
        return np.stack([np.sin(angles), np.cos(angles)], axis=1).ravel()

    return compute


def _present(spec: PresentFeature) -> Compute:
    role = spec.of.removeprefix(ROLE)

    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        return np.array([float(role in roles)])

    return compute


def _zero_without(optional: list[str], of_poses: Compute, size: int) -> Compute:
    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        here = all(role in roles for role in optional)
        return of_poses(joints, scene, roles) if here else np.zeros(size)

    return compute


def _positions(spec: PositionFeature | RelativePositionFeature) -> Compute:
    axes = ["xyz".index(axis) for axis in spec.axes]

    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        poses = _poses(spec, scene, roles)
        value: Array = poses[0][:3] if len(poses) == 1 else poses[0][:3] - poses[1][:3]
        picked: Array = value[axes]
        return picked

    return compute


def _yaws(spec: YawFeature | RelativeYawFeature) -> Compute:
    def compute(joints: JointState, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
        poses = _poses(spec, scene, roles)
        value = heading(poses[0])
        if len(poses) == 2:
            value *= heading(poses[1]).conjugate()
        turned = value
        for _ in range(spec.symmetry - 1):
            turned *= value
        return np.array([turned.imag, turned.real])

    return compute


def _poses(spec: StateFeature, scene: SceneState | None, roles: Mapping[str, str]) -> Array:
    """Poses (n, 7) of the frames a feature looks at, roles resolved."""
    if scene is None:
        raise ContractError(f"feature {feature_names(spec)[0]!r} needs a scene state and none was given")
    wanted = tuple(_resolve(name, roles) for name in looked_at(spec))
    poses: Array = scene.poses[list(rows("scene object", scene.names, wanted))]
    return poses


def _resolve(name: str, roles: Mapping[str, str]) -> str:
    if not name.startswith(ROLE):
        return name
    role = name.removeprefix(ROLE)
    if role not in roles:
        raise ContractError(
            f"the contract uses {name!r} and the task names only roles {', '.join(sorted(roles)) or 'none'}; "
            f"add {role!r} to the task's roles, or let the contract observe "
            f"{{feature: present, of: {name}}} where tasks may lack it"
        )
    return roles[role]
