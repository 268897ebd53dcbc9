"""When there is a state to act upon, and how old it may be by which clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.contracts import ALL, ARM, FINGER, MS, OBJECTS, START, WHOLE, contract_with

from amf_ros.contract.serving import Serving
from amf_ros.core.errors import BadMessage, StaleObservation
from amf_ros.core.values import JointState, SceneState

BOOT = 7_000_000_000  # the monotonic clock at START


class Arm:
    """Publishes into a Serving; times in ms after START."""

    def __init__(self, exact: bool = False, contract=WHOLE, time_factor: float = 1.0) -> None:
        self.serving = Serving(contract, exact=exact, time_factor=time_factor)
        self.reads: list[int] = []
        self.stamps: list[int] = []

    def send(self, topic: str, at: int, read: Callable[[], object] | None, skew: int = 0) -> float | None:
        stamp = START + (at + skew) * MS

        def made() -> object:
            self.reads.append(at)
            if read is None:
                raise BadMessage(topic, "is cut off")
            return read(stamp)

        found = self.serving.arrived(topic, stamp, BOOT + at * MS, START + at * MS, made)
        return None if found is None else (found - START) / MS

    def joints(self, at: int, names=ALL, value=0.0, skew=0, topic="joint_states") -> float | None:
        def read(stamp: int) -> JointState:
            return JointState(stamp, names, np.full(len(names), value), np.full(len(names), np.nan))

        return self.send(topic, at, read, skew)

    def scene(self, at: int, skew: int = 0) -> float | None:
        poses = np.tile([0.0] * 6 + [1.0], (4, 1))
        return self.send("scene_state", at, lambda stamp: SceneState(stamp, OBJECTS, poses), skew)

    def frame(self, at: int):
        return self.serving.moment(BOOT + at * MS)

    def stamp(self, at: int) -> float | None:
        found = self.serving.stamp_ns(BOOT + at * MS)
        return None if found is None else (found - START) / MS


class TestRealTime:
    def test_each_newer_joint_state_is_one_to_act_upon_once_all_streams_came(self):
        arm = Arm()
        assert [arm.joints(0), arm.scene(5), arm.joints(10), arm.joints(20)] == [None, None, 10, 20]
        assert arm.joints(25, skew=-10) is None  # late by some milliseconds: sorted in, no new state
        assert arm.joints(30) == 30

    def test_nothing_is_read_until_somebody_acts(self):
        arm = Arm()
        for at in range(0, 500, 5):
            arm.scene(at)
            arm.joints(at)
        assert arm.reads == []
        arm.frame(495)
        arm.frame(495)
        assert arm.reads == [495, 495]  # joints and scene, once

    def test_a_held_state_is_refused_by_name_and_age(self):
        arm = Arm()
        arm.scene(0)
        arm.joints(10)
        assert arm.stamp(60) == 10
        assert arm.stamp(8_010) is None
        with pytest.raises(StaleObservation, match="joint_states arrived 8000 ms ago, allowed 100 ms"):
            arm.frame(8_010)
        assert "8000 ms" in arm.serving.refusal(BOOT + 8_010 * MS)

    def test_a_faster_clock_makes_ages_longer(self):
        arm = Arm(time_factor=10.0)
        arm.scene(0)
        arm.joints(0)
        assert arm.stamp(9) == 0 and arm.stamp(11) is None

    def test_a_scene_that_stopped_is_named(self):
        arm = Arm()
        for at in range(0, 400, 10):
            arm.joints(at)
            if at < 200:
                arm.scene(at)
        with pytest.raises(StaleObservation, match="scene_state is 200 ms old, allowed 100 ms"):
            arm.frame(390)

    @pytest.mark.parametrize(("skew", "text"), [(500, "500 ms before its stamps"), (-2_000, "2000 ms after")])
    def test_a_stream_on_another_clock_is_named(self, skew, text):
        arm = Arm()
        for at in range(0, 2_500, 10):
            arm.joints(at)
            arm.scene(at, skew)
        with pytest.raises(StaleObservation, match=f"scene_state arrives {text}"):
            arm.frame(2_490)

    def test_what_cannot_be_read_is_passed_over_and_told(self):
        arm = Arm()
        arm.scene(0)
        arm.joints(10, value=0.02)
        assert arm.send("joint_states", 20, None) == 20
        with pytest.raises(StaleObservation, match="the newest message on joint_states cannot be used"):
            arm.frame(20)
        assert arm.joints(30, value=0.02) == 30
        assert arm.frame(30).joints.position[0] == 0.02
        for at in range(40, 300, 10):
            arm.send("joint_states", at, None)
            arm.scene(at)
        with pytest.raises(StaleObservation, match=r"joint_states .* messages were skipped: .* is cut off"):
            arm.frame(290)

    def test_one_far_stamp_stops_nothing(self):
        arm = Arm()
        arm.scene(0)
        arm.joints(0)
        assert arm.joints(10, skew=10**9) is None
        assert arm.joints(20) == 20 and arm.serving.num_skipped == 1

    def test_a_robot_that_starts_anew_in_the_past_is_followed(self):
        arm = Arm()
        for at in range(0, 100, 10):
            arm.joints(at)
            arm.scene(at)
        acts = [(arm.scene(at, -60_000), arm.joints(at, skew=-60_000))[1] for at in range(100, 150, 10)]
        assert acts[-1] == 140 - 60_000
        assert arm.frame(140).joints.stamp_ns == START + (140 - 60_000) * MS

    def test_a_reset_that_is_known_of_costs_no_state(self):
        arm = Arm()
        arm.scene(0)
        arm.joints(0)
        arm.serving.reset_known()
        arm.scene(10, 1_000)
        assert arm.joints(10, skew=1_000) == 1_010 and arm.serving.num_skipped == 0

    def test_joints_may_come_in_parts_from_two_topics(self):
        arm = Arm(contract=contract_with(joint_states=100.0, gripper__joint_states=250.0))
        arm.scene(0)
        assert arm.joints(0, (FINGER,), 0.03, topic="gripper/joint_states") is None
        assert arm.joints(10, ARM) == 10
        assert arm.frame(10).joints.positions(ALL).tolist() == [0.0] * 7 + [0.03]


class TestLockStep:
    def test_a_state_is_that_of_one_stamp_on_all_topics_however_old(self):
        arm = Arm(exact=True)
        assert [arm.joints(0), arm.scene(0), arm.joints(50), arm.scene(50)] == [None, 0, None, 50]
        assert arm.stamp(10_000_000) == 50
        assert arm.frame(10_000_000).joints.stamp_ns == START + 50 * MS

    def test_a_repeated_state_asks_again_and_the_first_message_counts(self):
        arm = Arm(exact=True)
        arm.joints(0, value=0.01)
        arm.scene(0)
        assert [arm.joints(0, value=0.02), arm.scene(0)] == [0, 0]
        assert arm.frame(0).joints.position[0] == 0.01

    def test_resets_move_the_clock_and_restarts_move_it_back(self):
        arm = Arm(exact=True)
        assert [arm.joints(0), arm.scene(0), arm.joints(5_000), arm.scene(5_000)] == [None, 0, None, 5_000]
        assert [arm.joints(10), arm.scene(10)] == [None, 10]
        assert arm.frame(10).scene.stamp_ns == START + 10 * MS

    def test_joints_in_parts_are_refused(self):
        arm = Arm(exact=True)
        arm.joints(0)
        arm.scene(0)
        arm.joints(50, ARM)
        arm.scene(50)
        with pytest.raises(StaleObservation, match="'panda_finger_joint1' has another stamp"):
            arm.frame(50)
