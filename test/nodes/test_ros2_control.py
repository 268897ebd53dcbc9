"""The robot node with robot:=mock and the mock's node, over the topics of ros2_control."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus
from amf_msgs.srv import ResetScene
from amf_ros.nodes.mock_arm import MockArmNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import time_msg, to_ns

SUPPORT = Path(__file__).parents[1] / "support"
PARAMETERS: dict[str, Any] = {
    "robot": "mock",
    "robot_config": str(SUPPORT / "mock_robot.yaml"),
    "contract": str(SUPPORT / "mock_contract.yaml"),
}
JOINTS = ("shoulder", "elbow", "finger")
PERIOD_NS = 50_000_000


class Rehearsal:
    """Both nodes, and a policy's commands."""

    def __init__(self, on: Bench, *, mock: bool = True) -> None:
        self.on = on
        self.joints = on.listen(JointState, "joint_states")
        self.sent = on.listen(JointTrajectory, "small_arm_controller/joint_trajectory")
        self.applied = on.listen(JointTrajectory, "applied_command")
        self.statuses = on.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        self.robot = on.add(RobotNode)
        self.mock = on.add(MockArmNode) if mock else None
        self.command = on.client.create_publisher(JointTrajectory, "command", qos.STREAM)
        on.until(lambda: self.command.get_subscription_count() > 0, "the robot")

    def status(self, status: int, reason: str = "") -> RobotStatus:
        def said() -> bool:
            last = self.statuses[-1] if self.statuses else None
            return last is not None and last.status == status and reason in last.reason

        self.on.until(said, f"status {status} {reason!r}")
        return self.statuses[-1]

    def enable(self) -> None:
        assert self.on.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
        self.status(RobotStatus.READY)

    def where(self) -> dict[str, float]:
        state = next(one for one in reversed(self.joints) if set(JOINTS) <= set(one.name))
        return dict(zip(state.name, state.position, strict=True))

    def drive(self, change: float, *more: float, finger: float = 0.02) -> None:
        """Answer the newest state: the shoulder goes on from where it is, in one point or several."""
        now, state = self.where(), self.joints[-1]
        message = JointTrajectory(header=state.header, joint_names=list(JOINTS))
        for k, each in enumerate((change, *more)):
            point = JointTrajectoryPoint(positions=[now["shoulder"] + each, now["elbow"], finger])
            point.time_from_start.nanosec = (k + 1) * PERIOD_NS
            message.points.append(point)
        self.command.publish(message)

    def drive_until(self, done: Callable[[], bool], what: str, change: float = 0.05, **more: float) -> None:
        end, last_s = time.monotonic() + 30.0, 0.0
        while not done():
            assert time.monotonic() < end, f"waited for {what}"
            if self.joints and time.monotonic() - last_s > 0.045:
                last_s = time.monotonic()
                self.drive(change, **more)
            self.on.executor.spin_once(timeout_sec=0.01)

    def fail(self, fault: str) -> Any:
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=fault)
        request = SetParameters.Request(parameters=[Parameter(name="fault", value=value)])
        return self.on.call(SetParameters, "mock_arm/set_parameters", request).results[0]


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with bench(**PARAMETERS) as made:
        made_up = Rehearsal(made)
        made_up.status(RobotStatus.STOPPED)
        made_up.on.until(lambda: bool(made_up.joints), "a state")
        made_up.enable()
        yield made_up


def test_a_mock_starts_stopped_and_moves_once_it_is_enabled() -> None:
    with bench(**PARAMETERS) as made:
        one = Rehearsal(made)
        one.status(RobotStatus.STOPPED, "look at the arm")
        made.until(lambda: len(one.joints) > 30, "states")
        begin = one.where()
        one.drive_until(lambda: one.statuses[-1].num_refused > 3, "refusals")
        assert one.where() == pytest.approx(begin) and begin["shoulder"] == pytest.approx(0.1)
        one.enable()
        one.drive_until(lambda: one.where()["shoulder"] > 0.5, "motion")
        assert one.applied


