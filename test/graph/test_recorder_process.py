"""The recorder as a process of its own, hearing an arm with the quirks of real drivers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.arm import Arm
from support.deadline import DEADLINE_S
from support.nodes import Bench, bench

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import StreamStatuses
from amf_msgs.srv import FinishRecording
from amf_ros.contract import load_contract
from amf_ros.ros import names
from amf_ros.ros.start import graph
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Code = RecordDemonstration.Result


@pytest.fixture
def recorder(tmp_path: Path, ros_domain: int) -> Iterator[subprocess.Popen[bytes]]:
    node = next(node for node in graph.NODES if node.name == "demo_recorder")
    values = {"session_directory": str(tmp_path), "real_time_factor": "1.0", "use_sim_time": "false"}
    process = subprocess.Popen(graph.command(node, values))
    yield process
    process.terminate()
    assert process.wait(DEADLINE_S) == 0


def record(on: Bench, arm: Arm, id_: str, enough: int = 40) -> Code:
    """Record, and say that it is over after so many commands, unless the recorder has said so before."""
    heard = on.listen(StreamStatuses, names.RECORDER_STREAMS)
    goal = RecordDemonstration.Goal(task_id="press_button", demonstration_id=id_, source=2)
    sent = on.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)

    def over() -> bool:
        commands = [status.streams[0].num_messages for status in heard if status.recording]
        return sent.done or bool(commands and commands[-1] >= enough)

    arm.until(over, "a recording")
    if not sent.done:
        on.call(FinishRecording, names.FINISH_RECORDING, FinishRecording.Request(outcome=1))
        arm.until(lambda: sent.done, "the result")
    return sent.result()


def test_split_states_and_late_messages_are_recorded_and_a_lagging_clock_is_named(
    recorder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    suite = load_robot_suite("tabletop")
    task = suite.task("press_button")
    store = DemonstrationStore(RunDirectory(tmp_path).demonstrations)
    with bench() as on:
        apart = Arm(on, task, split=True, late_ms=12.0)
        result = record(on, apart, "apart")
        assert result.error_code == Code.NONE and result.error_msg == "", result.error_msg

        lagging = Arm(on, task, split=True, offsets={"teleop/command": -2.0})
        result = record(on, lagging, "lagging", enough=400)
        assert result.error_code == Code.BAD_STREAM and "teleop/command arrives 2" in result.error_msg

        result = record(on, apart, "again")
        assert result.error_code == Code.NONE, result.error_msg
    assert store.ids() == ["again", "apart"] and recorder.poll() is None
    contract = load_contract("panda_tabletop")
    demonstration = store.load("apart", contract, suite)
    assert demonstration.num_steps >= 40
    gripper = contract.layout.elements.index("panda_finger_joint1.position")
    assert set(demonstration.observations.flat()[:, gripper]) == {0.03}
