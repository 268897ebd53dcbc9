"""The robot node: who moves it, who stops it, and what it says of wrong requests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Empty, Header
from std_srvs.srv import Trigger
from support.deadline import DEADLINE_S
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus, SceneState
from amf_msgs.srv import ResetScene
from amf_ros.cli.graph import robot_words
from amf_ros.contract import load_contract
from amf_ros.core.errors import ConfigError
from amf_ros.nodes.robot import NEWS_S, RobotNode
from amf_ros.ros import names, qos
from amf_ros.ros.contract_streams import StreamInputs
from amf_ros.ros.conversions import to_ns
from amf_ros.ros.robot.stopping import StopKeeper
from amf_ros.sim.tabletop.scene import TabletopScene

Code = ResetScene.Response
PERIOD_NS = 50_000_000


@pytest.fixture
def lock_step() -> Iterator[Bench]:
    with bench(real_time_factor=0.0) as made:
        made.add(RobotNode)
        yield made


def reset(on: Bench, task_id: str = "press_button", seed: int = 1) -> ResetScene.Response:
    return on.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id=task_id, seed=seed))


def answer(state: JointState, change: float = 0.0) -> JointTrajectory:
    positions = [value + change for value in state.position]
    return JointTrajectory(
        header=state.header,
        joint_names=list(state.name),
        points=[JointTrajectoryPoint(positions=positions)],
    )


def commander(on: Bench, topic: str):
    publisher = on.client.create_publisher(JointTrajectory, topic, qos.STREAM)
    on.until(lambda: publisher.get_subscription_count() > 0, topic)
    return publisher


def current(on: Bench, states: list[Any], stamp_ns: int) -> Any:
    on.until(lambda: any(to_ns(state.header.stamp) == stamp_ns for state in states), "the state")
    return next(state for state in states if to_ns(state.header.stamp) == stamp_ns)


def test_a_command_for_the_current_state_moves_it_one_period(lock_step: Bench) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    scenes = lock_step.listen(SceneState, "scene_state")
    command = commander(lock_step, "command")
    start = to_ns(reset(lock_step).stamp)
    first = current(lock_step, joints, start)
    for _ in range(3):  # twice too many
        command.publish(answer(first))
    second = current(lock_step, joints, start + PERIOD_NS)
    lock_step.until(lambda: any(to_ns(s.header.stamp) == start + PERIOD_NS for s in scenes), "the scene")
    command.publish(answer(first))
    command.publish(answer(second))
    current(lock_step, joints, start + 2 * PERIOD_NS)
    assert max(to_ns(state.header.stamp) for state in joints) == start + 2 * PERIOD_NS


def test_the_current_state_is_repeated_for_those_who_missed_it(lock_step: Bench) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    start = to_ns(reset(lock_step).stamp)
    lock_step.until(lambda: sum(to_ns(s.header.stamp) == start for s in joints) >= 3, "repetitions")
    repeated = [state for state in joints if to_ns(state.header.stamp) == start]
    assert all(state == repeated[0] for state in repeated)


def test_equal_seeds_give_equal_starts_and_time_only_moves_forward(lock_step: Bench) -> None:
    scenes = lock_step.listen(SceneState, "scene_state")
    stamps, poses = [], []
    for seed in (4, 5, 4):
        stamps.append(to_ns(reset(lock_step, seed=seed).stamp))
        lock_step.until(lambda: any(to_ns(s.header.stamp) == stamps[-1] for s in scenes), "the scene")
        poses.append(next(s.poses for s in scenes if to_ns(s.header.stamp) == stamps[-1]))
    assert poses[0] == poses[2] != poses[1]
    assert stamps == sorted(set(stamps))


def test_unknown_task_is_named_with_the_nearest_one(lock_step: Bench) -> None:
    response = reset(lock_step, "press_buton")
    assert response.error_code == Code.UNKNOWN_TASK
    assert "did you mean 'press_button'" in response.error_msg


@pytest.mark.parametrize("task_id", ["", "press_buton", "reach 60°", "x" * 1_000_000, "press_button/../x"])
def test_a_refused_reset_changes_nothing(lock_step: Bench, task_id: str) -> None:
    joints, scenes = lock_step.listen(JointState, "joint_states"), lock_step.listen(SceneState, "scene_state")
    statuses = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    start = to_ns(reset(lock_step).stamp)
    before = current(lock_step, joints, start), current(lock_step, scenes, start)
    response = reset(lock_step, task_id)
    known = task_id and len(task_id) < 1000
    assert response.error_code == (Code.UNKNOWN_TASK if known else Code.BAD_REQUEST)
    assert len(response.error_msg) < 1000
    seen = len(joints), len(scenes)
    lock_step.until(lambda: len(joints) > seen[0] + 1 and len(scenes) > seen[1] + 1, "repeated states")
    assert (joints[-1], scenes[-1]) == before and statuses[-1].episode == 1


def test_a_reset_that_breaks_off_is_a_fault_until_one_succeeds(
    lock_step: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    statuses = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    command = commander(lock_step, "command")
    first = current(lock_step, joints, to_ns(reset(lock_step).stamp))
    with monkeypatch.context() as patch:
        patch.setattr(TabletopScene, "place", lambda *_: [][0])
        assert reset(lock_step).error_code == Code.UNKNOWN
    lock_step.until(lambda: statuses[-1].status == RobotStatus.FAULT, "the fault")
    assert "broke off" in statuses[-1].reason
    command.publish(answer(first, 0.1))
    lock_step.until(lambda: statuses[-1].num_refused == 1, "the refusal")
    assert joints[-1] == first
    assert reset(lock_step).error_code == Code.NONE
    lock_step.until(lambda: statuses[-1].status == RobotStatus.READY, "ready")


def test_a_stopped_robot_refuses_to_move_until_it_is_released(lock_step: Bench) -> None:
    states = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    lock_step.until(lambda: bool(states) and states[-1].status == RobotStatus.READY, "ready")
    assert lock_step.call(Trigger, names.STOP, Trigger.Request()).success
    lock_step.until(lambda: states[-1].status == RobotStatus.STOPPED, "stopped")
    assert reset(lock_step).error_code == Code.NOT_READY
    assert lock_step.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
    lock_step.until(lambda: states[-1].status == RobotStatus.READY, "ready again")
    assert reset(lock_step).error_code == Code.NONE
    lock_step.until(lambda: states[-1].episode == 1, "the new episode in the status")


@pytest.mark.parametrize("profile", [qos.EVENT, qos.UNRELIABLE], ids=["reliable", "best_effort"])
def test_the_stop_topic_stops_without_an_answer(lock_step: Bench, profile: QoSProfile) -> None:
    states = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    joints = lock_step.listen(JointState, "joint_states")
    command = commander(lock_step, "command")
    button = lock_step.client.create_publisher(Empty, names.STOP_TOPIC, profile)
    lock_step.until(lambda: button.get_subscription_count() > 0, "stop")
    start = to_ns(reset(lock_step).stamp)
    button.publish(Empty())
    lock_step.until(lambda: bool(states) and states[-1].status == RobotStatus.STOPPED, "stopped")
    command.publish(answer(current(lock_step, joints, start)))
    seen = len(joints)
    lock_step.until(lambda: len(joints) > seen + 2, "repeated states")
    assert to_ns(joints[-1].header.stamp) == start and "stop topic" in states[-1].reason


@pytest.mark.parametrize("wrong", ["not finite", "unknown joint", "extra joint", "velocities only"])
def test_a_command_that_cannot_be_clamped_does_not_move_it(lock_step: Bench, wrong: str) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    command = commander(lock_step, "command")
    start = to_ns(reset(lock_step).stamp)
    first = current(lock_step, joints, start)
    bad = answer(first, float("nan") if wrong == "not finite" else 0.0)
    if wrong == "unknown joint":
        bad.joint_names[2] = "panda_joint9"
    if wrong == "extra joint":
        bad.joint_names.append("panda_finger_joint2")
        bad.points[0].positions.append(0.02)
    if wrong == "velocities only":
        bad.points = [JointTrajectoryPoint(velocities=[0.1] * len(bad.joint_names))]
    statuses = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    command.publish(bad)
    lock_step.until(lambda: bool(statuses) and statuses[-1].num_refused == 1, "a count")
    told = {"extra joint": "panda_finger_joint2", "unknown joint": "panda_joint9"}.get(wrong, wrong)
    assert told in statuses[-1].refusal and statuses[-1].num_applied == 0
    command.publish(answer(first))
    current(lock_step, joints, start + PERIOD_NS)
    assert max(to_ns(state.header.stamp) for state in joints) == start + PERIOD_NS
    lock_step.until(lambda: statuses[-1].num_applied == 1, "the other count")
    assert robot_words(statuses[-1]) == "ready; 1 commands applied"  # as `amf status` shows it


def test_a_person_who_takes_over_is_not_fought_by_the_policy(lock_step: Bench) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    policy, person = commander(lock_step, "command"), commander(lock_step, "teleop/command")
    stamp = to_ns(reset(lock_step).stamp)
    person.publish(answer(current(lock_step, joints, stamp)))
    state = current(lock_step, joints, stamp + PERIOD_NS)
    policy.publish(answer(state))
    seen = len(joints)
    lock_step.until(lambda: len(joints) > seen + 2, "repeated states")
    assert to_ns(joints[-1].header.stamp) == stamp + PERIOD_NS
    person.publish(answer(state))
    current(lock_step, joints, stamp + 2 * PERIOD_NS)


def test_in_real_time_the_arm_holds_when_commands_stop() -> None:
    with bench(real_time_factor=5.0) as real_time:
        real_time.add(RobotNode)
        joints = real_time.listen(JointState, "joint_states")
        clock = real_time.listen(Clock, names.CLOCK)
        command = commander(real_time, "command")
        reset(real_time)
        seen = len(joints)
        real_time.until(lambda: len(joints) > seen + 2, "states")
        began, count = time.monotonic(), len(joints)
        for _ in range(5):
            command.publish(answer(joints[-1], 0.2))
            seen = len(joints)
            real_time.until(lambda seen=seen: len(joints) > seen, "the next state")
        last = len(joints)
        real_time.until(lambda: len(joints) > last + 30, "a second and a half of silence")
        held = np.array([state.position for state in joints[-10:]])
        assert np.ptp(held, axis=0).max() < 5e-3
        rate = (len(joints) - count) / (time.monotonic() - began)
        assert rate < 120.0  # 20 Hz, five times as fast
        stamps = [to_ns(state.header.stamp) for state in joints]
        assert stamps == sorted(stamps) and clock


def test_in_real_time_the_newest_joints_and_scene_are_of_one_instant() -> None:
    """Joints are acted upon, so they come last: whoever reads then has the scene of the same stamp."""
    looks: list[set[int]] = []
    with bench(real_time_factor=3.0) as made:

        def look(stamp_ns: int) -> None:
            now = inputs.read()
            assert now.scene is not None
            looks.append({stamp_ns, now.joints.stamp_ns, now.scene.stamp_ns})

        inputs = StreamInputs(made.client, load_contract("panda_tabletop"), look, exact=False)
        made.add(RobotNode)
        made.until(lambda: len(looks) > 100, "a hundred looks")
    assert sum(len(stamps) == 1 for stamps in looks) > 95, looks[:10]


def test_the_applied_command_is_published_beside_the_asked_one(lock_step: Bench) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    applied = lock_step.listen(JointTrajectory, "applied_command")
    statuses = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    command = commander(lock_step, "command")
    first = current(lock_step, joints, to_ns(reset(lock_step).stamp))
    command.publish(answer(first, 0.0))
    second = current(lock_step, joints, to_ns(first.header.stamp) + PERIOD_NS)
    command.publish(answer(second, 3.0))
    current(lock_step, joints, to_ns(second.header.stamp) + PERIOD_NS)
    lock_step.until(lambda: len(applied) == 2, "applied commands")
    assert [message.header.stamp for message in applied] == [first.header.stamp, second.header.stamp]
    assert applied[0].joint_names == first.name
    assert applied[0].points[0].positions.tolist() == first.position.tolist()
    bounded = np.array(applied[1].points[0].positions) - np.array(applied[0].points[0].positions)
    assert bounded[:7] == pytest.approx(np.array([2.175] * 4 + [2.61] * 3) / 20)
    lock_step.until(lambda: statuses[-1].num_applied == 2, "counts")
    assert statuses[-1].num_changed == 1


def test_in_real_time_stamp_zero_means_now_and_no_points_mean_stop() -> None:
    with bench(real_time_factor=2.0) as made:
        made.add(RobotNode)
        joints = made.listen(JointState, "joint_states")
        applied = made.listen(JointTrajectory, "applied_command")
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        command = commander(made, "teleop/command")
        made.until(lambda: bool(joints), "a state")
        start = joints[-1]
        there = answer(start)
        there.header = Header()
        there.points[0].positions[0] += 0.5
        there.points[0].time_from_start.sec = 1
        while joints[-1].position[0] < start.position[0] + 0.05:
            command.publish(there)
            seen = len(joints)
            made.until(lambda seen=seen: len(joints) > seen, "the next state")
        stamps = {to_ns(state.header.stamp) for state in joints}
        assert applied and all(to_ns(message.header.stamp) in stamps for message in applied)
        command.publish(JointTrajectory(joint_names=start.name))
        seen = len(joints)
        made.until(lambda: len(joints) > seen + 20, "a second")
        assert np.ptp([state.position[0] for state in joints[-8:]]) < 5e-3
        command.publish(answer(joints[1]))
        made.until(lambda: statuses[-1].num_refused > 0, "the refusal")
        assert "before the robot's clock" in statuses[-1].refusal and "too old 1" in statuses[-1].refusal


def newest_status(made: Bench) -> RobotStatus:
    """Of a robot node that has just started."""
    statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    made.add(RobotNode)
    made.until(lambda: bool(statuses), "the status")
    return statuses[0]


@pytest.mark.parametrize("place", ["default", "parameter"])
def test_a_stop_outlives_the_node(place: str, tmp_path: Path, ros_home: Path) -> None:
    more = {"state_directory": str(tmp_path / "kept")} if place == "parameter" else {}
    with bench(real_time_factor=0.0, **more) as made:
        assert newest_status(made).status == RobotStatus.READY
        assert made.call(Trigger, names.STOP, Trigger.Request()).success
    with bench(real_time_factor=0.0, **more) as made:
        status = newest_status(made)
        assert status.status == RobotStatus.STOPPED and "stop service" in status.reason
        assert reset(made).error_code == Code.NOT_READY
        assert made.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
    with bench(real_time_factor=0.0, **more) as made:
        assert newest_status(made).status == RobotStatus.READY
    (file,) = (tmp_path / "kept" if more else ros_home / "amf_ros").iterdir()
    assert file.name == f"stop_{os.environ['ROS_DOMAIN_ID']}.json"
    for damaged in ("{", "[]", "{}", '{"reason": 1}', "\0" * 100):
        file.write_text(damaged)
        with bench(real_time_factor=0.0, **more) as made:
            status = newest_status(made)
            assert status.status == RobotStatus.STOPPED and str(file) in status.reason


def test_a_stop_that_cannot_be_kept_stops_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with bench(real_time_factor=0.0, state_directory=str(tmp_path / "file" / "below")) as made:
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        made.add(RobotNode)
        assert made.call(Trigger, names.STOP, Trigger.Request()).success
        made.until(lambda: bool(statuses) and statuses[-1].status == RobotStatus.STOPPED, "stopped")


def test_a_stop_that_could_not_be_kept_is_kept_when_it_is_pressed_again(tmp_path: Path) -> None:
    """By the robot node where there is place by then, by others where the node has died meanwhile."""
    in_the_way = tmp_path / "kept"
    fields = {"real_time_factor": 0.0, "state_directory": str(in_the_way)}
    with bench(**fields) as made:
        robot = made.add(RobotNode)
        StopKeeper(made.client)
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        asked = made.listen(Bool, names.STOP_ASKED, latched=True)
        button = made.client.create_publisher(Empty, names.STOP_TOPIC, qos.EVENT)
        made.until(lambda: button.get_subscription_count() >= 2, "robot and keeper to listen")
        in_the_way.write_text("")
        button.publish(Empty())
        made.until(lambda: bool(statuses) and statuses[-1].status == RobotStatus.STOPPED, "stopped")
        in_the_way.unlink()
        button.publish(Empty())
        made.until(lambda: in_the_way.is_dir() and any(in_the_way.glob("stop*.json")), "the robot to keep it")
        assert "stop topic" in next(in_the_way.iterdir()).read_text()
        made.until(lambda: bool(asked) and not asked[-1].data, "the keeper to let go")
        made.executor.remove_node(robot)  # it hears nothing any more
        button.publish(Empty())
        made.until(lambda: asked[-1].data, "the keeper to hold it")


@pytest.mark.parametrize("way", ["topic", "service"])
def test_a_stop_pressed_once_on_a_full_disk_is_held_by_others_until_it_is_kept(
    tmp_path: Path, way: str
) -> None:
    in_the_way = tmp_path / "kept"
    with bench(real_time_factor=0.0, state_directory=str(in_the_way)) as made:
        made.add(RobotNode)
        StopKeeper(made.client)
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        asked = made.listen(Bool, names.STOP_ASKED, latched=True)
        button = made.client.create_publisher(Empty, names.STOP_TOPIC, qos.EVENT)
        made.until(lambda: button.get_subscription_count() >= 2, "robot and keeper to listen")
        in_the_way.write_text("")
        if way == "topic":
            button.publish(Empty())
        else:
            assert made.call(Trigger, names.STOP, Trigger.Request()).success
        made.until(lambda: bool(statuses) and statuses[-1].status == RobotStatus.STOPPED, "stopped")
        until = time.monotonic() + 3.0 * NEWS_S
        made.until(lambda: time.monotonic() > until, "what may make the keeper let go")
        assert asked and asked[-1].data
        in_the_way.unlink()  # there is place again
        made.until(lambda: not asked[-1].data, "the keeper to let go")
        assert "stop" in next(in_the_way.iterdir()).read_text()


@pytest.mark.parametrize(
    ("holder", "profile"),
    [("a keeper", qos.EVENT), ("a keeper", qos.UNRELIABLE), ("its publisher", qos.LATCHED)],
    ids=["a keeper", "a keeper, best_effort", "its publisher"],
)
def test_a_stop_that_came_while_the_robot_was_away_is_held_for_it(holder: str, profile: QoSProfile) -> None:
    with bench(real_time_factor=0.0) as made:
        if holder == "a keeper":
            StopKeeper(made.client)
        asked = made.listen(Bool, names.STOP_ASKED, latched=True)
        button = made.client.create_publisher(Empty, names.STOP_TOPIC, profile)
        if holder == "a keeper":
            made.until(lambda: button.get_subscription_count() > 0, "the keeper")
        button.publish(Empty())
        if holder == "a keeper":
            made.until(lambda: bool(asked) and asked[-1].data, "the keeper's word")
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        made.add(RobotNode)
        made.until(lambda: bool(statuses) and statuses[-1].status == RobotStatus.STOPPED, "stopped")
        assert made.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
        made.until(lambda: statuses[-1].status == RobotStatus.READY, "ready")
        if holder == "a keeper":
            made.until(lambda: not asked[-1].data, "the keeper to let go")
    with bench(real_time_factor=0.0) as made:
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        made.add(RobotNode)
        made.until(lambda: bool(statuses), "the status")
        assert statuses[-1].status == RobotStatus.READY


def test_the_status_is_not_published_with_each_command() -> None:
    with bench(real_time_factor=20.0) as made:
        made.add(RobotNode)
        joints = made.listen(JointState, "joint_states")
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        command = commander(made, "command")
        made.until(lambda: bool(joints), "a state")
        began = time.monotonic()
        while not statuses or statuses[-1].num_applied < 20:
            assert time.monotonic() < began + DEADLINE_S
            command.publish(answer(joints[-1]))
            seen = len(joints)
            made.until(lambda seen=seen: len(joints) > seen, "the next state")
        assert len(statuses) <= 3 + 2.0 * (time.monotonic() - began)


def test_a_camera_publishes_pictures() -> None:
    with bench(real_time_factor=0.0, camera_hz=5.0, camera_width=64, camera_height=48) as made:
        made.add(RobotNode)
        images = made.listen(Image, names.CAMERA)
        reset(made)
        made.until(lambda: bool(images), "a picture")
        assert (images[-1].width, images[-1].height, images[-1].encoding) == (64, 48, "rgb8")
        assert len(set(images[-1].data)) > 10


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        ("velocity_scale", 2.0, "velocity_scale"),
        ("robot", "pybulet", "did you mean 'pybullet'"),
        ("suite", "tabeltop", "did you mean 'tabletop'"),
        ("contract", "panda", "panda_tabletop"),
        ("real_time_factor", "fast", "real_time_factor"),
    ],
)
def test_a_wrong_parameter_ends_it_with_one_clear_line(parameter: str, value: object, text: str) -> None:
    from amf_ros.core.errors import AmfError

    with bench(**{parameter: value}) as made, pytest.raises(AmfError, match=text) as error:
        made.add(RobotNode)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ConfigError) or "unknown" in str(error.value)


def test_a_suite_with_its_own_simulator_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
    text = "brings its own simulator.*in-process only, not on the ROS graph"
    with bench(suite="examples.own_suite:ArmSuite") as made, pytest.raises(ConfigError, match=text):
        made.add(RobotNode)


def test_a_robot_that_leaves_while_stopped_says_both() -> None:
    """A keeper that waits for the robot's word is not left waiting, and the reader knows that it is gone."""
    with bench(real_time_factor=0.0) as made:
        statuses = made.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        robot = made.add(RobotNode)
        assert made.call(Trigger, names.STOP, Trigger.Request()).success
        robot.begin_shutdown()
        made.until(lambda: bool(statuses) and "shutting down" in statuses[-1].reason, "its last word")
        assert statuses[-1].status == RobotStatus.STOPPED and "stop service" in statuses[-1].reason
        made.nodes.remove(robot)
        robot.destroy_node()
