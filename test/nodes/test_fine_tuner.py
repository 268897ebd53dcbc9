"""The fine-tuner: checkpoints, progress, cancel, and a code for everything that can go wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from support.nodes import Bench, bench

from amf_msgs.action import FineTune, RecordDemonstration
from amf_msgs.srv import ResetScene
from amf_ros.contract import load_contract
from amf_ros.core.errors import ConfigError
from amf_ros.learning.checkpoint_description import parse_description
from amf_ros.learning.checkpoint_folder import newest
from amf_ros.learning.checkpoints import load
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.fine_tuner import FineTunerNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

Code = FineTune.Result


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One demonstration, recorded over topics."""
    run = RunDirectory(tmp_path_factory.mktemp("recorded"))
    with bench(session_directory=str(run.root), real_time_factor=0.0) as made:
        for make in (RobotNode, TeleopNode, DemoRecorderNode):
            made.add(make)
        request = ResetScene.Request(task_id="push_green", seed=2)
        goal = RecordDemonstration.Goal(task_id="push_green", demonstration_id="d0", seed=2, source=1)
        goal.start_stamp = made.call(ResetScene, names.RESET_SCENE, request).stamp
        result = made.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
        assert result.error_code == 0, result.error_msg
    return run.demonstrations / "d0.mcap"


