"""Streams as drivers make them: quality of service, clocks, split states; told by name, while recording."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from support.arm import Arm
from support.nodes import Bench, Sent, bench
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import RobotStatus, StreamStatuses
from amf_msgs.srv import FinishRecording, ResetScene
from amf_ros.contract import load_contract
from amf_ros.contract.codecs import joint_state, trajectory
from amf_ros.core.paths import find_config
from amf_ros.core.values import Task
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import time_msg, to_ns
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Code = RecordDemonstration.Result
BEST_EFFORT = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, depth=5)
LATCHED = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL, depth=1
)


@pytest.fixture
def task() -> Task:
    return load_robot_suite("tabletop").task("press_button")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def recorder(run: RunDirectory) -> Iterator[Bench]:
    with bench(session_directory=str(run.root), real_time_factor=1.0, arrival_timeout_s=60.0) as made:
        made.add(DemoRecorderNode)
        yield made


def record(on: Bench) -> Sent:
    goal = RecordDemonstration.Goal(task_id="press_button", demonstration_id="one", source=2)
    return on.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)


def commands_heard(on: Bench) -> Any:
    """A function: how many commands the recording has."""
    heard = on.listen(StreamStatuses, names.RECORDER_STREAMS)

    def count() -> int:
        recording = [status for status in heard if status.recording]
        return recording[-1].streams[0].num_messages if recording else 0

    return count


def finish(on: Bench, arm: Arm, sent: Sent) -> Code:
    on.call(FinishRecording, names.FINISH_RECORDING, FinishRecording.Request(outcome=1))
    arm.until(lambda: sent.done, "the result")
    return sent.result()


@pytest.mark.parametrize(("split", "late_ms"), [(False, 0.0), (True, 0.0), (True, 12.0)])
def test_an_arm_whose_gripper_speaks_for_itself_and_late(
    recorder: Bench, run: RunDirectory, task: Task, split: bool, late_ms: float
) -> None:
    arm = Arm(recorder, task, split=split, late_ms=late_ms)
    count = commands_heard(recorder)
    sent = record(recorder)
    arm.until(lambda: count() >= 20, "twenty commands")
    result = finish(recorder, arm, sent)
    assert result.error_code == Code.NONE and result.error_msg == ""
    assert result.demonstration.num_steps >= 20 and DemonstrationStore(run.demonstrations).ids() == ["one"]


@pytest.mark.parametrize(
    ("topic", "offset", "text"),
    [
        ("teleop/command", -2.0, "teleop/command arrives 2"),
        ("teleop/command", 0.5, "ms before its stamps"),
        ("joint_states", -2.0, "joint_states arrives 2"),
        ("scene_state", 0.5, "scene_state arrives"),
        ("joint_states", None, "its header has no stamp"),
        ("scene_state", -1_700_000_000.0, "scene_state arrives 1700000000 s"),  # time since it was started
    ],
)
def test_a_clock_that_is_off_ends_it_by_name(
    recorder: Bench, run: RunDirectory, task: Task, topic: str, offset: float | None, text: str
) -> None:
    arm = Arm(recorder, task, offsets={topic: offset})
    sent = record(recorder)
    arm.until(lambda: sent.done, "the result")  # nobody says that it is over
    result = sent.result()
    assert result.error_code == Code.BAD_STREAM and text in result.error_msg, result.error_msg
    assert "clock" in result.error_msg or "stamp" in result.error_msg
    assert not list(run.demonstrations.rglob("*.mcap"))


def test_a_command_without_a_stamp_means_now(recorder: Bench, task: Task) -> None:
    arm = Arm(recorder, task, offsets={"teleop/command": None})
    count = commands_heard(recorder)
    sent = record(recorder)
    arm.until(lambda: count() >= 10, "ten commands")
    result = finish(recorder, arm, sent)
    assert result.error_code == Code.NONE and result.demonstration.num_steps >= 10


def test_a_gripper_in_millimetres_ends_it_while_recording(recorder: Bench, task: Task) -> None:
    arm = Arm(recorder, task, gripper=40.0)
    sent = record(recorder)
    arm.until(lambda: sent.done, "the result")
    result = sent.result()
    assert result.error_code == Code.BAD_STREAM and "millimetres" in result.error_msg
    assert "panda_finger_joint1" in result.error_msg and "/client publishes it" in result.error_msg


def test_a_stop_and_a_malformed_message_cost_nothing(recorder: Bench, task: Task) -> None:
    arm = Arm(recorder, task)
    count = commands_heard(recorder)
    sent = record(recorder)
    arm.until(lambda: count() >= 10, "ten commands")
    broken = JointTrajectory(header=Header(stamp=time_msg(time.time_ns())), joint_names=["panda_joint1"])
    broken.points = [JointTrajectoryPoint()]  # a joint and no position
    arm.commands.publish(broken)
    arm.commands.publish(JointTrajectory(header=Header(stamp=time_msg(time.time_ns()))))
    result = finish(recorder, arm, sent)
    assert result.error_code == Code.NONE and result.demonstration.num_steps >= 10
    assert "1 of" in result.error_msg and "teleop/command were left out" in result.error_msg


def test_a_publisher_that_does_not_fit_is_named_at_once(recorder: Bench, task: Task) -> None:
    arm = Arm(recorder, task, joints_qos=BEST_EFFORT)
    sent = record(recorder)
    arm.until(lambda: sent.done, "the result", timeout_s=40.0)  # arrival_timeout_s is a minute
    result = sent.result()
    assert result.error_code == Code.MISSING_TOPIC
    assert "/client publishes best_effort" in result.error_msg and "qos: {reliability" in result.error_msg


def test_extras_are_heard_as_they_are_offered_and_named_where_silent(
    run: RunDirectory, tmp_path: Path, task: Task
) -> None:
    text = find_config("contracts", "panda_tabletop").read_text()
    extras = ("fast", "latched", "later", "silent")
    extra = "record_extra: {" + ", ".join(f"{name}: std_msgs/msg/String" for name in extras) + "}"
    contract = tmp_path / "extra.yaml"
    contract.write_text(text.replace("record_extra: {}", extra))
    fields = {"session_directory": str(run.root), "real_time_factor": 1.0, "contract": str(contract)}
    with bench(**fields) as made:
        fast = made.client.create_publisher(String, "fast", BEST_EFFORT)
        latched = made.client.create_publisher(String, "latched", LATCHED)
        latched.publish(String(data="said before the recorder was there"))
        made.add(DemoRecorderNode)
        arm = Arm(made, task)
        count = commands_heard(made)
        arm.until(lambda: fast.get_subscription_count() > 0, "the recorder to listen as best effort")
        arm.until(lambda: latched.get_subscription_count() > 0, "the recorder to listen")
        sent = record(made)
        later = made.client.create_publisher(String, "later", LATCHED)
        later.publish(String(data="said while recording, by whoever came then"))

        def enough() -> bool:
            fast.publish(String(data="x"))
            return bool(count() >= 20)

        arm.until(enough, "twenty commands")
        result = finish(made, arm, sent)
    assert result.error_code == Code.NONE
    assert result.error_msg == "nothing came on silent, an extra of the contract"
    with (run.demonstrations / "one.mcap").open("rb") as file:
        found = {channel.topic: message for _, channel, message in make_reader(file).iter_messages()}
    assert {"/fast", "/latched", "/later"} <= set(found)
    assert b"before the recorder" in found["/latched"].data


def test_a_reset_that_the_robot_tells_of_ends_it(recorder: Bench, run: RunDirectory, task: Task) -> None:
    robot = recorder.client.create_publisher(RobotStatus, names.ROBOT_STATUS, qos.LATCHED)
    robot.publish(RobotStatus(episode=3, stamp=time_msg(time.time_ns())))
    arm = Arm(recorder, task)
    count = commands_heard(recorder)
    sent = record(recorder)
    arm.until(lambda: count() >= 5, "commands")
    robot.publish(RobotStatus(episode=3, status=RobotStatus.STOPPED, stamp=time_msg(time.time_ns())))
    now = count()
    arm.until(lambda: count() >= now + 10, "commands after a status that is no reset")
    robot.publish(RobotStatus(episode=4, stamp=time_msg(time.time_ns())))
    arm.until(lambda: sent.done, "the result")
    assert sent.result().error_code == Code.STALE_STREAM and "the scene was reset" in sent.result().error_msg
    assert not list(run.demonstrations.rglob("*.mcap"))


def test_a_demonstrator_that_cannot_go_on_says_why(recorder: Bench, run: RunDirectory, task: Task) -> None:
    arm = Arm(recorder, task)
    count = commands_heard(recorder)
    sent = record(recorder)
    arm.until(lambda: count() >= 5, "commands")
    request = FinishRecording.Request(discard=True, reason="the object fell off the table")
    assert recorder.call(FinishRecording, names.FINISH_RECORDING, request).error_code == 0
    result = sent.result()
    assert result.error_code == Code.CANCELLED and "fell off the table" in result.error_msg
    assert not list(run.demonstrations.rglob("*.mcap"))


def test_streams_are_shown_with_rate_age_and_delay(recorder: Bench, task: Task) -> None:
    heard = recorder.listen(StreamStatuses, names.RECORDER_STREAMS)
    arm = Arm(recorder, task, offsets={"scene_state": 0.05})

    def joints() -> Any:
        return heard[-1].streams[1]

    arm.until(lambda: bool(heard) and joints().num_messages > 100 and joints().rate_hz > 10, "a second of it")
    shown = {status.topic: status for status in heard[-1].streams}
    assert list(shown) == ["/teleop/command", "/joint_states", "/scene_state", "/applied_command"]
    assert shown["/joint_states"].required and not shown["/applied_command"].required
    assert not heard[-1].recording and shown["/joint_states"].age < 5.0
    assert shown["/joint_states"].delay - shown["/scene_state"].delay == pytest.approx(0.05, abs=0.03)
    assert shown["/applied_command"].num_messages == 0


@pytest.mark.parametrize("factor", [0.5, 1.0, 10.0])
def test_simulated_time_is_no_clock_that_is_off(run: RunDirectory, factor: float) -> None:
    fields = {"session_directory": str(run.root), "real_time_factor": factor, "use_sim_time": True}
    with bench(**fields) as made:
        for make in (RobotNode, TeleopNode, DemoRecorderNode):
            made.add(make)
        for seed in (1, 2):
            request = ResetScene.Request(task_id="press_button", seed=seed)
            stamp = made.call(ResetScene, names.RESET_SCENE, request).stamp
            goal = RecordDemonstration.Goal(task_id="press_button", seed=seed, source=1, start_stamp=stamp)
            result = made.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
            assert result.error_code == Code.NONE and result.error_msg == "", result.error_msg
    store = DemonstrationStore(run.demonstrations)
    assert [store.info(id_).outcome.name for id_ in store.ids()] == ["SUCCESS", "SUCCESS"]


def test_a_device_that_stamps_zero_is_learned_as_the_robot_applied_it(run: RunDirectory, task: Task) -> None:
    """It asks for more than the arm may do, as often as it hears of a state."""
    with bench(session_directory=str(run.root), real_time_factor=1.0, use_sim_time=True) as made:
        made.add(RobotNode)
        made.add(DemoRecorderNode)
        states = made.listen(JointState, "joint_states")
        applied = made.listen(JointTrajectory, "applied_command")
        device = made.client.create_publisher(JointTrajectory, "teleop/command", qos.STREAM)
        made.until(lambda: device.get_subscription_count() >= 2, "robot and recorder to listen")
        sent, seen = record(made), 0
        while len(applied) < 30:
            made.until(lambda seen=seen: len(states) > seen, "the next state")
            seen = len(states)
            asked = list(states[-1].position)
            asked[0] += 0.3
            point = JointTrajectoryPoint(positions=asked)
            device.publish(JointTrajectory(joint_names=states[-1].name, points=[point]))
        made.call(FinishRecording, names.FINISH_RECORDING, FinishRecording.Request(outcome=1))
        made.until(lambda: sent.done, "the result")
        assert sent.result().error_code == Code.NONE, sent.result().error_msg
    contract = load_contract("panda_tabletop")
    demonstration = DemonstrationStore(run.demonstrations).load("one", contract, load_robot_suite("tabletop"))
    done = {to_ns(message.header.stamp): message for message in applied}
    measured = {to_ns(state.header.stamp): joint_state(state) for state in states}
    assert len(demonstration.stamps_ns) >= 20 and set(demonstration.stamps_ns.tolist()) <= set(done)
    for stamp_ns, action in zip(demonstration.stamps_ns.tolist(), demonstration.actions, strict=True):
        expected = contract.encode(trajectory(done[stamp_ns]), measured[stamp_ns])
        assert action.tobytes() == expected.tobytes()
    turn = demonstration.actions[:, contract.action_names.index("panda_joint1.relative_to_measured")]
    assert turn.max() < 0.29  # what was asked
