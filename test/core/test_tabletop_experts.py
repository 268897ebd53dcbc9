"""Every expert does its task on real starts, within the arm's limits. 100 starts: benchmarks/experts.py."""

from dataclasses import dataclass

import numpy as np
import pytest
from support.simulated import move

from amf_ros.core.values import Array, Outcome
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.kinematics import ARM_JOINTS
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.tabletop import TabletopSuite

SUITE = TabletopSuite()
STAGING = TabletopStaging(SUITE)
IDS = [task.id for task in SUITE.tasks]
SEEDS = (11, 12)


@dataclass
class Episode:
    done_at_start: bool
    outcome: Outcome
    ended: bool
    commands: Array  # (T, 8)
    measured: Array  # (T, 8)


@pytest.fixture(scope="module")
def robot():
    robot = PyBulletArm(TabletopScene())
    yield robot
    robot.close()


def play(robot, task_id, seed, disturb=None):
    robot.reset(task_id, seed)
    joints, scene = robot.state()
    done_at_start = SUITE.succeeded(task_id, scene)
    judge, expert = Judge(SUITE, task_id), STAGING.expert(task_id, seed)
    commands, measured, ended = [], [], False
    for step in range(round(SUITE.task(task_id).time_limit_s * robot.control_hz)):
        command = expert.command(joints, scene)
        if command is None:
            ended = True
            break
        assert command.stamp_ns == scene.stamp_ns
        assert command.names == robot.joint_names
        commands.append(command.position)
        measured.append(joints.position)
        move(robot, command if disturb is None else disturb(step, command))
        joints, scene = robot.state()
        judge.update(scene)
    return Episode(done_at_start, judge.outcome, ended, np.array(commands), np.array(measured))


@pytest.mark.parametrize("task_id", IDS)
def test_expert_does_the_task_and_stays_within_limits(robot, task_id):
    limits = [robot.limits[name] for name in robot.joint_names]
    fastest = np.array([limits[i].velocity for i in range(len(ARM_JOINTS))]) * 0.8 / robot.control_hz
    for seed in SEEDS:
        episode = play(robot, task_id, seed)
        assert not episode.done_at_start
        assert episode.outcome is Outcome.SUCCESS
        assert episode.ended
        assert len(episode.commands) < 0.8 * SUITE.task(task_id).time_limit_s * robot.control_hz
        assert (episode.commands >= [limit.lower for limit in limits]).all()
        assert (episode.commands <= [limit.upper for limit in limits]).all()
        assert (np.abs(episode.commands - episode.measured)[:, :7] <= fastest + 1e-9).all()


def test_experts_repeat_themselves_and_differ_by_seed(robot):
    first, again, other = (play(robot, "press_button", seed) for seed in (3, 3, 4))
    assert first.commands.tobytes() == again.commands.tobytes()
    assert first.commands.tobytes() != other.commands.tobytes()


def test_expert_recovers_from_a_blocked_arm(robot):
    def blocked_for_a_while(step, command):
        return None if 12 <= step < 30 else command

    assert play(robot, "stack_red_on_blue", 5, blocked_for_a_while).outcome is Outcome.SUCCESS


def test_a_command_depends_on_the_state_alone_but_for_the_noise(robot):
    """No hidden phases: an expert that takes over in the middle finishes the task."""
    robot.reset("store_red_in_drawer", 2)
    judge, expert = Judge(SUITE, "store_red_in_drawer"), STAGING.expert("store_red_in_drawer", 0)
    for step in range(200):
        if step and step % 10 == 0:
            expert = STAGING.expert("store_red_in_drawer", step)
        command = expert.command(*robot.state())
        if command is None:
            break
        move(robot, command)
        judge.update(robot.state()[1])
    assert judge.outcome is Outcome.SUCCESS
