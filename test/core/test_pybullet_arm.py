"""The simulated Panda: deterministic bit for bit, within limits, honest about bad commands."""

import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.simulated import move

from amf_ros.arm.gate import SafetyGate
from amf_ros.core.errors import ConfigError, RobotFault, UnknownName
from amf_ros.core.values import JointCommand
from amf_ros.sim.panda_world import VELOCITY_TOLERANCE
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.scene import NAMES, TabletopScene
from amf_ros.tasks.tabletop import TabletopSuite

SUITE = TabletopSuite()
STAGING = TabletopStaging(SUITE)
HERE = Path(__file__).parent


@pytest.fixture
def make_robot():
    robots = []

    def make(**settings):
        robots.append(PyBulletArm(TabletopScene(), **settings))
        return robots[-1]

    yield make
    for robot in robots:
        robot.close()


def digest_of_episode(robot, task_id="insert_peg", seed=4):
    """Hash of all states of an episode with grasp and contact."""
    digest = hashlib.sha256()
    robot.reset(task_id, seed)
    expert = STAGING.expert(task_id, seed)
    while True:
        joints, scene = robot.state()
        for array in (joints.position, joints.velocity, scene.poses):
            digest.update(array.tobytes())
        command = expert.command(joints, scene)
        if command is None:
            return digest.hexdigest()
        move(robot, command)


def test_equal_seeds_and_commands_give_equal_bytes_in_robots_and_processes(make_robot):
    first, second = make_robot(), make_robot()
    expected = digest_of_episode(first)
    second.reset("open_drawer", 9)  # what was before must not matter
    second.step()
    second.render(32, 32)  # nor looking
    assert digest_of_episode(second) == expected
    assert digest_of_episode(first) == expected
    assert digest_of_episode(first, seed=5) != expected
    code = (
        f"import sys; sys.path[:0] = {[str(HERE), *sys.path]!r}\n"
        "from test_pybullet_arm import *\n"
        "print(digest_of_episode(PyBulletArm(TabletopScene())))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert other.stdout.split()[-1] == expected


def test_state_names_joints_and_scene_with_one_stamp(make_robot):
    robot = make_robot()
    robot.reset("press_button", 0)
    joints, scene = robot.state()
    assert joints.names == (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")
    assert scene.names == ("tool0", *NAMES)
    assert scene.poses.shape == (len(scene.names), 7)
    np.testing.assert_allclose(np.linalg.norm(scene.poses[:, 3:], axis=1), 1.0, atol=1e-9)
    assert joints.stamp_ns == scene.stamp_ns


def test_stamps_advance_by_one_period_and_never_go_back(make_robot):
    robot = make_robot()
    stamps = []
    for seed in range(2):
        robot.reset("press_button", seed)
        stamps.append(robot.state()[0].stamp_ns)
        for _ in range(3):
            robot.step()
            stamps.append(robot.state()[0].stamp_ns)
    assert set(np.diff(stamps)) == {50_000_000}


def test_without_a_command_the_arm_holds_still(make_robot):
    robot = make_robot()
    robot.reset("press_button", 1)
    before = robot.state()[0].position
    for _ in range(40):
        robot.step()
    np.testing.assert_allclose(robot.state()[0].position, before, atol=1e-3)


def test_targets_beyond_the_limits_are_clamped_and_velocity_stays_within_limits(make_robot):
    robot = make_robot()
    robot.reset("press_button", 1)
    limit = robot.limits["panda_joint1"]
    for _ in range(60):
        move(robot, JointCommand(0, ("panda_joint1",), np.array([9.0])))
        assert abs(robot.state()[0].velocity[0]) < limit.velocity * 1.05
    assert robot.state()[0].position[0] == pytest.approx(limit.upper, abs=0.01)


def test_gripper_holds_what_it_grasps_and_both_fingers_move_alike(make_robot):
    robot = make_robot()
    robot.reset("stack_red_on_blue", 3)
    expert = STAGING.expert("stack_red_on_blue", 3)
    while robot.state()[1].pose("cube_red")[2] < 0.06:
        move(robot, expert.command(*robot.state()))
    _, scene = robot.state()
    held = scene.pose("cube_red")[:3] - scene.pose("tool0")[:3]
    for _ in range(60):
        robot.step()
    _, scene = robot.state()
    assert np.linalg.norm(scene.pose("cube_red")[:3] - scene.pose("tool0")[:3] - held) < 0.002


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            JointCommand(0, ("panda_joint9",), np.array([0.0])),
            "no joint panda_joint9; the arm has panda_joint1",
        ),
        (JointCommand(0, ("panda_joint1",), np.array([np.nan])), "panda_joint1: .*nan.*finite"),
        (JointCommand(0, ("panda_joint1",), np.array([0.0, 1.0])), "finite target each"),
    ],
)
def test_bad_commands_are_refused_and_nothing_moves(make_robot, command, message):
    robot = make_robot()
    robot.reset("press_button", 0)
    before = robot.state()
    with pytest.raises(RobotFault, match=message):
        move(robot, command)
    assert robot.state()[0].stamp_ns == before[0].stamp_ns
    assert robot.state()[1].poses.tobytes() == before[1].poses.tobytes()


