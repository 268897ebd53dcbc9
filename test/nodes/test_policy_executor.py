"""The policy executor: what it drives, when it lets go, and which code says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.action import ExecutePolicy
from amf_msgs.msg import SceneState
from amf_msgs.srv import LoadCheckpoint, ResetScene
from amf_ros.contract import load_contract
from amf_ros.learning.checkpoints import load, save
from amf_ros.nodes.policy_executor import PolicyExecutorNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.rollout.episodes import run_policy
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.ros import names, qos
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

Code = ExecutePolicy.Result


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def executor(run: RunDirectory) -> Iterator[Bench]:
    """An executor without a policy, and a robot."""
    fields = {"session_directory": str(run.root), "real_time_factor": 0.0, "state_timeout_s": 0.6}
    with bench(**fields) as made:
        made.add(PolicyExecutorNode)
        made.add(RobotNode)
        yield made


@pytest.fixture
def loaded(executor: Bench, run: RunDirectory, pretrained: Path) -> Bench:
    """With one checkpoint in the session directory, which goals that name none run."""
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    return executor


def load_policy(on: Bench, uri: str) -> LoadCheckpoint.Response:
    return on.call(LoadCheckpoint, names.LOAD_CHECKPOINT, LoadCheckpoint.Request(uri=uri))


def send(on: Bench, task_id: str = "push_green", id_: str = "one", seed: int | None = 3, uri: str = ""):
    goal = ExecutePolicy.Goal(task_id=task_id, rollout_id=id_, checkpoint_uri=uri)
    if seed is not None:
        request = ResetScene.Request(task_id="push_green", seed=seed)
        goal.start_stamp = on.call(ResetScene, names.RESET_SCENE, request).stamp
    return on.send(ExecutePolicy, names.EXECUTE_POLICY, goal)


def commands(on: Bench) -> list[Any]:
    return on.listen(JointTrajectory, "command")


def test_an_episode_equals_one_in_process_bit_for_bit(
    loaded: Bench, run: RunDirectory, pretrained: Path
) -> None:
    result = send(loaded).result()
    assert result.error_code == Code.NONE
    suite, contract = TabletopSuite(), load_contract("panda_tabletop")
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        environment = RobotEnvironment(robot, suite, contract)
        alone = run_policy(environment, load(pretrained).policy, "push_green", 3, "alone")
    (kept,) = RolloutStore(run.rollouts).all()
    np.testing.assert_array_equal(kept.observations.flat(), alone.observations.flat())
    assert kept.outcome == alone.outcome == result.outcome and kept.uri == result.rollout_uri
    assert kept.checkpoint_id == "pretrained" and result.num_steps == alone.num_steps
    assert result.elapsed.sec + result.elapsed.nanosec * 1e-9 == pytest.approx(alone.num_steps / 20)


def test_it_starts_with_the_newest_checkpoint_of_its_directory(run: RunDirectory, pretrained: Path) -> None:
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    with bench(session_directory=str(run.root), real_time_factor=0.0) as made:
        made.add(PolicyExecutorNode)
        made.add(RobotNode)
        sent = send(made)
        sent.cancel()
        assert sent.result().error_code == Code.CANCELLED


def test_without_a_checkpoint(executor: Bench) -> None:
    result = send(executor).result()
    assert result.error_code == Code.NO_CHECKPOINT and "amf pretrain" in result.error_msg


def test_a_checkpoint_that_is_none(executor: Bench, tmp_path: Path) -> None:
    response = load_policy(executor, (tmp_path / "nothing").as_uri())
    assert response.error_code == LoadCheckpoint.Response.CHECKPOINT_INVALID
    assert "nothing" in response.error_msg


@pytest.mark.parametrize("uri", ["http://[::1", "file://[x", "file:///x%00y", "x" * 1_000_000])
def test_a_uri_that_is_none(executor: Bench, uri: str) -> None:
    response = load_policy(executor, uri)
    assert response.error_code == LoadCheckpoint.Response.CHECKPOINT_INVALID
    assert len(response.error_msg) < 400 and response.error_msg.isprintable()


def test_no_uri_is_the_newest_and_roll_outs_name_the_weights_that_ran(
    loaded: Bench, run: RunDirectory, pretrained: Path
) -> None:
    first = load(pretrained)
    info = save(run.checkpoints, "round_0001", first.policy, round=1, num_demonstrations=1)
    response = load_policy(loaded, "")
    assert (response.error_code, response.checkpoint.uri) == (LoadCheckpoint.Response.NONE, info.uri)
    result = send(loaded).result()
    assert (result.error_code, result.checkpoint.uri) == (Code.NONE, info.uri)
    (kept,) = RolloutStore(run.rollouts).all()
    assert kept.checkpoint_id == "round_0001" and kept.fingerprint == load(info.uri).fingerprint


def test_a_goal_runs_the_checkpoint_that_it_names_whatever_was_loaded_or_is_newer(
    loaded: Bench, run: RunDirectory, pretrained: Path
) -> None:
    newer = save(run.checkpoints, "round_0001", load(pretrained).policy, round=1, num_demonstrations=1)
    assert load_policy(loaded, newer.uri).checkpoint.id == "round_0001"
    result = send(loaded, uri=pretrained.as_uri()).result()
    assert (result.error_code, result.checkpoint.id) == (Code.NONE, "pretrained")
    (kept,) = RolloutStore(run.rollouts).all()
    assert kept.checkpoint_id == "pretrained" and kept.fingerprint == load(pretrained).fingerprint


@pytest.mark.parametrize("uri", ["file:///x%00y", "x" * 100_000, "file:///no/such/checkpoint"])
def test_a_goal_that_names_no_checkpoint_of_ours_moves_nothing(loaded: Bench, uri: str) -> None:
    sent_commands = commands(loaded)
    result = send(loaded, uri=uri).result()
    assert result.error_code == Code.CHECKPOINT_INVALID and len(result.error_msg) < 400
    assert result.num_steps == 0 and sent_commands == []


def test_a_checkpoint_for_other_features(executor: Bench, pretrained: Path, tmp_path: Path) -> None:
    other = shutil.copytree(pretrained, tmp_path / "other")
    description = (other / "checkpoint.yaml").read_text().replace("panda_joint3", "panda_joint9")
    (other / "checkpoint.yaml").write_text(description)
    response = load_policy(executor, other.as_uri())
    assert response.error_code == LoadCheckpoint.Response.CHECKPOINT_INVALID
    assert "panda_joint9" in response.error_msg


def test_unknown_task(loaded: Bench) -> None:
    result = send(loaded, "push_gren").result()
    assert result.error_code == Code.UNKNOWN_TASK and "push_green" in result.error_msg


def test_an_id_that_cannot_be_kept_is_refused_before_anything_moves(loaded: Bench) -> None:
    sent_commands = commands(loaded)
    result = send(loaded, id_="x" * 1_000_000, seed=None).result()
    assert result.error_code == Code.BAD_REQUEST and len(result.error_msg) < 400
    assert result.num_steps == 0 and sent_commands == []


def test_an_arm_with_other_joints_is_no_unknown_task(run: RunDirectory, pretrained: Path) -> None:
    with bench(session_directory=str(run.root), real_time_factor=0.0, state_timeout_s=30.0) as made:
        made.add(PolicyExecutorNode)
        shutil.copytree(pretrained, run.checkpoints / "pretrained")
        joints = made.client.create_publisher(JointState, "joint_states", qos.STREAM)
        scene = made.client.create_publisher(SceneState, "scene_state", qos.STREAM)
        made.until(lambda: bool(joints.get_subscription_count() and scene.get_subscription_count()))
        sent = send(made, seed=None)
        header = Header(stamp=Time(sec=1))
        joints.publish(JointState(header=header, name=["elbow"], position=[0.1], velocity=[0.0]))
        scene.publish(SceneState(header=header))
        result = sent.result()
    assert result.error_code == Code.STALE_OBSERVATION


def test_one_episode_at_a_time_but_the_same_one_may_start_over(loaded: Bench, pretrained: Path) -> None:
    first = send(loaded)
    assert send(loaded, id_="two", seed=None).result().error_code == Code.BUSY
    assert load_policy(loaded, pretrained.as_uri()).error_code == LoadCheckpoint.Response.BUSY
    again = send(loaded)
    assert first.result().error_code in (Code.CANCELLED, Code.ROBOT_FAULT)  # whichever it saw first
    assert again.result().error_code == Code.NONE


def test_cancel_leaves_the_arm_alone(loaded: Bench, run: RunDirectory) -> None:
    sent_commands = commands(loaded)
    sent = send(loaded)
    loaded.until(lambda: len(sent_commands) > 5, "commands")
    sent.cancel()
    assert sent.result().error_code == Code.CANCELLED
    assert RolloutStore(run.rollouts).all() == []


def test_a_stopped_robot_ends_the_episode(loaded: Bench) -> None:
    sent_commands = commands(loaded)
    sent = send(loaded)
    loaded.until(lambda: len(sent_commands) > 5, "commands")
    loaded.call(Trigger, names.STOP, Trigger.Request())
    result = sent.result()
    assert result.error_code == Code.ROBOT_FAULT and "stop service" in result.error_msg


def test_a_reset_during_the_episode_ends_it(loaded: Bench) -> None:
    sent_commands = commands(loaded)
    sent = send(loaded)
    loaded.until(lambda: len(sent_commands) > 5, "commands")
    loaded.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="push_green", seed=1))
    result = sent.result()
    assert result.error_code == Code.ROBOT_FAULT and "reset" in result.error_msg


def test_states_that_do_not_come_are_stale(run: RunDirectory, pretrained: Path) -> None:
    fields = {"session_directory": str(run.root), "real_time_factor": 0.0, "state_timeout_s": 0.3}
    with bench(**fields) as made:
        made.add(PolicyExecutorNode)
        shutil.copytree(pretrained, run.checkpoints / "pretrained")
        result = send(made, seed=None).result()
    assert result.error_code == Code.STALE_OBSERVATION


def test_roll_outs_that_cannot_be_written(loaded: Bench, run: RunDirectory) -> None:
    run.rollouts.rmdir()
    run.rollouts.write_text("a file where a folder was")
    result = send(loaded).result()
    assert result.error_code == Code.WRITE_FAILED and result.num_steps > 0


def test_in_real_time_it_acts_at_the_rate_of_the_contract(run: RunDirectory, pretrained: Path) -> None:
    fields = {"session_directory": str(run.root), "real_time_factor": 4.0, "use_sim_time": True}
    with bench(**fields) as made:
        made.add(PolicyExecutorNode)
        made.add(RobotNode)
        shutil.copytree(pretrained, run.checkpoints / "pretrained")
        goal = ExecutePolicy.Goal(task_id="push_green", rollout_id="one")
        request = ResetScene.Request(task_id="push_green", seed=3)
        goal.start_stamp = made.call(ResetScene, names.RESET_SCENE, request).stamp
        goal.max_duration.sec = 4
        result = made.act(ExecutePolicy, names.EXECUTE_POLICY, goal)
    assert result.error_code == Code.NONE
    assert 60 <= result.num_steps <= 81  # 4 s at 20 Hz; a busy machine may miss some


def test_a_negative_time_limit_is_refused(tmp_path: Path) -> None:
    with bench(session_directory=str(tmp_path)) as made:
        made.add(PolicyExecutorNode)
        goal = ExecutePolicy.Goal(task_id="press_button", max_duration=Duration(sec=-1))
        result = made.act(ExecutePolicy, names.EXECUTE_POLICY, goal)
        assert result.error_code == result.BAD_REQUEST and "max_duration is -1 s" in result.error_msg