def test_the_driver_alone_says_the_joints(rehearsal: Rehearsal) -> None:
    assert rehearsal.on.client.count_publishers("joint_states") == 1
    assert list(rehearsal.joints[-1].name) == sorted(JOINTS)
    assert np.isnan(rehearsal.joints[-1].effort).all()
    assert rehearsal.on.client.count_publishers(names.CLOCK) == 0


def test_arm_and_gripper_reach_their_controllers(rehearsal: Rehearsal) -> None:
    hand = rehearsal.on.listen(JointTrajectory, "small_hand_controller/joint_trajectory")
    rehearsal.drive_until(lambda: rehearsal.where()["finger"] > 0.039, "an open gripper", finger=0.04)
    assert set(rehearsal.sent[-1].joint_names) == {"shoulder", "elbow"}
    assert list(hand[-1].joint_names) == ["finger"]
    stamp_ns = to_ns(rehearsal.sent[-1].header.stamp)
    assert abs(stamp_ns - time.time_ns()) < 10**9, "it is stamped on the clock of the states"


def test_a_chunk_is_sent_as_points_with_velocities_that_end_at_rest(rehearsal: Rehearsal) -> None:
    seen = len(rehearsal.sent)
    rehearsal.drive(0.02, 0.04, 0.06, 0.08)

    def several() -> list[JointTrajectory]:
        return [one for one in rehearsal.sent[seen:] if len(one.points) > 1]

    rehearsal.on.until(lambda: bool(several()), "several points")
    points = several()[0].points
    assert all(len(point.velocities) == 2 for point in points)
    assert points[0].velocities[0] > 0.1 and set(points[-1].velocities) == {0.0}
    assert to_ns(points[-1].time_from_start) <= 150_000_000, (
        "what is sent ahead ends within the watchdog's time"
    )


def test_when_commands_stop_it_holds(rehearsal: Rehearsal) -> None:
    rehearsal.drive_until(lambda: rehearsal.where()["shoulder"] > 0.4, "motion")
    end_s = time.monotonic() + 0.5
    while time.monotonic() < end_s:
        rehearsal.on.executor.spin_once(timeout_sec=0.01)
    held, seen = rehearsal.where()["shoulder"], len(rehearsal.joints)
    rehearsal.on.until(lambda: len(rehearsal.joints) > seen + 30, "states")
    assert rehearsal.where()["shoulder"] == pytest.approx(held, abs=1e-9)


def test_a_hold_does_not_open_a_gripper_that_holds_something() -> None:
    with bench(**PARAMETERS, noise=0.0002) as made:  # it is never measured quite where it was told to be
        one = Rehearsal(made)
        made.until(lambda: bool(one.joints), "a state")
        one.enable()
        hand = made.listen(JointTrajectory, "small_hand_controller/joint_trajectory")
        one.drive_until(lambda: bool(hand) and hand[-1].points[-1].positions[0] == 0.0, "it", finger=0.0)
        told, seen = len(hand), len(one.sent)
        assert made.call(Trigger, names.STOP, Trigger.Request()).success
        made.until(lambda: len(one.sent) > seen, "the hold")
        after = len(one.joints)
        made.until(lambda: len(one.joints) > after + 20, "states")
        assert all(each.points[-1].positions[0] == 0.0 for each in hand[told:]), "it was told to let go"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("drop_out", "no new state of joint"),
        ("stale_stamps", "no new state of joint"),
        ("nan", "shoulder of the arm's state is nan"),
        (
            "protective_stop",
            "driver/program_running says data = False, with True the arm may move: press",
        ),
    ],
)
def test_a_fault_holds_the_arm_by_name_and_it_goes_on_when_it_is_mended(
    rehearsal: Rehearsal, fault: str, reason: str
) -> None:
    rehearsal.drive_until(lambda: len(rehearsal.applied) > 3, "motion")
    assert rehearsal.fail(fault).successful
    rehearsal.status(RobotStatus.FAULT, reason)
    rehearsal.drive(0.05)
    assert rehearsal.fail("").successful
    rehearsal.status(RobotStatus.READY)
    begin = rehearsal.where()["shoulder"]
    seen = len(rehearsal.joints)
    rehearsal.on.until(lambda: len(rehearsal.joints) > seen + 20, "states")
    assert rehearsal.where()["shoulder"] == pytest.approx(begin, abs=1e-6), "it moved unasked"
    rehearsal.drive_until(lambda: rehearsal.where()["shoulder"] > begin + 0.1, "motion again")


