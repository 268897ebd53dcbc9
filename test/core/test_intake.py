"""One message on arrival: what can be used, and what is refused by name."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.intake import Intake
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import BadMessage, OutOfRange
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointCommand, JointPlan, JointState, SceneState

MS = 1_000_000
START = 1_795_000_000_000_000_000
ARM = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGER = "panda_finger_joint1"
ALL = (*ARM, FINGER)
OBJECTS = ("tool0", "cube", "tray", "door")
ROLES = {"object": "cube", "target": "tray", "aux": "door"}
NAN = float("nan")


@pytest.fixture
def contract() -> Contract:
    return load_contract("panda_tabletop")


@pytest.fixture
def intake(contract: Contract) -> Intake:
    return Intake(contract, roles=ROLES)


def changed(change: Any) -> Contract:
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    change(data := copy.deepcopy(data))
    return Contract(parse(data, ContractSpec, "c.yaml"), "c")


def joints(at: int = 0, names: tuple[str, ...] = ALL, **values: float) -> JointState:
    position = np.array([values.get(name, 0.02) for name in names])
    return JointState(START + at * MS, names, position, np.zeros(len(names)))


def command(at: int = 0, names: tuple[str, ...] = ALL, **values: float) -> JointCommand:
    return JointCommand(START + at * MS, names, np.array([values.get(name, 0.02) for name in names]))


def scene(at: int = 0, names: tuple[str, ...] = OBJECTS) -> SceneState:
    return SceneState(START + at * MS, names, np.tile([0.0, 0, 0, 0, 0, 0, 1.0], (len(names), 1)))


def take(intake: Intake, value: Any, late_ms: int = 1) -> bool:
    topic = {JointState: "joint_states", SceneState: "scene_state"}.get(type(value), "teleop/command")
    return intake.check(topic, value, value.stamp_ns + late_ms * MS)


def test_what_the_contract_does_not_use_cannot_fail(intake: Intake) -> None:
    names = ("", "wheel", *reversed(ALL), "wheel")
    state = joints(0, names, wheel=NAN)
    take(intake, replace(state, velocity=np.full(len(names), NAN)))
    take(intake, scene(0, (*OBJECTS, "lamp")))
    take(intake, command(0, (*ALL, "wheel"), wheel=NAN))


def test_a_joint_state_may_hold_some_of_the_joints(intake: Intake) -> None:
    take(intake, joints(0, ARM))
    take(intake, joints(3, (FINGER,)))
    take(intake, joints(6, ("wheel",)))
    take(intake, joints(10, ARM, panda_joint3=NAN))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (FINGER, 40.0, "joint 'panda_finger_joint1' is 40, allowed is 0 to 0.04; is it in millimetres"),
        (FINGER, 1.0, "joint 'panda_finger_joint1' is 1, allowed is 0 to 0.04; is it a share"),
        ("panda_joint1", 5.0, "'panda_joint1' is 5, 4.98 away from the measured 0.02; allowed is max_step 1"),
        ("panda_joint2", 30.0, "'panda_joint2' is 30, .*; is it in degrees"),
    ],
)
def test_a_command_in_other_units_is_refused_with_joint_value_and_what_is_allowed(
    intake: Intake, name: str, value: float, text: str
) -> None:
    take(intake, joints())
    with pytest.raises(OutOfRange, match=f"^teleop/command: .*{text}"):
        take(intake, command(**{name: value}))
    take(intake, command(5, **{FINGER: 0.0401}))  # rounding is no mistake


def test_a_measured_joint_in_other_units_is_refused(intake: Intake) -> None:
    with pytest.raises(OutOfRange, match=r"joint_states: joint 'panda_finger_joint1' is 40, .* millimetres"):
        take(intake, joints(**{FINGER: 40.0}))


def test_limits_of_the_robot_count_where_they_are_known(contract: Contract) -> None:
    intake = Intake(contract, limits={"panda_joint4": (-3.07, -0.07)})
    with pytest.raises(OutOfRange, match="joint 'panda_joint4' is 1, allowed is -3.07 to -0.07"):
        take(intake, joints(panda_joint4=1.0))


def test_a_continuous_joint_may_pass_pi() -> None:
    contract = changed(lambda data: data["action"]["elements"][0].update(continuous=["panda_joint7"]))
    intake = Intake(contract)
    take(intake, joints(panda_joint7=3.13))
    take(intake, command(panda_joint7=-3.13))
    with pytest.raises(OutOfRange, match="panda_joint7"):
        take(intake, command(1, panda_joint7=1.0))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (replace(joints(), position=np.zeros(3)), "has 8 names and 3 values"),
        (joints(0, (*ALL, *map(str, range(2_000)))), "has 2008 names; at most 1000"),
        (joints(0, (*ALL, FINGER)), "'panda_finger_joint1' stands twice"),
        (joints(panda_joint1=np.inf), "joint 'panda_joint1' is infinite"),
        (replace(joints(), position=np.full(8, NAN)), "is nan, as all in use"),
        (replace(joints(), stamp_ns=0), "its header has no stamp; .*align.stamp: receive"),
        (replace(joints(), stamp_ns=-5), "which no clock shows"),
        (scene(0, OBJECTS[1:]), "lacks scene object 'tool0'; it holds 'cube'"),
        (scene(0, OBJECTS[:3]), "lacks scene object 'door'"),
        (scene(0, ()), "lacks scene object .*; it holds none"),
        (replace(scene(), poses=np.full((4, 7), NAN)), "is not finite"),
        (replace(scene(), poses=np.zeros((4, 7))), "has length 0, allowed is 1"),
        (replace(command(), position=np.zeros(2)), "has 8 names and 2 values"),
        (command(0, ARM), "commands no 'panda_finger_joint1'"),
        (command(0, (*ALL, "w", "w")), "'w' stands twice"),
        (command(panda_joint2=NAN), "target of .panda_joint2. is not finite"),
        (replace(command(), stamp_ns=-(10**9)), "which no clock shows"),
    ],
)
def test_what_cannot_be_used_says_why(intake: Intake, value: Any, text: str) -> None:
    with pytest.raises(BadMessage, match=text) as caught:
        take(intake, value)
    assert caught.value.topic in str(caught.value) and "\n" not in str(caught.value)


def test_a_bad_message_changes_nothing_for_the_next(intake: Intake) -> None:
    take(intake, joints(0))
    for bad in (joints(10, panda_joint1=np.inf), replace(joints(10), position=np.zeros(1))):
        with pytest.raises(BadMessage):
            take(intake, bad)
    assert not take(intake, joints(20))


def test_trajectories_without_points_mean_stop_and_several_are_judged_by_range(intake: Intake) -> None:
    take(intake, joints())
    times = np.array([200 * MS, 300 * MS], dtype=np.int64)
    far = np.tile([*np.full(7, 3.0), 0.02], (2, 1))
    take(intake, JointPlan(START, ALL, times[:0], far[:0]))
    take(intake, JointPlan(START + 1, ALL, times, far))
    with pytest.raises(OutOfRange, match=FINGER):
        take(intake, JointPlan(START + 2, ALL, times, np.full((2, 8), 3.0)))


@pytest.mark.parametrize(("row", "text"), [(0, "away from the measured 0.02"), (1, "the point before, 0.3")])
def test_a_trajectory_in_degrees_is_refused_by_its_steps(intake: Intake, row: int, text: str) -> None:
    take(intake, joints())
    times, points = np.array([50 * MS, 1000 * MS], dtype=np.int64), np.tile([*np.full(7, 0.3), 0.02], (2, 1))
    take(intake, JointPlan(START, ALL, times, points))
    points[row, 3] = -141.0
    with pytest.raises(OutOfRange, match=f"'panda_joint4' is -141, .*{text}"):
        take(intake, JointPlan(START + 1, ALL, times, points))


def test_what_the_robot_says_it_applied_is_judged_as_what_was_asked(intake: Intake) -> None:
    take(intake, joints())
    with pytest.raises(OutOfRange, match=r"^applied_command: .*is 40, allowed is 0 to 0.04; .*millimetres"):
        intake.check("applied_command", command(**{FINGER: 40.0}), START)


def test_a_command_without_stamp_means_now(intake: Intake) -> None:
    take(intake, replace(command(), stamp_ns=0))


def test_messages_that_were_held_up_and_then_come_together_are_ordinary(intake: Intake) -> None:
    take(intake, joints(0))
    for at, late_ms in ((10, 131), (140, 2), (150, 1), (160, 1)):
        assert not take(intake, joints(at), late_ms)


def test_one_far_stamp_is_refused_and_the_stream_goes_on(intake: Intake) -> None:
    take(intake, joints(0))
    with pytest.raises(BadMessage, match=r"jumped by 3.52e\+08 s in 0.01 s; allowed is 100 ms more"):
        intake.check("joint_states", replace(joints(), stamp_ns=2_147_483_647 * 10**9), START + 11 * MS)
    assert not take(intake, joints(20))


def test_messages_a_little_late_or_after_a_pause_are_ordinary(intake: Intake) -> None:
    take(intake, joints(100))
    take(intake, joints(88))
    take(intake, joints(2_000), late_ms=5)
    for k in range(50):  # the machine stalled for half a second: everything comes at once
        intake.check("joint_states", joints(2_010 + 10 * k), START + 2_520 * MS + k)


@pytest.mark.parametrize("jump_ms", [-60_000, 60_000])
def test_a_clock_that_moves_is_followed_from_the_second_message_on(intake: Intake, jump_ms: int) -> None:
    take(intake, joints(0))
    late = 1 - jump_ms
    with pytest.raises(BadMessage, match="its stamp jumped by"):
        take(intake, joints(10 + jump_ms), late)
    assert take(intake, joints(20 + jump_ms), late)
    assert not take(intake, joints(30 + jump_ms), late)


def test_two_clocks_on_one_stream_do_not_take_turns(intake: Intake) -> None:
    take(intake, joints(0))
    for k in range(1, 20):
        with pytest.raises(BadMessage, match="jumped"):
            take(intake, joints(10 * k - 5_000), 5_000)
        assert not take(intake, joints(10 * k))


def test_a_reset_that_is_known_of_may_move_the_clock(intake: Intake) -> None:
    take(intake, joints(0))
    intake.moved()
    assert not take(intake, joints(1_050))


def test_in_lock_step_stamps_are_the_robots(contract: Contract) -> None:
    intake = Intake(contract, exact=True)
    for at in (0, 50, 1_050, 10_000, 0):
        assert not take(intake, joints(at))
