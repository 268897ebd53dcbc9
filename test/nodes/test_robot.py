"""The robot node: who moves it, who stops it, and what it says of wrong requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Empty
from std_srvs.srv import Trigger
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus, SceneState
from amf_msgs.srv import ResetScene
from amf_ros.errors import ConfigError
from amf_ros.nodes.robot import RobotNode
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import to_ns

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


def current(on: Bench, states: list[JointState], stamp_ns: int) -> JointState:
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


def test_the_stop_topic_stops_without_an_answer(lock_step: Bench) -> None:
    states = lock_step.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
    joints = lock_step.listen(JointState, "joint_states")
    command = commander(lock_step, "command")
    button = lock_step.client.create_publisher(Empty, names.STOP_TOPIC, qos.EVENT)
    lock_step.until(lambda: button.get_subscription_count() > 0, "stop")
    start = to_ns(reset(lock_step).stamp)
    button.publish(Empty())
    lock_step.until(lambda: bool(states) and states[-1].status == RobotStatus.STOPPED, "stopped")
    command.publish(answer(current(lock_step, joints, start)))
    seen = len(joints)
    lock_step.until(lambda: len(joints) > seen + 2, "repeated states")
    assert to_ns(joints[-1].header.stamp) == start and "stop topic" in states[-1].reason


@pytest.mark.parametrize("wrong", ["not finite", "unknown joint", "no point"])
def test_a_command_that_cannot_be_clamped_does_not_move_it(lock_step: Bench, wrong: str) -> None:
    joints = lock_step.listen(JointState, "joint_states")
    command = commander(lock_step, "command")
    start = to_ns(reset(lock_step).stamp)
    first = current(lock_step, joints, start)
    bad = answer(first, float("nan") if wrong == "not finite" else 0.0)
    if wrong == "unknown joint":
        bad.joint_names[2] = "panda_joint9"
    if wrong == "no point":
        bad.points = []
    command.publish(bad)
    command.publish(answer(first))
    current(lock_step, joints, start + PERIOD_NS)
    assert max(to_ns(state.header.stamp) for state in joints) == start + PERIOD_NS


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
    from amf_ros.errors import AmfError

    with bench(**{parameter: value}) as made, pytest.raises(AmfError, match=text) as error:
        made.add(RobotNode)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ConfigError) or "unknown" in str(error.value)


def test_a_suite_with_its_own_simulator_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
    text = "brings its own simulator.*in-process only, not on the ROS graph"
    with bench(suite="examples.own_suite:ArmSuite") as made, pytest.raises(ConfigError, match=text):
        made.add(RobotNode)
