"""The scripted demonstrator where it cannot demonstrate: it lets go and ends the recording with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.arm import Arm
from support.nodes import Bench, bench

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.core.values import Task
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names, qos
from amf_ros.tasks.loading import load_robot_suite


@pytest.fixture
def task() -> Task:
    return load_robot_suite("tabletop").task("press_button")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Bench]:
    with bench(session_directory=str(tmp_path), real_time_factor=1.0) as made:
        made.add(TeleopNode)
        yield made


class Recorder:
    """Somebody else's recorder: says what to show, and hears how it ends."""

    def __init__(self, on: Bench) -> None:
        self._on, self.code = on, 0
        self.heard: list[FinishRecording.Request] = []
        self._state = on.client.create_publisher(RecorderState, names.RECORDER_STATE, qos.LATCHED)
        on.client.create_service(FinishRecording, names.FINISH_RECORDING, self._answer)

    def _answer(self, request: Any, response: Any) -> Any:
        self.heard.append(request)
        response.error_code, response.error_msg = self.code, "not so" if self.code else ""
        return response

    def show(self, task_id: str) -> None:
        self._state.publish(RecorderState(recording=True, task_id=task_id, demonstration_id=task_id))


def test_a_task_that_it_cannot_show_ends_the_recording_with_the_reason(stage: Bench) -> None:
    recorder = Recorder(stage)
    recorder.show("press_buton")
    stage.until(lambda: bool(recorder.heard), "the end")
    assert recorder.heard[0].discard and "did you mean 'press_button'" in recorder.heard[0].reason


def test_what_the_recorder_refuses_is_not_asked_for_ever(stage: Bench) -> None:
    recorder = Recorder(stage)
    recorder.code = FinishRecording.Response.NOT_RECORDING
    recorder.show("first")
    stage.until(lambda: bool(recorder.heard), "the end")
    recorder.code = 0
    recorder.show("second")  # accepted, and asked again until the state says that it has ended
    stage.until(lambda: sum("second" in one.reason for one in recorder.heard) >= 3, "the end, three times")
    assert sum("first" in one.reason for one in recorder.heard) == 1


@pytest.mark.parametrize("objects", [[], ["cup", "plate"]])
def test_scenes_that_it_cannot_act_upon_make_it_let_go(stage: Bench, task: Task, objects: list[str]) -> None:
    recorder = Recorder(stage)
    arm = Arm(stage, task, objects=objects)
    recorder.show("press_button")
    arm.until(lambda: bool(recorder.heard), "the end")
    assert recorder.heard[0].discard and "scene" in recorder.heard[0].reason


@pytest.mark.parametrize("objects", [[], ["cup", "plate"]])
def test_the_recorder_names_such_scenes_by_itself(stage: Bench, task: Task, objects: list[str]) -> None:
    stage.add(DemoRecorderNode)
    arm = Arm(stage, task, objects=objects)
    goal = RecordDemonstration.Goal(task_id="press_button", demonstration_id="one", source=1)
    sent = stage.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
    arm.until(lambda: sent.done, "the result")
    assert sent.result().error_code == RecordDemonstration.Result.BAD_STREAM
    assert "lacks scene object" in sent.result().error_msg
