"""A whole session on the mock arm: a person enables it, places scenes, demonstrates; the policy drives it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.graph import TRAINING, connect_when_ready, run_session, small_plan, story
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.action import RunSession
from amf_msgs.msg import Demonstration, RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.core.config import PretrainConfig
from amf_ros.ros import names, qos
from amf_ros.ros.client.graph_client import GraphClient
from amf_ros.ros.start.supervise import Graph
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.store.run_directory import RunDirectory

COMMANDS = 30


class Person:
    """Places what is asked for, and shows each task by turning the first joint."""

    def __init__(self, client: GraphClient) -> None:
        self._client, node = client, client.node
        self.placed = 0
        self._states: list[JointState] = []
        self._shown = 0
        self._recording = False
        node.create_subscription(String, names.SCENE_WANTED, self._on_wanted, qos.LATCHED)
        node.create_subscription(JointState, "joint_states", self._states.append, qos.STREAM)
        node.create_subscription(RecorderState, names.RECORDER_STATE, self._on_recorder, qos.LATCHED)
        self._device = node.create_publisher(JointTrajectory, "teleop/command", qos.STREAM)
        node.create_timer(0.05, self._show)

    def _on_wanted(self, wanted: String) -> None:
        if wanted.data:
            self.placed += 1
            self._client.send(names.SCENE_READY, Trigger.Request())

    def _on_recorder(self, state: RecorderState) -> None:
        recording = state.recording
        if recording and not self._recording:
            self._shown = 0
        self._recording = recording

    def _show(self) -> None:
        if not self._recording or not self._states:
            return
        self._shown += 1
        if self._shown > COMMANDS:
            request = FinishRecording.Request(outcome=Demonstration.OUTCOME_SUCCESS)
            if self._shown % 20 == 1:
                self._client.send(names.FINISH_RECORDING, request)
            return
        state = self._states[-1]
        where = dict(zip(state.name, state.position, strict=True))
        where["panda_joint1"] += 0.01
        point = JointTrajectoryPoint(positions=list(where.values()))
        point.time_from_start.nanosec = 50_000_000
        self._device.publish(JointTrajectory(header=state.header, joint_names=list(where), points=[point]))


def test_the_loop_runs_on_the_mock_of_a_robot_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    config = PretrainConfig(demonstrations={"press_button": 2}, training=TRAINING, contract="panda_joints")
    pretrain_checkpoint(config, tmp_path, processes=1)
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(tmp_path / "pretrained", run.checkpoints / "pretrained")
    arguments = {"robot": "mock", "robot_config": "panda", "session_directory": str(run.root)}
    with Graph(arguments, run.root / "log") as graph:
        assert "teleop" not in graph.pids() and "mock_arm" in graph.pids()
        for name, value in graph.environment.items():
            monkeypatch.setenv(name, value)
        with connect_when_ready(graph.check) as client:
            assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
            client.expect(Trigger, names.SCENE_READY)
            client.expect(FinishRecording, names.FINISH_RECORDING)
            person = Person(client)
            plan = small_plan(
                candidates=("press_button",),
                targets=("press_button",),
                num_rounds=1,
                demonstrations_per_round=1,
                fine_tune_steps=30,
            )
            result = run_session(client, plan)
    assert result.error_code == RunSession.Result.NONE, result.error_msg
    assert person.placed >= 3, "two evaluations and a demonstration"
    assert {"r001/i0/a0", "r001/fine_tune", "r001/evaluate/press_button/e00"} <= set(story(run))
    assert len(list(run.demonstrations.glob("*.mcap"))) == 1 and len(list(run.rollouts.iterdir())) >= 2
