"""The robot node with an arm that is no simulator: its stamps, its refusals, and what happens without it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from support.lab_arm import JOINTS, LabArm
from support.nodes import Bench, bench
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus
from amf_msgs.srv import ResetScene
from amf_ros.core.errors import AmfError
from amf_ros.nodes.robot import RobotNode
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import to_ns

ROBOT = "support.lab_arm:LabArm"
PERIOD_S = 0.05


class Lab:
    """A robot node with such an arm, released, and a policy's commands."""

    def __init__(self, on: Bench) -> None:
        self.on = on
        self.joints = on.listen(JointState, "joint_states")
        self.applied = on.listen(JointTrajectory, "applied_command")
        self.clock = on.listen(Clock, names.CLOCK)
        self.statuses = on.listen(RobotStatus, names.ROBOT_STATUS, latched=True)
        on.add(RobotNode)
        self.arm = LabArm.newest
        self.command = on.client.create_publisher(JointTrajectory, "command", qos.STREAM)
        on.until(lambda: self.command.get_subscription_count() > 0, "the robot")

    def release(self) -> None:
        assert self.on.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success

    def status(self, status: int, reason: str = "") -> RobotStatus:
        def said() -> bool:
            return bool(self.statuses) and (
                self.statuses[-1].status == status and reason in self.statuses[-1].reason
            )

        self.on.until(said, f"status {status} {reason!r}")
        return self.statuses[-1]

    def drive(self, change: float) -> None:
        """Answer the newest state: joint 1 shall go on from where it is."""
        state = self.joints[-1]
        where = dict(zip(state.name, state.position, strict=True))
        positions = [where[name] + (change if name == JOINTS[0] else 0.0) for name in JOINTS]
        point = JointTrajectoryPoint(positions=positions)
        point.time_from_start.nanosec = 50_000_000
        self.command.publish(JointTrajectory(header=state.header, joint_names=list(JOINTS), points=[point]))

    def drive_until(self, done, what: str) -> None:
        end, seen = time.monotonic() + 30.0, 0
        while not done():
            assert time.monotonic() < end, f"waited for {what}"
            if len(self.joints) > seen:
                seen = len(self.joints)
                self.drive(0.05)
            self.on.executor.spin_once(timeout_sec=0.02)


@pytest.fixture(autouse=True)
def no_node_is_kept() -> Iterator[None]:
    """An arm knows the node that runs it."""
    yield
    if hasattr(LabArm, "newest"):
        del LabArm.newest


@pytest.fixture
def lab() -> Iterator[Lab]:
    with bench(robot=ROBOT, robot_config="lab.yaml") as made:
        lab = Lab(made)
        made.until(lambda: bool(lab.joints), "a state")
        lab.release()
        lab.status(RobotStatus.READY)
        yield lab


def test_a_real_arm_starts_stopped_and_holds_where_it_is() -> None:
    with bench(robot=ROBOT) as made:
        lab = Lab(made)
        lab.status(RobotStatus.STOPPED, "look at the arm")
        made.until(lambda: bool(lab.arm.written), "the hold")
        held = lab.arm.written[0]
        lab.drive_until(lambda: lab.statuses[-1].num_refused > 0, "a refusal")
        assert len(lab.arm.written) == 1 and set(held.names) == set(JOINTS)
        assert np.allclose(lab.arm.position, lab.arm.target)
    assert lab.arm.closed and lab.arm.holds == 1


def test_states_and_applied_commands_carry_the_arms_own_stamps_and_there_is_no_clock(lab: Lab) -> None:
    lab.drive_until(lambda: len(lab.applied) >= 10, "applied commands")
    assert {to_ns(state.header.stamp) for state in lab.joints} <= lab.arm.said
    assert {to_ns(applied.header.stamp) for applied in lab.applied} <= lab.arm.said
    assert abs(to_ns(lab.joints[-1].header.stamp) - time.time_ns() - lab.arm.ahead_ns) < 10**9
    assert lab.joints[-1].name[0] == "lift"  # the arm's order and its other joints
    assert not lab.clock and lab.on.client.count_publishers(names.CLOCK) == 0
    assert lab.on.client.count_publishers("scene_state") == 0
    assert lab.arm.position[0] > 0.05
    assert (lab.arm.context.rate_hz, lab.arm.context.config) == (20.0, "lab.yaml")
    assert lab.arm.context.node is lab.on.nodes[0]


