"""The safety gate: nothing passes that the limits do not allow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import JointLimit
from amf_ros.core.errors import ConfigError, RobotFault
from amf_ros.core.values import JointCommand, JointState

LIMITS = {
    "a": JointLimit(lower=-1.0, upper=2.0, velocity=2.0, effort=10.0),
    "b": JointLimit(lower=-0.5, upper=0.5, velocity=1.0, effort=10.0),
}
PERIOD_S = 0.05


def measured(a: float = 0.0, b: float = 0.0, stamp_ns: int = 0) -> JointState:
    # The robot reports its joints in another order, and one that is not gated.
    return JointState(stamp_ns, ("b", "other", "a"), np.array([b, 9.0, a]), np.zeros(3))


def command(*position: float, names: tuple[str, ...] = ("a", "b")) -> JointCommand:
    return JointCommand(7, names, np.array(position))


def test_what_is_allowed_passes_as_it_is() -> None:
    passed = SafetyGate(LIMITS, PERIOD_S).filter(command(0.05, -0.03), measured())
    assert passed.position.tolist() == [0.05, -0.03] and passed.names == ("a", "b") and passed.stamp_ns == 7


def test_a_step_is_bounded_by_velocity_times_period() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    assert gate.filter(command(1.0, -1.0), measured()).position.tolist() == pytest.approx([0.1, -0.05])
    assert gate.filter(command(1.0, -1.0), measured()).position.tolist() == pytest.approx([0.2, -0.1])


def test_velocity_can_be_scaled_down() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S, velocity_scale=0.5)
    assert gate.filter(command(1.0, 0.0), measured()).position[0] == pytest.approx(0.05)


def test_after_a_reset_the_first_step_starts_where_the_arm_is() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    gate.filter(command(1.0, 0.0), measured())
    gate.reset()
    assert gate.filter(command(2.0, 0.0), measured(a=1.5)).position[0] == pytest.approx(1.6)


@given(
    targets=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=20),
    start=st.tuples(st.floats(-1.0, 2.0), st.floats(-0.5, 0.5)),
)
def test_no_sequence_of_commands_leaves_the_limits(
    targets: list[tuple[float, float]], start: tuple[float, float]
) -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    last = np.array(start)
    for target in targets:
        passed = gate.filter(command(*target), measured(*start)).position
        assert (np.abs(passed - last) <= np.array([0.1, 0.05]) + 1e-12).all()
        assert (passed >= [-1.0, -0.5]).all() and (passed <= [2.0, 0.5]).all()
        last = passed


TURNS = {"turn": JointLimit(-math.inf, math.inf, velocity=2.0, effort=1.0)}


def turned(q: float) -> JointState:
    return JointState(0, ("turn",), np.array([q]), np.zeros(1))


@pytest.mark.parametrize(
    "limit", [JointLimit(0.0, -1.0, 2.0, 1.0), JointLimit(-math.inf, math.inf, 2.0, 1.0)]
)
def test_a_continuous_joint_goes_the_shortest_way_through_pi(limit: JointLimit) -> None:
    gate = SafetyGate({"turn": limit}, PERIOD_S)
    q, gone = 3.0, 0.0
    for _ in range(40):  # a driver that reports angles in (-pi, pi]
        target = math.remainder(q + 0.05, 2 * math.pi)
        passed = gate.filter(command(target, names=("turn",)), turned(q)).position[0]
        assert passed - q == pytest.approx(0.05)
        q = math.remainder(passed, 2 * math.pi)
        gone += 0.05
    assert q == pytest.approx(math.remainder(3.0 + gone, 2 * math.pi))
    far = gate.filter(command(q - 3.0, names=("turn",)), turned(q)).position[0]
    assert far == pytest.approx(q - 0.1)


@given(
    targets=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    start=st.floats(-100, 100),
    wraps=st.booleans(),
)
def test_a_continuous_joint_is_bounded_in_velocity_whatever_angle_is_asked(
    targets: list[float], start: float, wraps: bool
) -> None:
    gate, q = SafetyGate(TURNS, PERIOD_S), start
    for target in targets:
        passed = gate.filter(command(target, names=("turn",)), turned(q)).position[0]
        assert abs(passed - q) <= 0.1 + 1e-9
        if abs(math.remainder(target - q, 2 * math.pi)) < 0.1 and abs(target) < 1e6:
            assert math.remainder(passed - target, 2 * math.pi) == pytest.approx(0.0, abs=1e-6)
        q = math.remainder(passed, 2 * math.pi) if wraps else passed


def test_whole_turns_are_no_change() -> None:
    gate = SafetyGate(TURNS, PERIOD_S)
    asked = command(0.05 + 2 * math.pi, names=("turn",))
    passed = gate.filter(asked, turned(0.0))
    assert passed.position[0] == pytest.approx(0.05) and not gate.differ(asked, passed)
    asked = command(2.0, names=("turn",))
    assert gate.differ(asked, gate.filter(asked, turned(0.0)))


def test_after_a_hold_steps_are_bounded_from_what_is_held() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    gate.hold(measured(a=0.5))
    assert gate.filter(command(2.0, 0.0), measured(a=0.3)).position[0] == pytest.approx(0.6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_and_named(bad: float) -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    with pytest.raises(RobotFault, match="'b' is not finite"):
        gate.filter(command(0.0, bad), measured())
    with pytest.raises(RobotFault, match="measured joint positions are not finite"):
        gate.filter(command(0.0, 0.0), measured(a=bad))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (command(0.0, names=("c",)), "unknown joint 'c'"),
        (command(0.0, 0.0, names=("a", "a")), "name each joint once"),
        (command(0.0, names=("a", "b")), "1 positions for joints"),
    ],
)
def test_joints_that_do_not_fit_are_refused(wrong: JointCommand, text: str) -> None:
    with pytest.raises(RobotFault, match=text):
        SafetyGate(LIMITS, PERIOD_S).filter(wrong, measured())


def test_some_joints_may_be_commanded_alone() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    assert gate.filter(command(0.02, names=("b",)), measured()).position.tolist() == [0.02]


def test_hold_is_where_the_arm_is_even_beyond_a_limit() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    held = gate.hold(measured(a=0.3, b=0.7, stamp_ns=5))
    assert dict(zip(held.names, held.position.tolist(), strict=True)) == {"a": 0.3, "b": 0.7}
    assert held.stamp_ns == 5


def test_a_joint_beyond_its_limit_goes_back_no_faster_than_it_may_move() -> None:
    gate = SafetyGate(LIMITS, PERIOD_S)
    for asked in (0.7, 9.0, -9.0):
        gate.reset()
        passed = gate.filter(command(0.0, asked), measured(b=0.7))
        assert passed.position[1] == pytest.approx(0.7 - LIMITS["b"].velocity * PERIOD_S)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (JointLimit(1.0, -1.0, 1.0, 1.0), "lower < upper"),
        (JointLimit(-1.0, math.inf, 1.0, 1.0), "finite"),
        (JointLimit(-math.inf, 1.0, 1.0, 1.0), "finite"),
        (JointLimit(math.nan, math.nan, 1.0, 1.0), "finite"),
        (JointLimit(-math.inf, math.inf, math.inf, 1.0), "velocity"),
        (JointLimit(-1.0, 1.0, 0.0, 1.0), "velocity"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limit: JointLimit, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        SafetyGate({"a": limit}, PERIOD_S)


@pytest.mark.parametrize("fields", [{"period_s": 0.0}, {"period_s": 0.1, "velocity_scale": 0.0}])
def test_settings_that_make_no_sense_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=list(fields)[-1]):
        SafetyGate(LIMITS, **fields)
