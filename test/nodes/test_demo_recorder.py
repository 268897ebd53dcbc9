"""The recorder: what is kept, what is not, and which code says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from mcap.reader import make_reader
from support.nodes import Bench, bench

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import Demonstration, RecorderState
from amf_msgs.srv import FinishRecording, ResetScene
from amf_ros.contract import load_contract
from amf_ros.core.paths import find_config
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

Code = RecordDemonstration.Result


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def recorder(run: RunDirectory) -> Iterator[Bench]:
    """A recorder alone, impatient."""
    quick = {"arrival_timeout_s": 0.3, "command_timeout_s": 0.5, "stream_timeout_s": 0.5}
    with bench(session_directory=str(run.root), real_time_factor=0.0, **quick) as made:
        made.add(DemoRecorderNode)
        yield made


@pytest.fixture
def room(recorder: Bench) -> Bench:
    """Recorder and robot; nobody demonstrates."""
    recorder.add(RobotNode)
    return recorder


def send(on: Bench, task_id: str = "press_button", id_: str = "one", **fields: Any):
    goal = RecordDemonstration.Goal(task_id=task_id, demonstration_id=id_, **fields)
    return on.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)


def recording(on: Bench) -> list[RecorderState]:
    states = on.listen(RecorderState, names.RECORDER_STATE, latched=True)
    on.until(lambda: bool(states), "the recorder's state")
    return states


def demonstrate(on: Bench, task_id: str = "press_button", id_: str = "one", seed: int = 2) -> Code:
    stamp = on.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id=task_id, seed=seed)).stamp
    return send(on, task_id, id_, seed=seed, source=1, start_stamp=stamp).result()


def test_a_demonstration_is_kept_with_what_is_known_of_it(room: Bench, run: RunDirectory) -> None:
    room.add(TeleopNode)
    result = demonstrate(room)
    made = result.demonstration
    assert result.error_code == Code.NONE and made.outcome == Demonstration.OUTCOME_SUCCESS
    assert (made.id, made.task_id, made.source) == ("one", "press_button", 1) and made.num_steps > 5
    stored = DemonstrationStore(run.demonstrations).info("one")
    assert stored.uri == made.uri and stored.seed == 2 and stored.num_steps == made.num_steps


def test_the_same_id_again_returns_what_is_stored(room: Bench, run: RunDirectory) -> None:
    room.add(TeleopNode)
    first = demonstrate(room)
    before = DemonstrationStore(run.demonstrations).path("one").stat().st_mtime_ns
    assert send(room).result().demonstration == first.demonstration
    assert DemonstrationStore(run.demonstrations).path("one").stat().st_mtime_ns == before
    other = send(room, "push_green", "one").result()
    assert other.error_code == Code.DUPLICATE_ID and "press_button" in other.error_msg


def test_unknown_task(recorder: Bench) -> None:
    result = send(recorder, "press_buton").result()
    assert result.error_code == Code.UNKNOWN_TASK and "press_button" in result.error_msg


def test_an_id_that_cannot_be_a_file_is_refused(recorder: Bench) -> None:
    result = send(recorder, id_="x" * 1_000_000).result()
    assert result.error_code == Code.BAD_REQUEST and len(result.error_msg) < 400


def test_robot_that_is_not_there_is_named(recorder: Bench) -> None:
    sent = send(recorder)
    result = sent.result()
    assert result.error_code == Code.MISSING_TOPIC and sent.status == GoalStatus.STATUS_ABORTED
    assert "joint_states" in result.error_msg and "scene_state" in result.error_msg


def test_demonstrator_that_is_not_there_is_named(room: Bench, run: RunDirectory) -> None:
    states = recording(room)
    sent = send(room)
    room.until(lambda: states[-1].recording and states[-1].demonstration_id == "one", "recording")
    result = sent.result()
    assert result.error_code == Code.MISSING_TOPIC and "teleop/command" in result.error_msg
    room.until(lambda: not states[-1].recording, "the recorder to be free again")
    assert DemonstrationStore(run.demonstrations).ids() == []


def test_one_recording_at_a_time_but_the_same_one_may_start_over(room: Bench) -> None:
    states = recording(room)
    first = send(room)
    room.until(lambda: states[-1].recording, "recording")
    assert send(room, id_="two").result().error_code == Code.BUSY
    again = send(room)
    assert first.result().error_code == Code.CANCELLED
    assert again.result().error_code == Code.MISSING_TOPIC


def test_cancel_discards(room: Bench, run: RunDirectory) -> None:
    states = recording(room)
    sent = send(room)
    room.until(lambda: states[-1].recording, "recording")
    sent.cancel()
    assert sent.result().error_code == Code.CANCELLED and sent.status == GoalStatus.STATUS_CANCELED
    assert not list(run.demonstrations.rglob("*.mcap"))


def test_a_reset_while_recording_spoils_it(room: Bench, run: RunDirectory) -> None:
    room.add(TeleopNode)
    states = recording(room)
    request = ResetScene.Request(task_id="tower_of_three", seed=1)
    stamp = room.call(ResetScene, names.RESET_SCENE, request).stamp
    sent = send(room, "tower_of_three", seed=1, start_stamp=stamp)
    room.until(lambda: states[-1].recording, "recording")
    room.call(ResetScene, names.RESET_SCENE, request)
    result = sent.result()
    assert result.error_code == Code.STALE_STREAM and "reset" in result.error_msg
    assert DemonstrationStore(run.demonstrations).ids() == []


def test_a_refused_reset_while_recording_spoils_nothing(room: Bench, run: RunDirectory) -> None:
    room.add(TeleopNode)
    states = recording(room)
    request = ResetScene.Request(task_id="tower_of_three", seed=1)
    goal = RecordDemonstration.Goal(task_id="tower_of_three", demonstration_id="one", seed=1)
    goal.start_stamp = room.call(ResetScene, names.RESET_SCENE, request).stamp
    goal.max_duration.sec = 2
    sent = room.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
    room.until(lambda: states[-1].recording, "recording")
    refused = room.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="no_such_task"))
    assert refused.error_code == ResetScene.Response.UNKNOWN_TASK
    result = sent.result()
    assert result.error_code == Code.NONE and result.demonstration.num_steps == 41, result.error_msg
    actions = DemonstrationStore(run.demonstrations).load("one", load_contract("panda_tabletop")).actions
    assert abs(actions[:, :7]).max() < 0.2  # [rad] a period: no jump


def test_a_stream_that_stops_is_named(room: Bench) -> None:
    teleop = room.add(TeleopNode)
    request = ResetScene.Request(task_id="tower_of_three", seed=1)
    stamp = room.call(ResetScene, names.RESET_SCENE, request).stamp
    commands = room.listen(load_message("trajectory_msgs", "JointTrajectory"), "teleop/command")
    sent = send(room, "tower_of_three", seed=1, start_stamp=stamp)
    room.until(lambda: len(commands) > 5, "commands")
    teleop.begin_shutdown()
    result = sent.result()
    assert result.error_code == Code.STALE_STREAM
    assert "joint_states" in result.error_msg or "teleop/command" in result.error_msg


def test_the_time_limit_keeps_it_unlabeled(room: Bench, run: RunDirectory) -> None:
    room.add(TeleopNode)
    request = ResetScene.Request(task_id="tower_of_three", seed=1)
    goal = RecordDemonstration.Goal(task_id="tower_of_three", demonstration_id="short", seed=1)
    goal.start_stamp = room.call(ResetScene, names.RESET_SCENE, request).stamp
    goal.max_duration.sec = 1
    result = room.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
    assert result.error_code == Code.NONE
    assert result.demonstration.outcome == Demonstration.OUTCOME_UNLABELED
    assert result.demonstration.num_steps == 21  # one second at 20 Hz, both ends
    store = DemonstrationStore(run.demonstrations)
    assert store.load("short", load_contract("panda_tabletop"), TabletopSuite()).num_steps == 21


def test_a_store_that_cannot_be_written(room: Bench, run: RunDirectory) -> None:
    store = DemonstrationStore(run.demonstrations)
    store.staging.rmdir()
    store.staging.write_text("a file where a folder was")
    result = send(room).result()
    assert result.error_code == Code.WRITE_FAILED and ".staging" in result.error_msg


def test_extra_topics_are_kept_too(run: RunDirectory, tmp_path: Path) -> None:
    text = find_config("contracts", "panda_tabletop").read_text()
    contract = tmp_path / "extra.yaml"
    extra = "record_extra: {robot/status: amf_msgs/msg/RobotStatus, camera/image_raw: sensor_msgs/msg/Image}"
    contract.write_text(text.replace("record_extra: {}", extra))
    fields = {"session_directory": str(run.root), "real_time_factor": 0.0, "contract": str(contract)}
    with bench(camera_hz=10.0, camera_width=32, camera_height=32, **fields) as made:
        for make in (RobotNode, TeleopNode, DemoRecorderNode):
            made.add(make)
        assert demonstrate(made).error_code == Code.NONE
    with (run.demonstrations / "one.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None
    counts = {
        channel.topic: summary.statistics.channel_message_counts.get(id_, 0)
        for id_, channel in summary.channels.items()
    }
    steps = counts["/teleop/command"]
    assert counts["/applied_command"] == steps  # what the robot did with each, the last one too
    assert counts["/joint_states"] >= steps and counts["/scene_state"] >= steps
    assert counts["/camera/image_raw"] >= steps // 2 - 1


def test_finishing_nothing(recorder: Bench) -> None:
    response = recorder.call(FinishRecording, names.FINISH_RECORDING, FinishRecording.Request())
    assert response.error_code == FinishRecording.Response.NOT_RECORDING


def test_shutdown_discards_and_says_so(room: Bench, run: RunDirectory) -> None:
    states = recording(room)
    sent = send(room)
    room.until(lambda: states[-1].recording, "recording")
    room.nodes[0].begin_shutdown()
    assert sent.result().error_code == Code.CANCELLED
    assert not list(run.demonstrations.rglob("*.mcap"))


def load_message(package: str, name: str) -> Any:
    from amf_ros.ros.conversions import message_class

    return message_class(f"{package}/msg/{name}")


def test_a_goal_or_an_ending_that_is_not_allowed_changes_nothing(room: Bench) -> None:
    result = send(room, source=7).result()
    assert result.error_code == Code.BAD_REQUEST and "1 SCRIPTED_EXPERT" in result.error_msg
    states = recording(room)
    running = send(room)
    room.until(lambda: states[-1].recording, "recording")
    answer = room.call(FinishRecording, names.FINISH_RECORDING, FinishRecording.Request(outcome=99))
    assert answer.error_code == answer.BAD_REQUEST and "outcome is 99" in answer.error_msg
    for goal in ({"id_": "one", "source": 200}, {"id_": "one", "max_duration": Duration(sec=-2)}):
        assert send(room, **goal).result().error_code == Code.BAD_REQUEST
    assert states[-1].recording and states[-1].demonstration_id == "one"
    running.cancel()
    assert running.result().error_code == Code.CANCELLED
