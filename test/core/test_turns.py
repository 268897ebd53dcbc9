"""Time and turns of a robot: lock-step, real time, and who may command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.arm.arbiter import Arbiter
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import EPISODE_GAP_NS, JointLimit
from amf_ros.arm.turns import LockStep, RealTime, make_turns
from amf_ros.core.errors import CommandRefused, ConfigError, RobotFault, UnknownName
from amf_ros.core.values import JointCommand, JointPlan, JointState

PERIOD = 50_000_000
WATCHDOG = 150_000_000
START = 1_000
LIMITS = {"a": JointLimit(-10.0, 10.0, 4.0, 1.0)}


class Arm:
    """A simulator whose joints are where they were told to be, but for a sag that nothing takes away."""

    control_hz = 20.0
    simulated = True

    def __init__(self, limits: dict[str, JointLimit] = LIMITS, sag: float = 0.0) -> None:
        self.limits, self.joint_names, self.sag = limits, tuple(limits), sag
        self.target = dict.fromkeys(limits, 0.0)
        self.received: list[dict[str, float] | None] = []
        self.moved = 0
        self.broken = False
        self.refuses = ""
        self.stamp_ns = START
        self._told: dict[str, float] | None = None

    @property
    def position(self) -> np.ndarray:
        return np.array([math.nan if self.broken else value - self.sag for value in self.target.values()])

    def connect(self) -> None:
        pass

    def reset(self, task_id: str, seed: int) -> None:
        if task_id == "unknown":
            raise UnknownName("task", task_id, ["known"])
        if task_id == "busy":
            raise RobotFault("not now")
        self.target = dict.fromkeys(self.limits, float(seed))
        if task_id == "half way":
            raise ValueError("half way")
        self.stamp_ns += EPISODE_GAP_NS

    def read(self) -> JointState:
        return JointState(self.stamp_ns, self.joint_names, self.position, np.zeros(len(self.limits)))

    def write(self, command: JointCommand, ahead: Sequence[JointCommand] = ()) -> None:
        if self.refuses:
            raise RobotFault(self.refuses)
        self._told = dict(zip(command.names, command.position.tolist(), strict=True))

    def step(self) -> None:
        self.received.append(self._told)
        self.target.update(self._told or {})
        self._told = None
        self.moved += 1
        self.stamp_ns += PERIOD

    def hold(self) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def told(self) -> list[float | None]:
        """Of joint a, step by step."""
        return [None if step is None else step["a"] for step in self.received]


def real_time(arm: Arm | None = None, watchdog_ns: int = WATCHDOG) -> tuple[RealTime, Arm]:
    arm = arm or Arm()
    gate = SafetyGate(arm.limits, 1 / arm.control_hz)
    return RealTime(arm, Arbiter(gate, watchdog_ns=watchdog_ns)), arm


def lock_step(arm: Arm | None = None) -> tuple[LockStep, Arm]:
    arm = arm or Arm()
    gate = SafetyGate(arm.limits, 1 / arm.control_hz)
    return LockStep(arm, Arbiter(gate, watchdog_ns=WATCHDOG)), arm


def reset(turns: LockStep | RealTime, task_id: str, seed: int) -> int:
    arm: Any = turns.arm
    return turns.begin_episode(lambda: arm.reset(task_id, seed), task_id)


def plan(stamp_ns: int, *positions: float, times: tuple[float, ...] = (), names: tuple[str, ...] = ("a",)):
    """One joint at several times [periods]."""
    rows = np.array(positions, dtype=float).reshape(-1, 1)
    times_ns = np.array([int(t * PERIOD) for t in times] or range(len(positions)), dtype=np.int64)
    return JointPlan(stamp_ns, names, times_ns, rows)


STOP = JointPlan(0, (), np.empty(0, dtype=np.int64), np.empty((0, 0)))


def refusal(call: Any, reason: str, text: str = "") -> None:
    with pytest.raises(CommandRefused, match=text) as error:
        call()
    assert error.value.reason == reason


def test_lock_step_moves_only_for_answers_to_the_current_state() -> None:
    driver, arm = lock_step()
    assert driver.answer(plan(START, 0.1), person=False)
    assert not driver.answer(plan(START, 0.1), person=False)
    assert driver.joints.stamp_ns == driver.stamp_ns == START + PERIOD
    assert arm.told == [0.1]


@pytest.mark.parametrize("stamp_ns", [0, START - 1, START + PERIOD, -(10**18), 10**18])
def test_lock_step_says_why_a_strange_stamp_is_not_acted_upon(stamp_ns: int) -> None:
    driver, arm = lock_step()
    refusal(lambda: driver.answer(plan(stamp_ns, 0.1), person=True), "not the current state", "carries")
    assert arm.moved == 0 and driver.stamp_ns == START
    assert driver.answer(plan(START, 0.1), person=False)  # and it shut nobody out


def test_a_reset_is_seen_from_the_stamps() -> None:
    driver, arm = real_time()
    first = reset(driver, "any", 3)
    assert first - START >= EPISODE_GAP_NS and driver.episode == 1
    assert driver.joints.position.tolist() == [3.0]
    driver.arbiter.stop("button")
    with pytest.raises(RobotFault, match="button"):
        reset(driver, "any", 4)
    assert driver.episode == 1 and arm.target == {"a": 3.0}


@pytest.mark.parametrize("task_id", ["unknown", "busy"])
def test_a_refused_reset_changes_nothing(task_id: str) -> None:
    driver, arm = real_time()
    driver.offer(plan(0, 0.2, times=(2,)), person=True)
    driver.tick()
    before = driver.joints, driver.stamp_ns, driver.episode, dict(arm.target)
    with pytest.raises((UnknownName, RobotFault)):
        reset(driver, task_id, 5)
    assert (
        driver.joints,
        driver.stamp_ns,
        driver.episode,
        arm.target,
    ) == before and driver.arbiter.fault == ""
    driver.tick()
    assert arm.told == [pytest.approx(0.1), pytest.approx(0.2)]  # what was being done goes on
    refusal(lambda: driver.offer(plan(0, 0.1), person=False), "a person drives")


def test_a_reset_that_breaks_off_leaves_a_fault_that_holds_until_one_succeeds() -> None:
    driver, arm = real_time()
    driver.offer(plan(0, 1.0, times=(3,)), person=False)
    with pytest.raises(ValueError, match="half way"):
        reset(driver, "half way", 5)
    driver.tick()
    driver.tick()
    assert "broke off" in driver.arbiter.fault and arm.told == [0.0, None] and driver.episode == 0
    refusal(lambda: driver.offer(plan(0, 0.1), person=True), "fault", "broke off")
    reset(driver, "any", 1)
    driver.offer(plan(driver.stamp_ns, 1.1), person=True)
    driver.tick()
    assert driver.arbiter.fault == "" and arm.target == {"a": 1.1}


def test_in_lock_step_too_a_reset_that_breaks_off_is_a_fault() -> None:
    driver, arm = lock_step()
    with pytest.raises(ValueError, match="half way"):
        reset(driver, "half way", 5)
    refusal(lambda: driver.answer(plan(driver.stamp_ns, 0.1), person=True), "fault", "broke off")
    reset(driver, "any", 1)
    assert driver.answer(plan(driver.stamp_ns, 1.1), person=True) and arm.target == {"a": 1.1}


def test_a_refused_command_moves_nothing() -> None:
    driver, arm = real_time()
    stepped, other = lock_step()
    for bad in (math.nan, math.inf):
        refusal(lambda bad=bad: stepped.answer(plan(START, bad), person=False), "not finite")
        refusal(lambda bad=bad: driver.offer(plan(START, bad), person=False), "not finite")
        refusal(lambda bad=bad: driver.offer(plan(START, 0.0, bad), person=False), "not finite")
    refusal(lambda: driver.offer(plan(0, 0.1, names=("b",)), person=False), "unknown joint", "'b'")
    driver.tick()
    assert driver.stamp_ns == START + PERIOD and arm.told == [None]
    assert stepped.stamp_ns == START and other.moved == 0


def test_a_person_shuts_the_policy_out_for_as_long_as_the_watchdog() -> None:
    driver, _ = real_time()
    driver.offer(plan(driver.stamp_ns, 0.1), person=True)
    for _ in range(4):
        refusal(lambda: driver.offer(plan(driver.stamp_ns, 0.1), person=False), "a person drives", "0.15 s")
        driver.tick()
    driver.offer(plan(driver.stamp_ns, 0.1), person=False)


def test_a_person_of_a_clock_that_went_back_does_not_shut_the_policy_out() -> None:
    arbiter = Arbiter(SafetyGate(LIMITS, 0.05), watchdog_ns=WATCHDOG)
    arbiter.take(plan(0, 0.1), Arm().read(), 10 * WATCHDOG, person=True)
    arbiter.allow(plan(0, 0.1), START, person=False)


def test_in_lock_step_a_person_shuts_the_policy_out_too() -> None:
    driver, _ = lock_step()
    assert driver.answer(plan(driver.stamp_ns, 0.1), person=True)
    refusal(lambda: driver.answer(plan(driver.stamp_ns, 0.1), person=False), "a person drives", "0.15 s")
    for _ in range(3):
        assert driver.answer(plan(driver.stamp_ns, 0.1), person=True)
    reset(driver, "any", 0)
    assert driver.answer(plan(driver.stamp_ns, 0.1), person=False)


@pytest.mark.parametrize("wrong", ["not finite", "unknown joint", "stopped", "too old"])
def test_only_an_accepted_command_of_a_person_shuts_the_policy_out(wrong: str) -> None:
    driver, _ = real_time()
    stepped, _ = lock_step()
    bad = {
        "not finite": plan(START, math.nan),
        "unknown joint": plan(START, 0.1, names=("b",)),
        "stopped": plan(START, 0.1),
        "too old": plan(START - WATCHDOG - 1, 0.1),
    }[wrong]
    if wrong == "stopped":
        driver.arbiter.stop("button")
        stepped.arbiter.stop("button")
    refusal(lambda: driver.offer(bad, person=True), wrong)
    if wrong != "too old":
        refusal(lambda: stepped.answer(bad, person=True), wrong)
    driver.arbiter.release()
    stepped.arbiter.release()
    driver.offer(plan(START, 0.1), person=False)
    assert stepped.answer(plan(START, 0.1), person=False)


def test_real_time_takes_the_newest_command() -> None:
    driver, arm = real_time()
    driver.offer(plan(START, 0.1), person=False)
    driver.offer(plan(START, 0.15), person=False)
    driver.tick()
    assert arm.told == [0.15]


@pytest.mark.parametrize(
    ("lead_ns", "reason"),
    [(-WATCHDOG - 1, "too old"), (3600 * 10**9, "in the future"), (-(10**18), "too old")],
)
def test_stamps_of_another_clock_are_refused_with_the_difference(lead_ns: int, reason: str) -> None:
    driver, arm = real_time()
    seconds = f"{abs(lead_ns) * 1e-9:.3f} s {'before' if lead_ns < 0 else 'after'} the robot's clock"
    refusal(lambda: driver.offer(plan(START + lead_ns, 0.1), person=True), reason, seconds)
    driver.tick()
    assert arm.told == [None]


def test_a_command_from_before_a_reset_does_not_move_the_arm_after_it() -> None:
    driver, arm = real_time(watchdog_ns=5 * EPISODE_GAP_NS)
    old = plan(START, 0.1, times=(1,))
    reset(driver, "reach", 0)
    told = list(arm.told)
    refusal(lambda: driver.offer(old, person=True), "too old", "from before the reset")
    driver.tick()
    assert arm.told == [*told, None]


def test_stamp_zero_means_now() -> None:
    driver, arm = real_time()
    driver.offer(plan(0, 0.1), person=False)
    driver.tick()
    assert arm.told == [0.1]
    assert (
        driver.arbiter.applied is not None and driver.arbiter.applied.stamp_ns == START
    )  # the state it was applied to


def test_of_a_plan_stamped_zero_each_period_is_told_under_the_state_it_was_applied_to() -> None:
    driver, _ = real_time()
    driver.offer(plan(0, 0.1, 0.3, times=(1, 3)), person=True)
    told: list[tuple[int, float]] = []
    for _ in range(4):
        driver.tick()
        if driver.arbiter.applied is not None:
            told.append((driver.arbiter.applied.stamp_ns - START, float(driver.arbiter.applied.position[0])))
    assert [stamp for stamp, _ in told] == [0, PERIOD, 2 * PERIOD]
    assert [position for _, position in told] == pytest.approx([0.1, 0.2, 0.3])
    assert driver.arbiter.tally.applied == 1 and driver.arbiter.applied is None


@pytest.mark.parametrize("lead_ns", [-100_000_000, -PERIOD, 0, PERIOD, WATCHDOG])
def test_a_stamp_that_is_a_little_off_moves_the_arm_at_once(lead_ns: int) -> None:
    driver, arm = real_time()
    driver.offer(plan(START + lead_ns, 0.1, times=(1,)), person=False)
    driver.tick()
    assert arm.told == [0.1]


def test_the_stamp_by_the_robots_clock_decides_where_the_device_is_known_to_be_off() -> None:
    driver, arm = real_time()
    driver.offer(plan(77, 0.1), person=True, stamp_ns=START)
    driver.tick()
    assert arm.told == [0.1] and driver.arbiter.applied is not None and driver.arbiter.applied.stamp_ns == 77


def test_a_far_point_is_approached_in_its_time() -> None:
    driver, arm = real_time()
    for _ in range(4):
        driver.offer(plan(0, 0.4, times=(4,)), person=False)  # renewed: a quarter of what is left, each time
        driver.tick()
    assert arm.told == pytest.approx([0.1, 0.175, 0.23125, 0.2734375])


def test_several_points_are_followed_on_straight_lines_until_commands_are_silent() -> None:
    driver, arm = real_time()
    driver.offer(plan(START, 0.1, 0.1, 0.3, times=(0.5, 1.5, 3.5)), person=False)
    driver.tick()
    assert driver.arbiter.applied is not None
    driver.tick()
    assert driver.arbiter.applied is None  # one command, told once
    driver.tick()
    refusal(driver.tick, "not renewed", "0.025 s")
    driver.tick()
    assert arm.told[:4] == pytest.approx([0.1, 0.15, 0.25, 0.25]) and arm.told[4] is None
    assert driver.arbiter.tally.applied == 1


def test_a_long_trajectory_that_is_not_renewed_breaks_off_and_says_so() -> None:
    driver, arm = real_time()
    driver.offer(plan(0, 2.0, times=(40,)), person=True)
    for _ in range(3):
        driver.tick()
    refusal(driver.tick, "not renewed", "holds with 1.850 s of a trajectory left")
    driver.tick()
    assert arm.told[:4] == pytest.approx([0.05, 0.1, 0.15, 0.15]) and arm.told[4] is None


def test_partial_commands_leave_the_other_joints_at_their_targets() -> None:
    limits = {"a": JointLimit(-1.0, 1.0, 4.0, 1.0), "b": JointLimit(-1.0, 1.0, 4.0, 1.0)}
    driver, arm = real_time(Arm(limits))
    driver.offer(plan(0, 0.1), person=False)
    driver.tick()
    driver.offer(plan(0, -0.1, names=("b",)), person=False)
    driver.tick()
    assert arm.target == {"a": 0.1, "b": -0.1}
    assert driver.arbiter.applied is not None and driver.arbiter.applied.names == ("b",)


@pytest.mark.parametrize("person", [True, False])
def test_no_points_mean_stop_and_hold(person: bool) -> None:
    driver, arm = real_time()
    driver.offer(plan(0, 0.6, times=(6,)), person=person)
    driver.tick()
    driver.offer(JointPlan(0, ("no", "matter"), STOP.times_ns, np.empty((0, 2))), person=person)
    driver.tick()
    driver.tick()
    assert arm.told[0] == arm.told[1] == pytest.approx(0.1)
    assert arm.target["a"] == pytest.approx(0.1) and driver.arbiter.tally.applied == 1
    assert driver.arbiter.applied is None


@pytest.mark.parametrize("person", [True, False])
def test_in_lock_step_no_points_hold_for_a_period(person: bool) -> None:
    driver, arm = lock_step()
    assert driver.answer(plan(START, 0.1), person=person)
    for _ in range(2):
        stop = JointPlan(driver.stamp_ns, ("no", "matter"), STOP.times_ns, np.empty((0, 2)))
        assert driver.answer(stop, person=person) and driver.arbiter.applied is None
    assert arm.told == [0.1, 0.1, None] and driver.arbiter.tally.applied == 1


def test_real_time_holds_once_commands_are_silent_for_the_watchdog() -> None:
    driver, arm = real_time()
    driver.offer(plan(START, 0.1), person=False)
    for _ in range(6):
        driver.tick()
    assert arm.told == [0.1, None, None, 0.1, None, None]  # held where measured, once
    assert driver.stamp_ns == START + 6 * PERIOD


def test_real_time_goes_on_while_stopped_and_holds() -> None:
    driver, arm = real_time()
    driver.arbiter.stop("button")
    refusal(lambda: driver.offer(plan(START, 0.1), person=True), "stopped", "button")
    driver.tick()
    assert arm.told == [0.0] and driver.stamp_ns == START + PERIOD


@settings(deadline=None)
@given(
    sag=st.floats(-0.2, 0.2),
    before=st.lists(st.floats(-1, 1), max_size=4),
    during=st.lists(st.sampled_from(["tick", "stop", "empty", "bad", "old"]), min_size=5, max_size=60),
)
def test_an_arm_that_gives_way_sinks_once_and_not_at_every_tick(
    sag: float, before: list[float], during: list[str]
) -> None:
    """Whatever comes while it is held: one position, taken when the hold began."""
    driver, arm = real_time(Arm(sag=sag))
    for target in before:
        driver.offer(plan(0, target), person=True)
        driver.tick()
    measured = float(arm.position[0])
    driver.arbiter.stop("button")
    for event in during:
        if event == "stop":
            driver.arbiter.stop("button again")
        elif event != "tick":
            bad = {"empty": STOP, "bad": plan(0, math.nan), "old": plan(1, 0.0)}[event]
            with pytest.raises(CommandRefused):
                driver.offer(bad, person=True)
        driver.tick()
        assert arm.target["a"] == measured
    assert float(arm.position[0]) == pytest.approx(measured - sag)


def test_silence_and_repeated_stops_hold_one_position_too() -> None:
    driver, arm = real_time(Arm(sag=0.1))
    driver.offer(plan(0, 0.2), person=True)
    for _ in range(10):
        driver.tick()
    held = arm.target["a"]
    for _ in range(20):
        driver.offer(STOP, person=True)
        driver.tick()
    driver.arbiter.stop("button")
    driver.tick()
    assert arm.target["a"] == held == pytest.approx(0.0)  # where the arm was: 0.1 below its target


def test_an_arm_that_is_measured_as_not_finite_is_told_nothing_new() -> None:
    driver, arm = real_time()
    driver.offer(plan(START, 0.1), person=False)
    arm.broken = True
    driver.tick()  # the state before was fine; the next is not
    refusal(lambda: driver.offer(plan(0, 0.2), person=False), "not measured")
    stepped, _ = lock_step(arm)
    refusal(lambda: stepped.answer(plan(driver.stamp_ns, 0.2), person=False), "not measured")
    driver.arbiter.stop("button")
    driver.tick()
    assert arm.told == [0.1, None]


def test_what_became_of_commands_is_counted() -> None:
    driver, _ = real_time()
    driver.offer(plan(0, 0.1), person=False)
    driver.tick()
    driver.offer(plan(0, 9.0), person=False)
    driver.tick()
    assert (driver.arbiter.tally.applied, driver.arbiter.tally.changed) == (2, 1)
    driver.arbiter.tally.refuse("too old", "it is old")
    driver.arbiter.tally.refuse("too old", "it is older")
    driver.arbiter.tally.refuse("stopped", "no")
    assert (
        driver.arbiter.tally.num_refused == 3
        and driver.arbiter.tally.refusal == "no (so far: too old 2, stopped 1)"
    )


WILD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1e308, -1e308, math.pi, -math.pi, 0.3, -0.3]),
)
NAMES = st.lists(st.sampled_from(["a", "b", "turn", "c", ""]), max_size=4).map(tuple)
WILD_LIMITS = {
    "a": JointLimit(-1.0, 2.0, 2.0, 1.0),
    "b": JointLimit(-0.5, 0.5, 1.0, 1.0),
    "turn": JointLimit(-math.inf, math.inf, 3.0, 1.0),
}


@st.composite
def wild_plans(draw: st.DrawFn) -> tuple[int, JointPlan]:
    """(a lead over the robot's clock or an absolute stamp, a plan of any shape)."""
    names, points = draw(NAMES), draw(st.integers(0, 3))
    width = draw(st.sampled_from([len(names), len(names), len(names), 0, 5]))
    rows = draw(st.lists(st.lists(WILD, min_size=width, max_size=width), min_size=points, max_size=points))
    times = np.cumsum(draw(st.lists(st.integers(1, 4 * PERIOD), min_size=points, max_size=points)))
    positions = np.array(rows, dtype=float).reshape(points, width)
    lead = draw(st.sampled_from([0, 0, 0, -PERIOD, PERIOD, -WATCHDOG - 1, 10**15, -(10**15)]))
    return lead, JointPlan(lead, names, times.astype(np.int64), positions)


COMMANDS = st.tuples(st.booleans(), st.booleans(), wild_plans())
HAPPENINGS = st.sampled_from(["tick", "tick", "stop", "release", "reset", "bad reset", "broken", "mended"])


@settings(deadline=None, max_examples=300)
@given(
    stepped=st.booleans(),
    events=st.lists(st.one_of(HAPPENINGS, COMMANDS, COMMANDS), max_size=40),
    sag=st.sampled_from([0.0, 0.05]),
)
def test_no_sequence_of_inputs_gets_past_the_limits_and_nothing_refused_moves(
    stepped: bool, events: list[Any], sag: float
) -> None:
    driver: Any
    driver, arm = (lock_step if stepped else real_time)(Arm(WILD_LIMITS, sag))
    for event in events:
        measured, last, moved, stamp = (
            driver.joints.position,
            dict(arm.target),
            arm.moved,
            driver.stamp_ns,
        )
        stopped = bool(driver.arbiter.stopped) or bool(driver.arbiter.fault)
        refused = False
        try:
            _do(driver, arm, event)
        except (CommandRefused, RobotFault, UnknownName, ValueError):
            refused = event != "tick"  # a tick that refuses holds
        if event == "reset" or event == "bad reset":
            continue
        if refused:
            assert arm.moved == moved and driver.stamp_ns == stamp and arm.target == last
        assert driver.stamp_ns >= stamp
        for (name, target), at in zip(arm.target.items(), measured, strict=True):
            limit, before = WILD_LIMITS[name], last[name]
            assert math.isfinite(target)
            if not limit.continuous:
                # A joint that is beyond a limit, as an arm that gives way, may stay there and go no further.
                assert min(limit.lower, at, before) <= target <= max(limit.upper, at, before)
            if target == before:
                continue
            assert arm.moved > moved
            most = limit.velocity / arm.control_hz + 1e-9
            steps = [abs(target - before), abs(target - at)]
            if limit.continuous:
                steps = [abs(math.remainder(step, 2 * math.pi)) for step in steps]
            assert min(steps) <= most or target == at
            if stopped:
                assert target == at


def _do(driver: Any, arm: Arm, event: Any) -> None:
    stepped = isinstance(driver, LockStep)
    if event == "tick":
        if not stepped:
            driver.tick()
    elif event == "stop":
        driver.arbiter.stop("button")
    elif event == "release":
        driver.arbiter.release()
    elif event == "reset":
        reset(driver, "any", 0)
    elif event == "bad reset":
        reset(driver, "unknown", 0)
    elif event in ("broken", "mended"):
        arm.broken = event == "broken"
    else:
        person, absolute, (lead, wild) = event
        stamp = lead if absolute else driver.stamp_ns + lead
        made = JointPlan(stamp, wild.names, wild.times_ns, wild.positions)
        if stepped:
            driver.answer(made, person=person)
        else:
            driver.offer(made, person=person)


def test_an_arm_that_refuses_is_left_alone_and_asked_again() -> None:
    driver, arm = real_time()
    arm.refuses = "protective stop"
    driver.offer(plan(0, 0.4, times=(4,)), person=False)
    refusal(driver.tick, "refused by the arm", "protective stop")
    assert driver.arbiter.applied is None and driver.arbiter.tally.applied == 0 and arm.told == [None]
    arm.refuses = ""
    driver.tick()
    driver.offer(plan(0, 0.1), person=False)
    driver.tick()
    assert arm.told == [None, None, 0.1] and driver.arbiter.tally.applied == 1


def test_in_lock_step_a_refusal_of_the_arm_lets_no_time_pass() -> None:
    driver, arm = lock_step()
    arm.refuses = "protective stop"
    refusal(lambda: driver.answer(plan(START, 0.1), person=False), "refused by the arm", "protective stop")
    assert driver.stamp_ns == START and arm.moved == 0
    arm.refuses = ""
    assert driver.answer(plan(START, 0.1), person=False) and arm.told == [0.1]


def test_an_arm_that_looks_ahead_is_told_what_follows_within_the_limits() -> None:
    arm, told = Arm(), []
    arm.write = lambda command, ahead=(): told.append(  # type: ignore[method-assign]
        [float(one.position[0]) for one in (command, *ahead)]
    )
    gate = SafetyGate(arm.limits, 1 / arm.control_hz)
    driver = RealTime(arm, Arbiter(gate, watchdog_ns=WATCHDOG, lookahead=3))
    driver.offer(plan(0, 0.1, 0.9, 0.9, times=(1, 2, 3)), person=False)
    driver.tick()
    driver.tick()
    assert told == [pytest.approx([0.1, 0.3, 0.5]), pytest.approx([0.3, 0.5])]


def test_lock_step_and_other_speeds_are_for_simulators() -> None:
    class Real(Arm):
        simulated = False

    arbiter = Arbiter(SafetyGate(LIMITS, 0.05), watchdog_ns=WATCHDOG)
    for factor in (0.0, 2.0):
        with pytest.raises(ConfigError, match="no simulator.*real_time_factor:=1.0"):
            make_turns(Real(), arbiter, real_time_factor=factor)
    assert isinstance(make_turns(Arm(), arbiter, real_time_factor=0.0), LockStep)
    assert isinstance(make_turns(Arm(), arbiter, real_time_factor=2.0), RealTime)