def test_an_arm_that_was_moved_meanwhile_goes_on_from_where_it_is(rehearsal: Rehearsal) -> None:
    begin = rehearsal.where()["shoulder"]
    assert rehearsal.fail("jump").successful
    rehearsal.status(RobotStatus.FAULT, "no new state")
    rehearsal.status(RobotStatus.READY)
    seen = len(rehearsal.joints)
    rehearsal.on.until(lambda: len(rehearsal.joints) > seen + 20, "states")
    assert rehearsal.where()["shoulder"] == pytest.approx(begin + 0.3, abs=1e-3)


def test_a_controller_that_takes_nothing_is_not_left_far_behind(rehearsal: Rehearsal) -> None:
    assert rehearsal.fail("deactivated").successful
    begin = rehearsal.where()
    seen = len(rehearsal.sent)

    def drive_away() -> bool:
        message = JointTrajectory(header=rehearsal.joints[-1].header, joint_names=["shoulder"])
        point = JointTrajectoryPoint(positions=[begin["shoulder"] + 1.5])
        point.time_from_start.nanosec = PERIOD_NS
        message.points.append(point)
        rehearsal.command.publish(message)
        return len(rehearsal.sent) > seen + 20

    rehearsal.on.until(drive_away, "commands")
    row = list(rehearsal.sent[-1].joint_names).index("shoulder")
    away = [abs(p.positions[row] - begin["shoulder"]) for one in rehearsal.sent[seen:] for p in one.points]
    assert 0.2 < max(away) <= 0.3 + 1e-9, "limits.shoulder.following_error"


def test_a_person_is_asked_for_the_scene_and_the_episode_begins_when_it_is_there(
    rehearsal: Rehearsal,
) -> None:
    on = rehearsal.on
    wanted = on.listen(String, names.SCENE_WANTED, latched=True)
    assert not on.call(Trigger, names.SCENE_READY, Trigger.Request()).success
    request = ResetScene.Request(task_id="press_button", seed=3)
    for _ in range(2):
        answer = on.call(ResetScene, names.RESET_SCENE, request)
        assert answer.error_code == ResetScene.Response.OPERATOR_REQUIRED
        assert "put the scene of task press_button in place" in answer.error_msg
    on.until(lambda: bool(wanted) and "press_button" in wanted[-1].data, "the words")
    assert on.call(Trigger, names.SCENE_READY, Trigger.Request()).success
    begun = on.call(ResetScene, names.RESET_SCENE, request)
    assert begun.error_code == 0 and to_ns(begun.stamp) > 0
    on.until(lambda: rehearsal.statuses[-1].episode == 1 and wanted[-1].data == "", "the episode")
    again = on.call(ResetScene, names.RESET_SCENE, request)
    assert again.error_code == 0, "nothing moved since: the scene is still in place"
    rehearsal.drive_until(lambda: len(rehearsal.applied) > 2, "motion")
    used = on.call(ResetScene, names.RESET_SCENE, request)
    assert used.error_code == ResetScene.Response.OPERATOR_REQUIRED, "the arm has moved: place it again"
    other = on.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="open_door"))
    assert other.error_code == ResetScene.Response.OPERATOR_REQUIRED and "open_door" in other.error_msg


