"""The executor in real time, beside an arm whose driver lags, dies, sends in parts or says nonsense."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import JointState as JointStateMsg
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.action import ExecutePolicy
from amf_msgs.msg import RobotStatus
from amf_msgs.msg import SceneState as SceneStateMsg
from amf_ros.contract.codecs import JOINT_STATE, SCENE_STATE
from amf_ros.core.values import JointState, SceneState
from amf_ros.nodes.policy_executor import PolicyExecutorNode
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import time_msg, to_msg
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.run_directory import RunDirectory

Code = ExecutePolicy.Result
PERIOD_S = 0.02


class Driver:
    """An arm that stands still, on the bench's own node, at 50 Hz while it is told to publish."""

    def __init__(self, on: Bench) -> None:
        robot = PyBulletArm(TabletopScene())
        robot.reset("push_green", 3)
        self._joints, self._scene = robot.state()
        robot.close()
        node = on.client
        self.publish_joints = node.create_publisher(JointStateMsg, "joint_states", qos.STREAM).publish
        self._publish_scene = node.create_publisher(SceneStateMsg, "scene_state", qos.STREAM).publish
        self._publish_status = node.create_publisher(RobotStatus, names.ROBOT_STATUS, qos.LATCHED).publish
        self.joints: Callable[[JointState], None] | None = self.whole
        self.scene = True
        self.scene_skew_ns = 0
        node.create_timer(PERIOD_S, self._tick)

    def whole(self, joints: JointState) -> None:
        self.publish_joints(to_msg(JOINT_STATE, joints))

    def in_parts(self, joints: JointState) -> None:
        """Arm and gripper in messages of their own, in another order."""
        for rows in (np.arange(6, -1, -1), np.array([7])):
            part = tuple(joints.names[row] for row in rows)
            unknown = np.full(len(rows), np.nan)
            self.publish_joints(
                to_msg(JOINT_STATE, JointState(joints.stamp_ns, part, joints.position[rows], unknown))
            )

    def reset(self, episode: int) -> None:
        self._publish_status(RobotStatus(stamp=time_msg(time.time_ns()), episode=episode))

    def _tick(self) -> None:
        now = time.time_ns()
        if self.scene:
            scene = SceneState(now + self.scene_skew_ns, self._scene.names, self._scene.poses)
            self._publish_scene(to_msg(SCENE_STATE, scene))
        if self.joints is not None:
            self.joints(JointState(now, self._joints.names, self._joints.position, self._joints.velocity))


@pytest.fixture
def on(tmp_path: Path, pretrained: Path) -> Iterator[Bench]:
    fields = {"session_directory": str(tmp_path), "real_time_factor": 1.0, "state_timeout_s": 1.0}
    with bench(**fields) as made:
        shutil.copytree(pretrained, RunDirectory(tmp_path).checkpoints / "pretrained")
        made.add(PolicyExecutorNode)
        yield made


@pytest.fixture
def driver(on: Bench) -> Driver:
    return Driver(on)


@pytest.fixture
def commands(on: Bench) -> list[Any]:
    return on.listen(JointTrajectory, "command")


def send(on: Bench) -> Any:
    goal = ExecutePolicy.Goal(task_id="push_green")
    goal.max_duration.sec = 2
    return on.send(ExecutePolicy, names.EXECUTE_POLICY, goal)


def spin(on: Bench, seconds: float) -> None:
    end = time.monotonic() + seconds
    on.until(lambda: time.monotonic() >= end, "time")


def test_a_goal_acts_on_fresh_states(on: Bench, driver: Driver, commands: list[Any]) -> None:
    result = send(on).result()
    assert result.error_code == Code.NONE and result.num_steps > 5 and len(commands) > 5


def test_a_goal_never_acts_on_a_state_that_was_held_since_the_driver_died(
    on: Bench, driver: Driver, commands: list[Any]
) -> None:
    sent = send(on)
    on.until(lambda: len(commands) > 3, "commands")
    driver.joints, driver.scene = None, False
    assert sent.result().error_code == Code.STALE_OBSERVATION
    before = len(commands)
    result = send(on).result()
    assert result.error_code == Code.STALE_OBSERVATION and result.num_steps == 0
    assert "joint_states arrived" in result.error_msg and "ms ago, allowed 100 ms" in result.error_msg
    assert len(commands) == before


def test_a_scene_that_died_is_named_with_its_age(on: Bench, driver: Driver, commands: list[Any]) -> None:
    spin(on, 0.5)
    driver.scene = False
    spin(on, 0.5)
    result = send(on).result()
    assert result.error_code == Code.STALE_OBSERVATION and not commands
    assert "scene_state is" in result.error_msg and "ms old" in result.error_msg


def test_a_driver_that_pauses_for_a_moment_ends_nothing(
    on: Bench, driver: Driver, commands: list[Any]
) -> None:
    sent = send(on)
    on.until(lambda: len(commands) > 3, "commands")
    driver.joints = None
    spin(on, 0.3)
    driver.joints = driver.whole
    assert sent.result().error_code == Code.NONE


def test_a_stream_on_another_clock_is_named(on: Bench, driver: Driver, commands: list[Any]) -> None:
    driver.scene_skew_ns = 60_000_000 - 2_000_000_000
    result = send(on).result()
    assert result.error_code == Code.STALE_OBSERVATION and "scene_state" in result.error_msg
    assert not commands


def test_joints_in_parts_and_in_any_order_are_one_state(
    on: Bench, driver: Driver, commands: list[Any]
) -> None:
    driver.joints = driver.in_parts
    result = send(on).result()
    assert result.error_code == Code.NONE and result.num_steps > 5


def test_nonsense_between_the_states_is_passed_over(on: Bench, driver: Driver, commands: list[Any]) -> None:
    def noisy(joints: JointState) -> None:
        driver.whole(joints)
        driver.publish_joints(JointStateMsg(header=to_msg(JOINT_STATE, joints).header))
        later, far = joints.stamp_ns + 1_000_000, 2**31 * 10**9 - 1
        short = replace(joints, stamp_ns=later, position=joints.position[:3])
        for strange in (short, replace(joints, stamp_ns=far)):
            driver.publish_joints(to_msg(JOINT_STATE, strange))

    driver.joints = noisy
    result = send(on).result()
    assert result.error_code == Code.NONE and result.num_steps > 5


def test_a_reset_that_the_robot_tells_of_ends_the_episode(
    on: Bench, driver: Driver, commands: list[Any]
) -> None:
    driver.reset(1)
    sent = send(on)
    on.until(lambda: len(commands) > 3, "commands")
    driver.reset(2)
    result = sent.result()
    assert result.error_code == Code.ROBOT_FAULT and "reset" in result.error_msg


@pytest.mark.parametrize("answer", [ValueError("the network is another"), np.full((1, 99, 8), np.nan)])
def test_a_policy_that_fails_moves_nothing(
    on: Bench, driver: Driver, commands: list[Any], answer: Any
) -> None:
    node = on.nodes[0]

    def infer(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise type(answer)(*answer.args)  # one that pytest keeps would keep this node
        return answer

    node._checkpoints.newest().policy.infer = infer
    result = send(on).result()
    assert result.error_code == Code.POLICY_FAILED and result.num_steps == 0 and "policy" in result.error_msg
    spin(on, 0.2)
    assert not commands
