"""The safety gate: nothing passes that the limits do not allow."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
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
        (JointLimit(-1.0, 1.0, 1.0, 1.0, acceleration=0.0), "'a' needs acceleration above 0"),
        (JointLimit(-1.0, 1.0, 1.0, 1.0, acceleration=math.nan), "'a' needs acceleration above 0"),
        (JointLimit(0.0, -1.0, 1.0, 1.0, acceleration=math.inf), "'a' needs acceleration above 0"),
        (JointLimit(-1.0, 1.0, 1.0, 1.0, following_error=-0.1), "'a' needs following_error above 0"),
        (JointLimit(0.0, -1.0, 1.0, 1.0, following_error=math.inf), "'a' needs following_error above 0"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limit: JointLimit, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        SafetyGate({"a": limit}, PERIOD_S)


@pytest.mark.parametrize("fields", [{"period_s": 0.0}, {"period_s": 0.1, "velocity_scale": 0.0}])
def test_settings_that_make_no_sense_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=list(fields)[-1]):
        SafetyGate(LIMITS, **fields)


# Acceleration and following error. "both" and "turn" have both bounds, "plain" has none.
EASED = {
    "both": JointLimit(-1.0, 2.0, 2.0, 1.0, acceleration=4.0, following_error=0.15),
    "accelerated": JointLimit(-0.5, 0.5, 1.0, 1.0, acceleration=2.7),
    "followed": JointLimit(-0.5, 0.5, 1.0, 1.0, following_error=0.04),
    "turn": JointLimit(-math.inf, math.inf, 2.0, 1.0, acceleration=5.0, following_error=0.3),
    "plain": JointLimit(-1.0, 1.0, 2.0, 1.0),
}
JOINTS = tuple(EASED)
TINY = 1e-9


def state(*position: float) -> JointState:
    return JointState(0, JOINTS, np.array(position), np.zeros(len(position)))


def stop_way(step: float, change: float) -> float:
    """Return how far a target gets that goes on by this step and then brakes as hard as it may."""
    way = 0.0
    while step > 0.0:
        way, step = way + step, step - change
    return way


def angle(away: float, limit: JointLimit) -> float:
    return math.remainder(away, 2 * math.pi) if limit.continuous else away


def assert_bounded(limit: JointLimit, q: float, last: float, passed: float, at: float) -> float:
    """Check one step of a joint from target q against all bounds, independently of the gate; return it."""
    step = angle(passed - q, limit)
    fastest = limit.velocity * PERIOD_S
    change = math.inf if limit.acceleration is None else limit.acceleration * PERIOD_S**2
    error = math.inf if limit.following_error is None else limit.following_error
    room = math.inf
    assert abs(step) <= fastest + TINY
    if not limit.continuous:
        assert min(limit.lower, q) <= passed <= max(limit.upper, q)
        room = max(limit.upper - q if step > 0.0 else q - limit.lower, 0.0)
        assert stop_way(abs(step), change) <= room + TINY
    was, now = abs(angle(q - at, limit)), abs(angle(passed - at, limit))
    if was <= error:
        assert now <= error + TINY
    elif now > error + TINY:  # on its way back, as fast as it may
        further = abs(step) + max(1e-4 * change, TINY) if change < math.inf else abs(step) + TINY
        inwards = math.copysign(1.0, angle(at - q, limit))
        if not limit.continuous:
            room = max(limit.upper - q if inwards > 0.0 else q - limit.lower, 0.0)
        assert now <= was + TINY and step * inwards >= 0.0
        assert further >= fastest or stop_way(further, change) > room
    if was <= error and now < error - TINY:  # the following error had no say
        assert abs(step - last) <= change + TINY
    return step


POSITIONS = st.tuples(*[st.floats(-3.0, 3.0)] * len(JOINTS))
EVENTS = st.one_of(
    st.tuples(st.just("ask"), st.sets(st.sampled_from(JOINTS)), POSITIONS, st.integers(1, 12)),
    st.tuples(st.just("ask"), st.just(set(JOINTS)), POSITIONS, st.integers(1, 40)),
    st.tuples(
        st.sampled_from(["reset", "hold", "rest", "nan", "unknown", "lost", "ahead", "jump"]), POSITIONS
    ),
)


@settings(deadline=None, max_examples=300)
@given(
    events=st.lists(EVENTS, min_size=1, max_size=25),
    start=POSITIONS,
    noise=st.sampled_from([0.0, 0.01, 0.5]),
    lag=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_no_sequence_of_events_leaves_any_bound(
    events: list[tuple], start: tuple[float, ...], noise: float, lag: float, seed: int
) -> None:
    gate, random = SafetyGate(EASED, PERIOD_S), np.random.default_rng(seed)
    arm, told, steps = np.array(start), {}, {}
    for kind, *rest in events:
        at = arm + noise * random.uniform(-1.0, 1.0, len(arm))
        if kind == "ask":
            names = tuple(name for name in JOINTS if name in rest[0])
            asked = [rest[1][JOINTS.index(name)] for name in names]
            for _ in range(rest[2]):
                at = arm + noise * random.uniform(-1.0, 1.0, len(arm))
                passed = gate.filter(command(*asked, names=names), state(*at)).position.tolist()
                now = {}
                for name, target in zip(names, passed, strict=True):
                    i = JOINTS.index(name)
                    q = told.get(name, at[i])
                    now[name] = assert_bounded(EASED[name], q, steps.get(name, 0.0), target, at[i])
                    told[name] = target
                    arm[i] = target + lag * angle(arm[i] - target, EASED[name])
                steps = now
        elif kind == "hold":
            held = gate.hold(state(*at))
            told, steps = dict(zip(held.names, held.position.tolist(), strict=True)), {}
            assert held.position.tolist() == at.tolist()
        elif kind == "reset":
            gate.reset()
            told, steps = {}, {}
        elif kind == "rest":
            gate.rest()
            steps = {}
        elif kind == "jump":
            arm = np.array(rest[0])
        elif kind == "ahead":
            gate.ahead([command(*rest[0], names=JOINTS)] * 3, state(*at))
        else:
            wrong = {
                "nan": command(*rest[0][:-1], math.nan, names=JOINTS),
                "unknown": command(0.0, names=("x",)),
            }
            lost = state(*at[:-1], math.nan)
            with pytest.raises(RobotFault):
                gate.filter(
                    wrong.get(kind, command(*rest[0], names=JOINTS)), lost if kind == "lost" else state(*at)
                )


@settings(deadline=None)
@given(before=st.lists(POSITIONS, max_size=15), start=POSITIONS, target=POSITIONS)
def test_a_constant_target_is_reached_exactly_and_kept(
    before: list[tuple[float, ...]], start: tuple[float, ...], target: tuple[float, ...]
) -> None:
    gate, at, arrived = SafetyGate(EASED, PERIOD_S), np.array(start), 0
    for asked in before:
        at = gate.filter(command(*asked, names=JOINTS), state(*at)).position
    goal = np.array(
        [t if j.continuous else min(max(t, j.lower), j.upper) for t, j in zip(target, EASED.values())]
    )
    sides = []
    for _ in range(300):
        at = gate.filter(command(*target, names=JOINTS), state(*at)).position
        away = np.array([angle(d, j) for d, j in zip(at - goal, EASED.values(), strict=True)])
        sides.append(np.where(np.abs(away) <= TINY, 0.0, np.sign(away)))
        there = [
            d == 0.0 if not j.continuous else abs(d) < 1e-12
            for d, j in zip(away, EASED.values(), strict=True)
        ]
        arrived = arrived + 1 if all(there) else 0
    assert arrived > 100  # and it never left again
    for i, name in enumerate(JOINTS):
        passes = [side for side, _ in itertools.groupby(s[i] for s in sides if s[i])]
        if name != "turn":  # which passes the far side, too, where the sign of the shortest turn changes
            assert len(passes) <= (2 if before else 1), f"{name} swings around its target"


@given(start=st.floats(-1.0, 2.0), target=st.floats(-1.0, 2.0))
def test_from_rest_no_target_is_passed_and_none_takes_longer_than_it_must(
    start: float, target: float
) -> None:
    limit = JointLimit(-1.0, 2.0, 2.0, 1.0, acceleration=4.0)
    gate, q, periods = SafetyGate({"a": limit}, PERIOD_S), start, 0
    while q != target:
        last, q = q, gate.filter(command(target, names=("a",)), measured(a=q)).position[0]
        assert min(last, target) <= q <= max(last, target)
        periods += 1
    # The least number of periods: steps of 0.01, 0.02, ... up to 0.1 and down again; one more for rounding.
    most, least = 0.0, 0
    while most < abs(target - start):
        least += 1
        most = sum(min(0.01 * k, 0.01 * (least + 1 - k), 0.1) for k in range(1, least + 1))
    assert periods <= least + 1


def test_steps_grow_and_shrink_by_the_acceleration() -> None:
    limit = JointLimit(-1.0, 2.0, 2.0, 1.0, acceleration=4.0)  # 0.01 a period
    gate, q, steps = SafetyGate({"a": limit}, PERIOD_S), 0.0, []
    for _ in range(7):
        passed = gate.filter(command(0.09, names=("a",)), measured()).position[0]
        steps.append(passed - q)
        q = passed
    assert steps == pytest.approx([0.01, 0.02, 0.03, 0.02, 0.01, 0.0, 0.0], abs=1e-6) and q == 0.09


@pytest.mark.parametrize("pause", ["rest", "absent", "reset", "hold"])
def test_a_joint_that_stood_still_starts_from_velocity_0(pause: str) -> None:
    gate = SafetyGate({"a": JointLimit(-9.0, 9.0, 2.0, 1.0, acceleration=4.0), "b": LIMITS["b"]}, PERIOD_S)
    q = 0.0
    for _ in range(5):
        q = gate.filter(command(9.0, 0.0), measured(a=q)).position[0]
    assert q == pytest.approx(0.15)
    if pause == "absent":
        gate.filter(command(0.0, names=("b",)), measured(a=q))
    elif pause == "hold":
        gate.hold(measured(a=q))
    else:
        getattr(gate, pause)()
    assert gate.filter(command(9.0, 0.0), measured(a=q)).position[0] == pytest.approx(q + 0.01)


def test_a_blocked_arm_is_not_wound_up_and_goes_on_from_where_it_is() -> None:
    limit = JointLimit(-9.0, 9.0, 2.0, 1.0, following_error=0.25)
    gate = SafetyGate({"a": limit}, PERIOD_S)
    told = [gate.filter(command(5.0, names=("a",)), measured(a=0.0)).position[0] for _ in range(5)]
    assert told == pytest.approx([0.1, 0.2, 0.25, 0.25, 0.25])
    # Moved away while its controller was off: the target comes after it, no faster than a joint may move.
    told = [gate.filter(command(5.0, names=("a",)), measured(a=-0.3)).position[0] for _ in range(5)]
    assert told == pytest.approx([0.15, 0.05, -0.05, -0.05, -0.05])


def test_the_following_error_goes_before_the_acceleration_and_after_the_position() -> None:
    limit = JointLimit(-1.0, 1.0, 2.0, 1.0, acceleration=4.0, following_error=0.05)
    gate = SafetyGate({"a": limit}, PERIOD_S)
    gate.filter(command(0.0, names=("a",)), measured(a=0.0))
    assert gate.filter(command(0.0, names=("a",)), measured(a=-0.5)).position[0] == pytest.approx(-0.1)
    told = [gate.filter(command(0.0, names=("a",)), measured(a=5.0)).position[0] for _ in range(200)]
    assert max(told) <= 1.0 and told[-1] == pytest.approx(1.0)


def test_the_following_error_of_a_continuous_joint_is_the_shortest_turn() -> None:
    gate = SafetyGate({"turn": JointLimit(-math.inf, math.inf, 2.0, 1.0, following_error=0.15)}, PERIOD_S)
    passed = [gate.filter(command(-3.0, names=("turn",)), turned(3.1)).position[0] for _ in range(3)]
    assert [math.remainder(p - 3.1, 2 * math.pi) for p in passed] == pytest.approx([0.1, 0.15, 0.15])
    passed = [gate.filter(command(-3.0, names=("turn",)), turned(-3.1)).position[0] for _ in range(3)]
    assert [math.remainder(p + 3.0, 2 * math.pi) for p in passed] == pytest.approx([0.0, 0.0, 0.0], abs=0.04)


@given(
    targets=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 3), min_size=1, max_size=15),
    places=st.lists(st.tuples(*[st.floats(-9.0, 9.0)] * 3), min_size=1, max_size=15),
    beside=st.booleans(),
)
def test_without_the_new_bounds_each_target_is_the_old_one_to_the_bit(
    targets: list[tuple[float, ...]], places: list[tuple[float, ...]], beside: bool
) -> None:
    limits = {**LIMITS, **TURNS}
    names, turns = tuple(limits), np.array([False, False, True])
    lower, upper = np.array([-1.0, -0.5, -np.inf]), np.array([2.0, 0.5, np.inf])
    step = np.array([2.0, 1.0, 2.0]) * 0.7 * PERIOD_S
    extra = {"x": EASED["both"]} if beside else {}
    gate = SafetyGate({**limits, **extra}, PERIOD_S, velocity_scale=0.7)
    last = None
    for target, place in zip(targets, itertools.cycle(places)):
        at, p = np.array(place), np.array(target)
        origin = at if last is None else last
        p = np.where(turns, origin + shortest(p, origin), p)
        old = np.clip(np.clip(p, lower, upper), origin - step, origin + step)
        old = last = np.where(turns, at + shortest(old, at), old)
        joints = JointState(0, (*names, "x"), np.append(at, 0.0), np.zeros(4))
        new = gate.filter(command(*target, *[1.0] * beside, names=(*names, *extra)), joints)
        assert new.position[:3].tobytes() == old.tobytes()


def shortest(target: np.ndarray, origin: np.ndarray) -> np.ndarray:
    turn = target - origin
    wound = (np.mod(target, 2 * np.pi) - np.mod(origin, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
    return np.where(np.abs(turn) <= np.pi, turn, wound)


@given(
    before=st.lists(POSITIONS, max_size=8),
    ahead=st.lists(POSITIONS, min_size=1, max_size=8),
    bad=st.booleans(),
)
def test_what_looks_ahead_changes_nothing_and_is_what_follows(
    before: list[tuple[float, ...]], ahead: list[tuple[float, ...]], bad: bool
) -> None:
    gate, twin, at = SafetyGate(EASED, PERIOD_S), SafetyGate(EASED, PERIOD_S), state(*[0.0] * len(JOINTS))
    for asked in before:
        gate.filter(command(*asked, names=JOINTS), at)
        twin.filter(command(*asked, names=JOINTS), at)
    commands = [command(*asked, names=JOINTS) for asked in ahead]
    if bad:
        with pytest.raises(RobotFault):
            gate.ahead([*commands, command(math.nan, names=JOINTS[:1])], at)
    told = gate.ahead(commands, at)
    for one, asked in zip(told, commands, strict=True):
        then = twin.filter(asked, at).position.tobytes()
        assert one.position.tobytes() == then == gate.filter(asked, at).position.tobytes()


@pytest.mark.parametrize("limit", [JointLimit(-1e300, 1e300, 1e300, 1.0, 1e-300, 1e-300)])
def test_no_bound_is_so_large_or_small_that_the_gate_breaks(limit: JointLimit) -> None:
    gate = SafetyGate({"a": limit}, PERIOD_S)
    for asked in (1e299, -1e299, 0.0):
        assert math.isfinite(gate.filter(command(asked, names=("a",)), measured()).position[0])