def test_the_gate_stands_before_a_real_arm_too(lab: Lab) -> None:
    seen = len(lab.arm.written)
    lab.drive(100.0)
    lab.on.until(lambda: len(lab.arm.written) > seen, "the command")
    assert lab.arm.written[seen].position[0] <= lab.arm.limits[JOINTS[0]].velocity * PERIOD_S + 1e-9
    lab.drive(float("nan"))
    lab.on.until(lambda: lab.statuses[-1].num_refused == 1, "the refusal")
    assert "not finite" in lab.statuses[-1].refusal
    assert all(np.isfinite(command.position).all() for command in lab.arm.written)


@pytest.mark.parametrize("how", ["gone", "frozen", "protective"])
def test_an_arm_that_vanishes_is_a_fault_and_it_recovers_when_it_is_back(lab: Lab, how: str) -> None:
    lab.drive_until(lambda: len(lab.applied) >= 3, "motion")
    setattr(lab.arm, how, "protective stop: release it on the pendant" if how == "protective" else True)
    wanted = {
        "gone": "no joint state comes from the arm",
        "frozen": "no joint state came from the arm for",
        "protective": "protective stop",
    }[how]
    lab.status(RobotStatus.FAULT, wanted)
    seen, written = len(lab.joints), len(lab.arm.written)
    lab.drive(0.05)
    lab.on.until(lambda: "may not move" in lab.statuses[-1].refusal, "the refusal")
    assert len(lab.joints) == seen and len(lab.arm.written) == written
    assert lab.arm.holds > 0 or how == "gone"
    setattr(lab.arm, how, "" if how == "protective" else False)
    lab.status(RobotStatus.READY)
    lab.on.until(lambda: len(lab.arm.written) > written, "the hold")
    held = dict(zip(lab.arm.written[-1].names, lab.arm.written[-1].position, strict=True))
    assert held[JOINTS[0]] == pytest.approx(lab.arm.position[0], abs=1e-3)
    applied = len(lab.applied)
    lab.drive_until(lambda: len(lab.applied) > applied, "motion again")


def _reset_by_peer(state: JointState) -> JointState:
    raise ConnectionResetError(104, "Connection reset by peer")


@pytest.mark.parametrize(
    ("says", "text"),
    [
        (_reset_by_peer, "read raised ConnectionResetError.*reset by peer.*test_real_arm.py:"),
        (lambda state: {"q": [0.0]}, "read raised AttributeError"),
        (lambda state: replace(state, position=state.position * np.nan), "is nan; each needs one finite"),
        (lambda state: replace(state, position=state.position[:-1]), "9 names and positions of shape"),
        (lambda state: replace(state, names=(JOINTS[0], *state.names[1:])), f"{JOINTS[0]} .* stands twice"),
        (lambda state: replace(state, stamp_ns=2**70), "is stamped 1180591620717411303424 ns"),
        (lambda state: replace(state, stamp_ns=-1), "is stamped -1 ns"),
    ],
    ids=["raises", "a dict", "nan", "short", "twice", "far stamp", "negative stamp"],
)
def test_what_an_arm_says_that_is_no_state_is_a_fault_by_name_and_ends_nothing(
    lab: Lab, says: Callable[[JointState], object], text: str
) -> None:
    lab.drive_until(lambda: len(lab.applied) >= 3, "motion")
    lab.arm.says = says
    faulted = lab.status(RobotStatus.FAULT)
    assert re.search(text, faulted.reason), faulted.reason
    seen, written = len(lab.joints), len(lab.arm.written)
    until = time.monotonic() + 1.5  # longer than a timer may fail in a row
    lab.on.until(lambda: time.monotonic() > until, "a while")
    assert not lab.on.nodes[0].guard.broken
    assert len(lab.joints) == seen and len(lab.arm.written) == written and lab.arm.holds > 0
    lab.arm.says = lambda state: state
    lab.status(RobotStatus.READY)
    applied = len(lab.applied)
    lab.drive_until(lambda: len(lab.applied) > applied, "motion again")


def test_an_arm_whose_clock_goes_back_holds_and_is_driven_by_the_new_clock(lab: Lab) -> None:
    lab.drive_until(lambda: len(lab.applied) >= 3, "motion")
    written = len(lab.arm.written)
    lab.arm.says = lambda state: replace(state, stamp_ns=state.stamp_ns - 3_600_000_000_000)
    lab.on.until(lambda: any("clock went back by 3" in status.reason for status in lab.statuses), "the fault")
    lab.status(RobotStatus.READY)
    lab.on.until(lambda: len(lab.arm.written) > written, "the hold")
    applied = len(lab.applied)
    lab.drive_until(lambda: len(lab.applied) > applied, "motion again")


