"""The mock's joints: how they follow, what is said of them, and each fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amf_ros.arm.robot_file import load_robot_file
from amf_ros.core.errors import ConfigError
from amf_ros.mock.mock_joints import FAULTS, MockJoints, MockWays, StateGroup
from amf_ros.mock.trajectory_controller import Dropped, Trajectory

FILE = str(Path(__file__).parents[1] / "support" / "mock_robot.yaml")
MS = 1_000_000
NOW = 1_000_000_000_000


class Clocked:
    """Joints and their time, in samples of 10 ms."""

    def __init__(self, **ways: float) -> None:
        self.joints = MockJoints(load_robot_file(FILE), MockWays(**ways))
        self.now_ns = NOW
        self.joints.step(NOW)

    def go(self, samples: int) -> list[StateGroup]:
        said: list[StateGroup] = []
        for _ in range(samples):
            self.now_ns += 10 * MS
            said += self.joints.step(self.now_ns)
        return said

    def send(self, position: float, ms: int = 100) -> None:
        what = Trajectory(0, ("shoulder", "elbow"), (ms * MS,), ((position, 0.2),))
        self.joints.take_trajectory(what, self.now_ns)

    @property
    def shoulder(self) -> float:
        return float(self.joints.position[0])


def shoulder(group: StateGroup) -> float:
    return float(group.position[group.names.index("shoulder")])


def test_joints_are_said_by_the_alphabet_and_begin_at_home() -> None:
    (group,) = Clocked().go(1)
    assert group.names == ("elbow", "finger", "shoulder") and group.stamp_ns == NOW + 10 * MS
    assert group.position.tolist() == pytest.approx([0.2, 0.02, 0.1])


def test_states_may_be_split() -> None:
    first, second = Clocked(split=True).go(1)
    assert first.names == ("elbow", "shoulder") and second.names == ("finger",)


def test_an_ideal_arm_is_where_it_is_told_and_a_lagging_one_follows() -> None:
    ideal, lagging = Clocked(), Clocked(lag_s=0.05)
    for one in (ideal, lagging):
        one.send(1.1, ms=0)
        one.go(5)
    assert ideal.shoulder == pytest.approx(1.1)
    assert lagging.shoulder == pytest.approx(1.1 - np.exp(-1.0), abs=1e-6)


def test_steady_error_and_noise() -> None:
    low = Clocked(steady_error=0.02)
    low.send(0.5)
    low.go(30)
    assert low.shoulder == pytest.approx(0.48)
    said = [shoulder(group) for group in Clocked(noise=0.01).go(300)]
    assert 0.008 < np.std(said) < 0.012
    assert said == [shoulder(group) for group in Clocked(noise=0.01).go(300)]


def test_the_gripper_has_a_controller_of_its_own() -> None:
    one = Clocked()
    one.joints.take_gripper(Trajectory(0, ("finger",), (100 * MS,), ((0.04,),)), one.now_ns)
    one.go(20)
    assert one.joints.position.tolist() == pytest.approx([0.1, 0.2, 0.04])


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault])
def test_after_every_fault_it_works_again_and_moved_by_nothing(fault: str) -> None:
    one = Clocked()
    one.joints.fail(fault, one.now_ns)
    one.go(120)
    stood = one.shoulder
    one.joints.fail("", one.now_ns)
    assert one.go(10)
    assert one.shoulder == pytest.approx(stood)
    one.send(0.5)
    one.go(20)
    assert one.shoulder == pytest.approx(0.5)


def test_each_fault_does_what_it_says() -> None:
    one = Clocked()
    one.joints.fail("drop_out")
    assert one.go(10) == []
    one.joints.fail("stale_stamps")
    assert {group.stamp_ns for group in one.go(10)} == {NOW}
    one.joints.fail("nan")
    assert all(np.isnan(shoulder(group)) for group in one.go(3))
    one.joints.fail("deactivated")
    with pytest.raises(Dropped):
        one.send(0.7)
    for fault in ("freeze", "protective_stop"):
        one.joints.fail(fault)
        stood = one.shoulder
        one.send(stood + 0.3)
        said = one.go(30)
        assert len({group.stamp_ns for group in said}) == 30
        assert {shoulder(group) for group in said} == {stood}
    one.joints.fail("")
    one.go(30)
    assert one.shoulder == pytest.approx(stood), "it takes up again from where it stands"
    one.joints.fail("jump", one.now_ns)
    assert one.go(99) == [] and one.go(2)
    assert one.shoulder == pytest.approx(stood + 0.3)


def test_a_fault_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="fault is 'fire'; allowed: '', 'drop_out'"):
        Clocked().joints.fail("fire")