class Unplaceable:
    """A scene whose things are half in place when it raises."""

    def __init__(self):
        self.inner, self.broken = TabletopScene(), False

    def load(self, client):
        self.inner.load(client)

    def place(self, client, task_id, rng):
        self.inner.place(client, task_id, rng)
        if task_id == "close_door":
            raise ValueError("half way")

    def poses(self, client):
        return self.inner.poses(client)


@pytest.mark.parametrize(
    "task_id", ["", "press_buton", "x" * 1_000_000, "reach 60°", "press_button\0", "close_door"]
)
def test_a_reset_that_fails_leaves_the_world_as_it_was(task_id):
    robots = [PyBulletArm(Unplaceable()) for _ in range(2)]
    wrong, other = robots
    for robot in robots:
        robot.reset("stack_red_on_blue", 3)
        expert = STAGING.expert("stack_red_on_blue", 3)
        for _ in range(20):
            move(robot, expert.command(*robot.state()))
    with pytest.raises((UnknownName, ValueError)):
        wrong.reset(task_id, 0)
    for _ in range(3):
        for one, two in zip(wrong.state(), other.state(), strict=True):
            assert one.stamp_ns == two.stamp_ns
        assert wrong.state()[0].position.tobytes() == other.state()[0].position.tobytes()
        assert wrong.state()[1].poses.tobytes() == other.state()[1].poses.tobytes()
        for robot in robots:
            robot.step()
    for robot in robots:
        robot.reset("press_button", 1)  # and the next reset is that of any robot
    assert wrong.state()[1].poses.tobytes() == other.state()[1].poses.tobytes()
    for robot in robots:
        robot.close()


@pytest.fixture(scope="module")
def wild_robot():
    robot = PyBulletArm(TabletopScene())
    yield robot
    robot.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    hold=st.integers(1, 20),
    bang=st.booleans(),
    scale=st.sampled_from([1.0, 1.0, 0.3]),
)
def test_no_sequence_of_commands_moves_a_joint_faster_than_its_limit(wild_robot, seed, hold, bang, scale):
    """What moves, not only what is commanded: into the table, into itself, back and forth."""
    robot, rng = wild_robot, np.random.default_rng(seed)
    lower, upper, fastest = np.array([(x.lower, x.upper, x.velocity) for x in robot.limits.values()]).T
    fastest = fastest * scale
    robot.slow_to(scale)
    robot.reset("press_button", seed)
    gate = SafetyGate(robot.limits, 1 / robot.control_hz, velocity_scale=scale)
    last = robot.state()[0].position
    for k in range(60):
        if k % hold == 0:
            target = np.where(rng.random(8) < 0.5, lower, upper) if bang else rng.uniform(lower, upper)
        move(robot, gate.filter(JointCommand(0, robot.joint_names, target), robot.state()[0]))
        joints = robot.state()[0]
        assert (np.abs(joints.velocity) <= fastest * (1 + VELOCITY_TOLERANCE)).all()
        moved = np.abs(joints.position - last) * robot.control_hz
        assert (moved <= fastest * (1 + VELOCITY_TOLERANCE)).all()
        last = joints.position


def test_unknown_task_bad_rate_and_closed_robot(make_robot):
    robot = make_robot()
    with pytest.raises(UnknownName, match="did you mean 'press_button'"):
        robot.reset("press_buton", 0)
    with pytest.raises(ConfigError, match="control_hz: 50 must divide 240"):
        make_robot(control_hz=50)
    robot.close()
    robot.close()
    with pytest.raises(RobotFault, match="closed"):
        robot.state()


def test_pictures_show_the_moving_arm(make_robot):
    robot = make_robot()
    robot.reset("press_button", 0)
    before = robot.render(96, 64)
    assert before.shape == (64, 96, 3) and before.dtype == np.uint8
    assert before.std() > 10
    for _ in range(20):
        move(robot, JointCommand(0, ("panda_joint1",), np.array([0.8])))
    changed = np.abs(robot.render(96, 64).astype(int) - before).max(axis=-1) > 20
    assert 0.005 < changed.mean() < 0.5


@pytest.mark.parametrize("task_id", ["store_red_in_drawer", "open_door"])
def test_wild_commands_never_break_the_world(make_robot, task_id):
    robot = make_robot()
    rng = np.random.default_rng(0)
    lower, upper = np.array([(limit.lower, limit.upper) for limit in robot.limits.values()]).T
    robot.reset(task_id, 0)
    for _ in range(150):
        move(robot, JointCommand(0, robot.joint_names, rng.uniform(lower, upper)))
        joints, scene = robot.state()
        assert np.isfinite(scene.poses).all() and np.isfinite(joints.velocity).all()
        assert (joints.position > lower - 0.05).all() and (joints.position < upper + 0.05).all()
    assert np.abs(scene.poses[:, :3]).max() < 5


def test_resets_do_not_leak_memory(make_robot):
    robot = make_robot()
    for seed in range(20):
        robot.reset("tower_of_three", seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # [kB]
    for seed in range(60):
        robot.reset("tower_of_three", seed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 6_000