def test_an_arm_whose_calls_raise_refuses_is_told_to_hold_and_is_asked_again(lab: Lab) -> None:
    lab.arm.breaks = ("write", "hold")
    lab.drive_until(lambda: lab.statuses[-1].status == RobotStatus.FAULT, "the fault")
    assert "the arm does not take a hold: the arm's hold raised ConnectionReset" in lab.statuses[-1].reason
    assert "the arm's write raised ConnectionReset" in lab.statuses[-1].refusal and lab.arm.holds > 0
    lab.arm.breaks = ()
    lab.status(RobotStatus.READY)
    lab.drive_until(lambda: bool(lab.applied), "motion")
    assert not lab.on.nodes[0].guard.broken


def test_an_arm_that_is_not_there_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabArm, "born_gone", True)
    with bench(robot=ROBOT) as made:
        lab = Lab(made)
        lab.release()
        lab.status(RobotStatus.FAULT, "nothing answers at arm.example")
        lab.on.until(lambda: lab.arm.connects >= 2, "another try")
        assert not lab.joints
        lab.arm.gone = False
        lab.status(RobotStatus.READY)
        lab.on.until(lambda: bool(lab.joints), "a state")


def test_an_arm_that_lags_moves_all_the_same(lab: Lab) -> None:
    lab.arm.lag_ns = 60_000_000
    lab.drive_until(lambda: len(lab.applied) >= 10, "motion")
    assert lab.statuses[-1].status == RobotStatus.READY and lab.arm.position[0] > 0.05
    assert {to_ns(state.header.stamp) for state in lab.joints} <= lab.arm.said


def test_an_arm_that_refuses_is_counted_with_its_reason_and_asked_again(lab: Lab) -> None:
    lab.arm.refuses = "panda_arm_controller is inactive; switch it on"
    lab.drive_until(lambda: lab.statuses[-1].num_refused > 0, "a refusal")
    assert "is inactive; switch it on" in lab.statuses[-1].refusal
    assert "controller inactive" in lab.statuses[-1].refusal and lab.arm.holds > 0
    lab.arm.refuses = ""
    lab.drive_until(lambda: bool(lab.applied), "motion")


def test_a_stop_holds_a_real_arm_at_one_position(lab: Lab) -> None:
    lab.drive_until(lambda: len(lab.applied) >= 3, "motion")
    assert lab.on.call(Trigger, names.STOP, Trigger.Request()).success
    lab.status(RobotStatus.STOPPED)
    written = len(lab.arm.written)
    lab.on.until(lambda: len(lab.arm.written) > written, "the hold")
    seen = len(lab.joints)
    lab.drive_until(lambda: len(lab.joints) > seen + 10, "half a second")
    assert len(lab.arm.written) == written + 1


def test_the_scene_of_a_real_arm_is_placed_by_a_person_and_a_refused_reset_changes_nothing(lab: Lab) -> None:
    request = ResetScene.Request(task_id="press_button", seed=1)
    response = lab.on.call(ResetScene, names.RESET_SCENE, request)
    assert response.error_code == ResetScene.Response.OPERATOR_REQUIRED
    assert "put the scene of task press_button in place" in response.error_msg
    assert lab.statuses[-1].episode == 0 and lab.statuses[-1].status == RobotStatus.READY
    unknown = lab.on.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="press_buton"))
    assert unknown.error_code == ResetScene.Response.UNKNOWN_TASK


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"real_time_factor": 0.0}, "no simulator.*real_time_factor:=1.0"),
        ({"real_time_factor": 2.0}, "no simulator.*real_time_factor:=1.0"),
        ({"camera_hz": 5.0}, "draws no pictures; set it to 0"),
        ({"robot": "support.lab_arm:Nobody"}, "support.lab_arm has no 'Nobody'"),
        ({"robot": "no_such_lab.arm:Arm"}, "no module 'no_such_lab'"),
        ({"robot": "support.lab_arm:NOTHING"}, "is 3, neither a class nor a function"),
        ({"robot": "support.lab_arm:takes_two"}, "called with a RobotContext and nothing else"),
        ({"robot": "support.lab_arm:Halfway"}, "lacks read, write, hold, close"),
        ({"robot": "support.lab_arm:Raising"}, "cannot be made: it raised OSError.*ttyUSB0.*lab_arm.py:"),
        ({"robot": "support.lab_arm:Unlimited"}, "no limits of joint panda_finger_joint1"),
        ({"robot": "pybullet", "robot_config": "ur5e"}, "robot 'pybullet' reads none"),
    ],
)
def test_a_robot_that_cannot_be_made_ends_it_with_one_clear_line(parameters: dict, text: str) -> None:
    with bench(**{"robot": ROBOT, **parameters}) as made, pytest.raises(AmfError, match=text) as error:
        made.add(RobotNode)
    assert "\n" not in str(error.value)