@pytest.fixture
def run(tmp_path: Path, pretrained: Path, recorded: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    shutil.copy(recorded, run.demonstrations)
    return run


@pytest.fixture
def tuner(run: RunDirectory) -> Iterator[Bench]:
    with bench(session_directory=str(run.root)) as made:
        made.add(FineTunerNode)
        yield made


def send(on: Bench, feedback: Any = None, **fields: Any):
    goal = FineTune.Goal(**({"num_steps": 60, "round": 1, "seed": 7} | fields))
    return on.send(FineTune, names.FINE_TUNE, goal, feedback)


def test_it_makes_the_next_checkpoint_and_tells_how_it_goes(tuner: Bench, run: RunDirectory) -> None:
    heard: list[Any] = []
    sent = send(tuner, heard.append, num_steps=120)
    result = sent.result()
    assert result.error_code == Code.NONE and sent.status == GoalStatus.STATUS_SUCCEEDED
    assert result.checkpoint.id == "round_0001" and result.checkpoint.num_demonstrations == 1
    assert np.isfinite(result.final_loss) and newest(run.checkpoints).uri == result.checkpoint.uri
    assert [one.step for one in heard] == [50, 100, 120] and heard[0].num_steps == 120
    assert heard[0].loss > heard[-1].loss


def test_the_same_goal_makes_the_same_checkpoint(tuner: Bench, run: RunDirectory) -> None:
    def tensors() -> dict[str, Any]:
        return dict(load(run.checkpoints / "round_0001").policy.tensors())

    send(tuner).result()
    first, start = tensors(), (run.checkpoints / "pretrained").as_uri()
    assert send(tuner, initial_checkpoint_uri=start).result().error_code == Code.NONE
    assert send(tuner, initial_checkpoint_uri=start, replace=True).result().training_time.nanosec > 0
    assert all(np.array_equal(first[name], value) for name, value in tensors().items())


def stopped(on: Bench, **fields: Any) -> Any:
    """A fine-tuning that was cancelled on its way."""
    heard: list[Any] = []
    sent = send(on, heard.append, num_steps=1_000_000, **fields)
    on.until(lambda: bool(heard), "progress")
    sent.cancel()
    result = sent.result()
    assert result.error_code == Code.CANCELLED and sent.status == GoalStatus.STATUS_CANCELED
    return result


def test_cancel_keeps_what_was_reached(tuner: Bench, run: RunDirectory) -> None:
    result = stopped(tuner)
    assert load(run.checkpoints / "round_0001").info.id == result.checkpoint.id == "round_0001"
    assert not parse_description(run.checkpoints / "round_0001").making.finished
    assert send(tuner).result().error_code == Code.NONE  # an unfinished one gives way without a word
    assert parse_description(run.checkpoints / "round_0001").making.finished


def test_nothing_finished_is_replaced_by_something_unfinished(tuner: Bench, run: RunDirectory) -> None:
    send(tuner).result()
    before = load(run.checkpoints / "round_0001")
    result = stopped(tuner, replace=True)
    assert "round_0001 stands as it was" in result.error_msg
    assert load(run.checkpoints / "round_0001").fingerprint == before.fingerprint
    assert result.checkpoint.id == "round_0001" and sorted(os.listdir(run.checkpoints)) == [
        "pretrained",
        "round_0001",
    ]


def test_a_tuning_that_names_no_round_makes_the_next(tuner: Bench, run: RunDirectory) -> None:
    assert send(tuner, round=4).result().checkpoint.id == "round_0004"
    result = send(tuner, round=0).result()
    assert (result.checkpoint.id, result.checkpoint.round) == ("round_0005", 5)
    # The same again, as a client sends it that heard no answer, is answered with what was made.
    uri = (run.checkpoints / "round_0004").as_uri()
    again = send(tuner, round=0, initial_checkpoint_uri=uri).result()
    assert again.checkpoint.id == "round_0005" and again.final_loss == result.final_loss
    assert again.training_time.sec == again.training_time.nanosec == 0


def test_another_tuning_of_a_finished_round_needs_a_word(tuner: Bench, run: RunDirectory) -> None:
    send(tuner).result()
    before = load(run.checkpoints / "round_0001").fingerprint
    refused = send(tuner, seed=8).result()
    assert refused.error_code == Code.CHECKPOINT_EXISTS and "--replace" in refused.error_msg
    assert load(run.checkpoints / "round_0001").fingerprint == before
    assert send(tuner, seed=8, replace=True).result().error_code == Code.NONE
    assert load(run.checkpoints / "round_0001").fingerprint != before


def test_one_training_at_a_time_but_the_same_one_may_start_over(tuner: Bench) -> None:
    heard: list[Any] = []
    first = send(tuner, heard.append, num_steps=1_000_000)
    tuner.until(lambda: bool(heard), "progress")
    assert send(tuner, round=2).result().error_code == Code.BUSY
    heard_again: list[Any] = []
    again = send(tuner, heard_again.append, num_steps=1_000_000)
    assert first.result().error_code == Code.CANCELLED
    tuner.until(lambda: bool(heard_again), "progress of the second")
    again.cancel()
    assert again.result().error_code == Code.CANCELLED


def test_no_demonstrations(tuner: Bench, run: RunDirectory) -> None:
    assert send(tuner, demonstration_ids=["d1"]).result().error_code == Code.NO_DATA
    DemonstrationStore(run.demonstrations).trash("d0")
    result = send(tuner).result()
    assert result.error_code == Code.NO_DATA and result.error_msg


def test_no_such_checkpoint(tuner: Bench, tmp_path: Path) -> None:
    result = send(tuner, initial_checkpoint_uri=(tmp_path / "nothing").as_uri()).result()
    assert result.error_code == Code.CHECKPOINT_INVALID and "nothing" in result.error_msg


def test_checkpoints_that_cannot_be_written(tuner: Bench, run: RunDirectory, tmp_path: Path) -> None:
    elsewhere = shutil.move(run.checkpoints, tmp_path / "elsewhere")
    run.checkpoints.write_text("a file where a folder was")
    initial = (Path(elsewhere) / "pretrained").as_uri()
    result = send(tuner, initial_checkpoint_uri=initial).result()
    assert result.error_code == Code.WRITE_FAILED and "checkpoints" in result.error_msg


def test_training_that_blows_up(run: RunDirectory) -> None:
    with bench(session_directory=str(run.root), training__weight_decay=1e30) as made:
        made.add(FineTunerNode)
        result = send(made).result()
    assert result.error_code == Code.DIVERGED and "learning_rate" in result.error_msg
    assert result.checkpoint.id == "pretrained"


NO_DEVICE = "cuda:99"  # on no computer


def test_a_device_that_is_not_there_is_told_when_the_node_starts(run: RunDirectory) -> None:
    with (
        bench(session_directory=str(run.root), training__device=NO_DEVICE) as made,
        pytest.raises(
            ConfigError, match=f"training.device '{NO_DEVICE}' cannot be used.*set it to cpu"
        ) as error,
    ):
        made.add(FineTunerNode)
    assert "\n" not in str(error.value)


def test_a_batch_that_does_not_fit_in_memory(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def scarce(*args: Any, **fields: Any) -> Any:
        raise torch.OutOfMemoryError("tried to allocate 80 GiB")

    monkeypatch.setattr("amf_ros.learning.fine_tuning.fine_tune", scarce)
    with bench(session_directory=str(run.root)) as made:
        made.add(FineTunerNode)
        result = send(made).result()
    assert result.error_code == Code.OUT_OF_MEMORY and "80 GiB" in result.error_msg


def test_shutdown_ends_training_with_a_checkpoint(run: RunDirectory) -> None:
    heard: list[Any] = []
    with bench(session_directory=str(run.root)) as made:
        made.add(FineTunerNode)
        send(made, heard.append, num_steps=1_000_000)
        made.until(lambda: bool(heard), "progress")
    assert load(run.checkpoints / "round_0001").info.num_demonstrations == 1


def test_the_recorded_demonstration_is_what_the_robot_did(run: RunDirectory) -> None:
    from amf_ros.rollout.episodes import demonstrate
    from amf_ros.rollout.robot_environment import RobotEnvironment

    suite, contract = TabletopSuite(), load_contract("panda_tabletop")
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        alone = demonstrate(RobotEnvironment(robot, suite, contract), "push_green", 2, "alone")
    stored = DemonstrationStore(run.demonstrations).load("d0", contract, suite)
    np.testing.assert_array_equal(stored.observations.flat(), alone.observations.flat())
    np.testing.assert_array_equal(stored.actions, alone.actions)


def test_a_training_that_would_last_for_weeks_is_refused(tmp_path: Path) -> None:
    with bench(session_directory=str(tmp_path)) as made:
        made.add(FineTunerNode)
        result = made.act(FineTune, names.FINE_TUNE, FineTune.Goal(num_steps=2**32 - 1))
        assert result.error_code == result.BAD_REQUEST and "num_steps is 4294967295" in result.error_msg