def test_a_fault_that_there_is_not_is_refused(rehearsal: Rehearsal) -> None:
    result = rehearsal.fail("fire")
    assert not result.successful and "fault is 'fire'; allowed: '', 'drop_out'" in result.reason


def test_without_a_driver_it_says_what_is_missing() -> None:
    with bench(**PARAMETERS) as made:
        one = Rehearsal(made, mock=False)
        one.status(RobotStatus.STOPPED, "nothing is heard on safety topic driver/program_running")


def test_a_robot_file_that_allows_more_than_the_urdf_is_a_fault(rehearsal: Rehearsal) -> None:
    publisher = rehearsal.on.client.create_publisher(String, "robot_description", qos.LATCHED)
    urdf = "".join(
        f"<joint name='{name}' type='revolute'><child link='{name}'/>"
        f"<limit lower='-1' upper='1' velocity='5' effort='1'/></joint>"
        for name in JOINTS
    )
    publisher.publish(String(data=f"<robot name='small'>{urdf}</robot>"))
    rehearsal.status(RobotStatus.FAULT, "lets shoulder go from -2 to 2, its URDF from -1 to 1")


@pytest.mark.parametrize("ways", [{"split_states": True}, {"velocities": False}, {"jitter_ms": 30.0}])
def test_states_may_come_in_parts_without_velocities_and_late(ways: dict[str, Any]) -> None:
    with bench(**PARAMETERS, **ways) as made:
        one = Rehearsal(made)
        made.until(lambda: len(one.joints) > 10, "states")
        one.enable()
        seen = len(one.sent)
        made.until(lambda: len(one.joints) > 60, "states")
        assert one.statuses[-1].status == RobotStatus.READY
        assert len(one.sent) <= seen + 1, "a hold is sent once"


def test_safety_fields_of_one_topic_that_is_repeated(tmp_path: Path) -> None:
    text = (SUPPORT / "mock_robot.yaml").read_text()
    before, _, after = text.partition("safety:\n")
    fields = "".join(
        f"  - {{topic: driver/state, type: std_msgs/msg/Header, field: {field}, may_move: [{value}], "
        "latched: false}\n"
        for field, value in (("frame_id", "running"), ("stamp.sec", 7))
    )
    path = tmp_path / "two.yaml"
    path.write_text(f"{before}safety:\n{fields}urdf:{after.partition('urdf:')[2]}")
    with bench(**{**PARAMETERS, "robot_config": str(path)}) as made:
        one = Rehearsal(made)
        made.until(lambda: bool(one.joints), "a state")
        one.enable()
        assert one.fail("protective_stop").successful
        one.status(RobotStatus.FAULT, "driver/state says frame_id = STOPPED, with running the arm may move")
        assert one.fail("").successful
        one.status(RobotStatus.READY)
        one.mock._safety.clear()  # the driver hangs: its publisher is there and says nothing
        one.status(RobotStatus.FAULT, "nothing is heard on safety topic driver/state")


def test_commands_are_stamped_zero_where_the_clock_of_the_states_is_off() -> None:
    with bench(**PARAMETERS) as made:
        one = Rehearsal(made, mock=False)
        states = made.client.create_publisher(JointState, "joint_states", qos.STREAM)
        made.client.create_publisher(Bool, "driver/program_running", qos.LATCHED).publish(Bool(data=True))
        made.client.create_subscription(JointTrajectory, "small_hand_controller/joint_trajectory", id, 1)

        def say() -> None:
            message = JointState(name=list(JOINTS), position=[0.1, 0.2, 0.02])
            message.header.stamp = time_msg(time.time_ns() - 5_000_000_000)
            states.publish(message)

        made.client.create_timer(0.02, say)
        made.until(lambda: bool(one.joints), "a state")
        one.enable()
        seen = len(one.sent)
        one.drive_until(lambda: len(one.sent) > seen + 3, "commands")
        assert {to_ns(command.header.stamp) for command in one.sent[seen:]} == {0}
