"""Closed-form inverse kinematics against PyBullet's forward kinematics of the URDF."""

from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
import pytest

from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.kinematics import ARM_JOINTS, LOWER, MAX_VELOCITY, UPPER, inverse
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.tabletop import geometry as geo


@pytest.fixture(scope="module")
def forward():
    client = pybullet.connect(pybullet.DIRECT)
    urdf = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"
    arm = pybullet.loadURDF(str(urdf), useFixedBase=True, physicsClientId=client)

    def pose(q):
        for joint, value in enumerate(q):
            pybullet.resetJointState(arm, joint, value, physicsClientId=client)
        link = pybullet.getLinkState(arm, 11, computeForwardKinematics=True, physicsClientId=client)
        return np.array([*link[4], *link[5]])

    yield pose
    pybullet.disconnect(client)


def test_inverse_is_exact_over_the_workspace_and_within_limits(forward):
    rng = np.random.default_rng(0)
    for _ in range(300):
        angle, radius = rng.uniform(-0.9, 0.9), rng.uniform(0.3, 0.74)
        goal = np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0.01, 0.3)])
        yaw = rng.uniform(-1.2, 1.2)
        q = inverse(goal, yaw)
        pose = forward(q)
        assert np.abs(pose[:3] - goal).max() < 1e-6
        assert abs(geo.wrap(geo.yaw_of(pose) - yaw)) < 1e-5
        assert geo.tilt_of(pose) == pytest.approx(np.pi, abs=1e-3)
        assert (q >= LOWER).all() and (q <= UPPER).all()


def test_inverse_is_continuous():
    path = [np.array([0.4 + 0.2 * s, -0.2 + 0.4 * s, 0.3 - 0.28 * s]) for s in np.linspace(0, 1, 200)]
    joints = np.array([inverse(p, 0.5) for p in path])
    assert np.abs(np.diff(joints, axis=0)).max() < 0.02


def test_out_of_reach_stretches_towards_the_goal_and_stays_finite(forward):
    pose = forward(inverse(np.array([1.5, 0.0, 0.2]), 0.0))
    assert np.isfinite(pose).all() and pose[0] > 0.7 and abs(pose[1]) < 1e-6


def test_limits_are_those_of_the_urdf():
    robot = PyBulletArm(TabletopScene())
    limits = [robot.limits[name] for name in ARM_JOINTS]
    robot.close()
    np.testing.assert_allclose([limit.lower for limit in limits], LOWER)
    np.testing.assert_allclose([limit.upper for limit in limits], UPPER)
    np.testing.assert_allclose([limit.velocity for limit in limits], MAX_VELOCITY)


@pytest.mark.parametrize(
    "angle, period, expected", [(3.5, 2 * np.pi, 3.5 - 2 * np.pi), (0.9, np.pi / 2, 0.9 - np.pi / 2)]
)
def test_wrap(angle, period, expected):
    assert geo.wrap(angle, period) == pytest.approx(expected)


def test_yaw_of_the_tool_and_of_an_upright_object():
    for yaw in (-2.0, 0.0, 0.7):
        assert geo.yaw_of(np.array([0, 0, 0, *geo.tool_down(yaw)])) == pytest.approx(yaw)
        assert geo.yaw_of(np.array([0, 0, 0, *geo.from_yaw(yaw)])) == pytest.approx(yaw)
