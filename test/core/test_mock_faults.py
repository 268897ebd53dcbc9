"""The mock's joints at limits, under streams while something is wrong, and on clocks that begin at zero."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from amf_ros.arm.robot_file import RobotFile
from amf_ros.mock.mock_joints import JUMP_RAD, MockJoints, MockWays, StateGroup
from amf_ros.mock.trajectory_controller import Dropped, Trajectory

MS = 1_000_000
NOW = 1_000_000_000_000
OWN = {"kind": "joint_trajectory", "controller": "gripper_controller", "open": 0.04, "closed": 0.0}
JOINT = {"kind": "joint", "open": 0.04, "closed": 0.0}


def robot(gripper: dict[str, Any], **home: float) -> RobotFile:
    joint = {"lower": -2.0, "upper": 2.0, "velocity": 2.0}
    return RobotFile.model_validate(
        {
            "schema": "amf_robot/1",
            "name": "two_joints",
            "joints": ["shoulder", "elbow", "finger"],
            "arm": {"controller": "arm_controller"},
            "gripper": gripper,
            "limits": {
                "shoulder": joint,
                "elbow": joint,
                "finger": {"lower": 0.0, "upper": 0.04, "velocity": 0.1},
            },
            "home": {"shoulder": 0.1, "elbow": 0.2, "finger": 0.02} | home,
        }
    )


class Rehearsal:
    """Joints and their time; a stream, where there is one, sends a point at 20 Hz."""

    def __init__(self, file: RobotFile | None = None, *, start_ns: int = NOW, **ways: Any) -> None:
        self.file = file or robot(OWN)
        self.joints, self.now_ns = MockJoints(self.file, MockWays(**ways)), start_ns
        self.first = self.joints.step(start_ns)

    def send(self, *positions: float, ms: int = 50) -> None:
        names = self.joints.controller.names
        self.joints.take_trajectory(Trajectory(0, names, (ms * MS,), (positions,)), self.now_ns)

    def go(self, samples: int, *stream: float) -> list[StateGroup]:
        said: list[StateGroup] = []
        for k in range(samples):
            if stream and k % 5 == 0:
                with suppress(Dropped):
                    self.send(*stream)
            self.now_ns += 10 * MS
            said += self.joints.step(self.now_ns)
        return said


def test_a_gripper_that_is_a_joint_belongs_to_the_arms_controller() -> None:
    one = Rehearsal(robot(JOINT), split=True)
    one.send(0.1, 0.2, 0.04)
    arm, gripper = one.go(5)[-2:]
    assert one.joints.gripper is None and arm.names == ("elbow", "shoulder")
    assert gripper.names == ("finger",) and gripper.position.tolist() == [0.04]


def test_after_one_time_constant_63_percent_of_the_way_are_gone() -> None:
    one = Rehearsal(lag_s=0.2)
    one.send(1.1, 0.2, ms=0)
    one.go(20)
    assert one.joints.position[0] == pytest.approx(0.1 + 1 - np.exp(-1))


def test_frozen_states_repeat_themselves_to_the_bit_though_they_were_noisy() -> None:
    one = Rehearsal(noise=0.01)
    one.joints.fail("freeze", one.now_ns)
    said = one.go(20, 0.5, 0.5)
    assert len({group.position.tobytes() for group in said}) == 1
    assert len({group.stamp_ns for group in said}) == 20


def test_a_stale_stamp_is_the_first_ones_also_on_a_clock_that_begins_at_zero() -> None:
    one = Rehearsal(start_ns=0)
    one.go(5)
    one.joints.fail("stale_stamps", one.now_ns)
    assert {group.stamp_ns for group in one.go(5)} == {one.first[0].stamp_ns} == {0}


def test_no_number_is_said_of_one_joint_only_and_the_arm_goes_on() -> None:
    one = Rehearsal()
    one.joints.fail("nan")
    said = one.go(20, 0.5, 0.6)[-1]
    assert np.isnan(said.position).sum() == 1
    assert one.joints.position[:2].tolist() == pytest.approx([0.5, 0.6])


def test_a_stopped_arm_does_not_chase_when_it_is_mended_what_it_was_told_meanwhile() -> None:
    one = Rehearsal(lag_s=0.05)
    one.go(20, 1.0, 0.2)
    one.joints.fail("protective_stop", one.now_ns)
    stood = one.joints.position.copy()
    one.go(40, 1.5, 0.2)
    one.joints.fail("", one.now_ns)
    one.go(100)
    assert one.joints.position.tolist() == stood.tolist()
    one.go(100, 1.5, 0.2)
    assert one.joints.position[0] == pytest.approx(1.5, abs=0.01)


def test_a_deactivated_arm_holds_its_last_target_and_nothing_is_replayed() -> None:
    one = Rehearsal(lag_s=0.05)
    one.go(20, 1.0, 0.2)
    one.joints.fail("deactivated", one.now_ns)
    with pytest.raises(Dropped, match="inactive"):
        one.send(0.0, 0.0)
    held = one.joints.controller.target(one.now_ns)
    one.go(100, 0.0, 0.0)
    assert one.joints.position[:2] == pytest.approx(held)
    one.joints.fail("", one.now_ns)
    one.go(100)
    assert one.joints.position[:2] == pytest.approx(held)


@pytest.mark.parametrize(("home", "by"), [(0.1, JUMP_RAD), (1.9, -JUMP_RAD)])
def test_a_jump_is_silent_for_a_second_and_then_elsewhere_also_at_a_limit_and_under_a_stream(
    home: float, by: float
) -> None:
    one = Rehearsal(robot(OWN, shoulder=home))
    one.joints.fail("jump")
    assert one.go(99, home, 0.2) == []
    (said,) = one.go(1)
    assert said.position[said.names.index("shoulder")] == pytest.approx(home + by)
    assert said.position[said.names.index("finger")] == 0.02, "nobody pushes on the gripper"


def test_a_jump_that_is_mended_ends_at_once() -> None:
    one = Rehearsal()
    one.joints.fail("jump", one.now_ns)
    assert one.go(10) == []
    one.joints.fail("", one.now_ns)
    assert len(one.go(10, 0.4, 0.5)) == 10
