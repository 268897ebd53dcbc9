"""Time and turns of a robot: lock-step, real time, and who may command."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.arm.driver import EPISODE_GAP_NS, Driver
from amf_ros.arm.episode_follower import EpisodeFollower, Turn
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import JointLimit
from amf_ros.core.errors import CommandRefused, RobotFault, UnknownName
from amf_ros.core.values import JointCommand, JointPlan, JointState, SceneState

PERIOD = 50_000_000
WATCHDOG = 150_000_000
START = 1_000
LIMITS = {"a": JointLimit(-10.0, 10.0, 4.0, 1.0)}


class Arm:
    """Joints that are where they were told to be, but for a sag that no controller takes away."""

    control_hz = 20.0
    simulated = True

    def __init__(self, limits: dict[str, JointLimit] = LIMITS, sag: float = 0.0) -> None:
        self.limits, self.joint_names, self.sag = limits, tuple(limits), sag
        self.target = dict.fromkeys(limits, 0.0)
        self.received: list[dict[str, float] | None] = []
        self.moved = 0
        self.broken = False

    @property
    def position(self) -> np.ndarray:
        return np.array([math.nan if self.broken else value - self.sag for value in self.target.values()])

    def reset(self, task_id: str, seed: int) -> None:
        if task_id == "unknown":
            raise UnknownName("task", task_id, ["known"])
        if task_id == "busy":
            raise RobotFault("not now")
        self.target = dict.fromkeys(self.limits, float(seed))
        if task_id == "half way":
            raise ValueError("half way")

    def state(self) -> tuple[JointState, SceneState]:
        joints = JointState(0, self.joint_names, self.position, np.zeros(len(self.limits)))
        return joints, SceneState(0, ("thing",), np.array([[0.0, 0, 0, 0, 0, 0, 1.0]]))

    def step(self, command: JointCommand | None) -> None:
        told = None if command is None else dict(zip(command.names, command.position.tolist(), strict=True))
        self.received.append(told)
        self.target.update(told or {})
        self.moved += 1

    def close(self) -> None:
        pass

    @property
    def told(self) -> list[float | None]:
        """Of joint a, step by step."""
        return [None if step is None else step["a"] for step in self.received]


def make(arm: Arm | None = None) -> tuple[Driver, Arm]:
    arm = arm or Arm()
    gate = SafetyGate(arm.limits, 1 / arm.control_hz)
    return Driver(arm, gate, start_ns=START, watchdog_ns=WATCHDOG), arm


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
    driver, arm = make()
    assert driver.answer(plan(START, 0.1), teleop=False)
    assert not driver.answer(plan(START, 0.1), teleop=False)
    joints, scene = driver.state()
    assert joints.stamp_ns == scene.stamp_ns == driver.stamp_ns == START + PERIOD
    assert arm.told == [0.1]


@pytest.mark.parametrize("stamp_ns", [0, START - 1, START + PERIOD, -(10**18), 10**18])
def test_lock_step_says_why_a_strange_stamp_is_not_acted_upon(stamp_ns: int) -> None:
    driver, arm = make()
    refusal(lambda: driver.answer(plan(stamp_ns, 0.1), teleop=True), "not the current state", "carries")
    assert arm.moved == 0 and driver.stamp_ns == START
    assert driver.answer(plan(START, 0.1), teleop=False)  # and it shut nobody out


def test_a_reset_is_seen_from_the_stamps() -> None:
    driver, arm = make()
    first = driver.reset("any", 3)
    assert first - START >= EPISODE_GAP_NS and driver.episode == 1
    assert driver.state()[0].position.tolist() == [3.0]
    driver.stop("button")
    with pytest.raises(RobotFault, match="button"):
        driver.reset("any", 4)
    assert driver.episode == 1 and arm.target == {"a": 3.0}


@pytest.mark.parametrize("task_id", ["unknown", "busy"])
def test_a_refused_reset_changes_nothing(task_id: str) -> None:
    driver, arm = make()
    driver.offer(plan(0, 0.2, times=(2,)), teleop=True)
    driver.tick()
    before = driver.state(), driver.stamp_ns, driver.episode, dict(arm.target)
    with pytest.raises((UnknownName, RobotFault)):
        driver.reset(task_id, 5)
    assert (driver.state(), driver.stamp_ns, driver.episode, arm.target) == before and driver.fault == ""
    driver.tick()
    assert arm.told == [pytest.approx(0.1), pytest.approx(0.2)]  # what was being done goes on
    refusal(lambda: driver.offer(plan(0, 0.1), teleop=False), "a person drives")


def test_a_reset_that_breaks_off_leaves_a_fault_that_holds_until_one_succeeds() -> None:
    driver, arm = make()
    driver.offer(plan(0, 1.0, times=(3,)), teleop=False)
    with pytest.raises(ValueError, match="half way"):
        driver.reset("half way", 5)
    driver.tick()
    driver.tick()
    assert "broke off" in driver.fault and arm.told == [0.0, None] and driver.episode == 0
    refusal(lambda: driver.offer(plan(0, 0.1), teleop=True), "fault", "broke off")
    refusal(lambda: driver.answer(plan(driver.stamp_ns, 0.1), teleop=True), "fault")
    driver.reset("any", 1)
    assert driver.fault == "" and driver.answer(plan(driver.stamp_ns, 1.1), teleop=True)


def test_a_refused_command_moves_nothing() -> None:
    driver, arm = make()
    for bad in (math.nan, math.inf):
        refusal(lambda bad=bad: driver.answer(plan(START, bad), teleop=False), "not finite")
        refusal(lambda bad=bad: driver.offer(plan(START, bad), teleop=False), "not finite")
        refusal(lambda bad=bad: driver.offer(plan(START, 0.0, bad), teleop=False), "not finite")
    refusal(lambda: driver.offer(plan(0, 0.1, names=("b",)), teleop=False), "unknown joint", "'b'")
    driver.tick()
    assert driver.stamp_ns == START + PERIOD and arm.told == [None]


def test_teleop_shuts_the_policy_out_for_as_long_as_the_watchdog() -> None:
    driver, _ = make()
    assert driver.answer(plan(driver.stamp_ns, 0.1), teleop=True)
    for _ in range(3):
        refusal(lambda: driver.answer(plan(driver.stamp_ns, 0.1), teleop=False), "a person drives", "0.15 s")
        driver.tick()
    assert driver.answer(plan(driver.stamp_ns, 0.1), teleop=False)


@pytest.mark.parametrize("wrong", ["not finite", "unknown joint", "stopped", "too old"])
def test_only_an_accepted_command_of_a_person_shuts_the_policy_out(wrong: str) -> None:
    driver, _ = make()
    bad = {
        "not finite": plan(START, math.nan),
        "unknown joint": plan(START, 0.1, names=("b",)),
        "stopped": plan(START, 0.1),
        "too old": plan(START - WATCHDOG - 1, 0.1),
    }[wrong]
    if wrong == "stopped":
        driver.stop("button")
    refusal(lambda: driver.offer(bad, teleop=True), wrong)
    if wrong != "too old":
        refusal(lambda: driver.answer(bad, teleop=True), wrong)
    driver.release()
    driver.offer(plan(START, 0.1), teleop=False)
    assert driver.answer(plan(START, 0.1), teleop=False)


def test_real_time_takes_the_newest_command() -> None:
    driver, arm = make()
    driver.offer(plan(START, 0.1), teleop=False)
    driver.offer(plan(START, 0.15), teleop=False)
    driver.tick()
    assert arm.told == [0.15]


@pytest.mark.parametrize(
    ("lead_ns", "reason"),
    [(-WATCHDOG - 1, "too old"), (3600 * 10**9, "in the future"), (-(10**18), "too old")],
)
def test_stamps_of_another_clock_are_refused_with_the_difference(lead_ns: int, reason: str) -> None:
    driver, arm = make()
    seconds = f"{abs(lead_ns) * 1e-9:.3f} s {'before' if lead_ns < 0 else 'after'} the robot's clock"
    refusal(lambda: driver.offer(plan(START + lead_ns, 0.1), teleop=True), reason, seconds)
    driver.tick()
    assert arm.told == [None]


def test_a_command_from_before_a_reset_does_not_move_the_arm_after_it() -> None:
    arm = Arm()
    gate = SafetyGate(arm.limits, 1 / arm.control_hz)
    driver = Driver(arm, gate, start_ns=START, watchdog_ns=5 * EPISODE_GAP_NS)
    old = plan(START, 0.1, times=(1,))
    driver.reset("reach", 0)
    told = list(arm.told)
    refusal(lambda: driver.offer(old, teleop=True), "too old", "from before the reset")
    driver.tick()
    assert arm.told == [*told, None]


def test_stamp_zero_means_now() -> None:
    driver, arm = make()
    driver.offer(plan(0, 0.1), teleop=False)
    driver.tick()
    assert arm.told == [0.1]
    assert driver.applied is not None and driver.applied.stamp_ns == START  # the state it was applied to


def test_of_a_plan_stamped_zero_each_period_is_told_under_the_state_it_was_applied_to() -> None:
    driver, _ = make()
    driver.offer(plan(0, 0.1, 0.3, times=(1, 3)), teleop=True)
    told: list[tuple[int, float]] = []
    for _ in range(4):
        driver.tick()
        if driver.applied is not None:
            told.append((driver.applied.stamp_ns - START, float(driver.applied.position[0])))
    assert [stamp for stamp, _ in told] == [0, PERIOD, 2 * PERIOD]
    assert [position for _, position in told] == pytest.approx([0.1, 0.2, 0.3])
    assert driver.tally.applied == 1 and driver.applied is None


@pytest.mark.parametrize("lead_ns", [-100_000_000, -PERIOD, 0, PERIOD, WATCHDOG])
def test_a_stamp_that_is_a_little_off_moves_the_arm_at_once(lead_ns: int) -> None:
    driver, arm = make()
    driver.offer(plan(START + lead_ns, 0.1, times=(1,)), teleop=False)
    driver.tick()
    assert arm.told == [0.1]


def test_the_stamp_by_the_robots_clock_decides_where_the_device_is_known_to_be_off() -> None:
    driver, arm = make()
    driver.offer(plan(77, 0.1), teleop=True, stamp_ns=START)
    driver.tick()
    assert arm.told == [0.1] and driver.applied is not None and driver.applied.stamp_ns == 77


def test_a_far_point_is_approached_in_its_time() -> None:
    driver, arm = make()
    for _ in range(4):
        driver.offer(plan(0, 0.4, times=(4,)), teleop=False)  # renewed: a quarter of what is left, each time
        driver.tick()
    assert arm.told == pytest.approx([0.1, 0.175, 0.23125, 0.2734375])


def test_several_points_are_followed_on_straight_lines_until_commands_are_silent() -> None:
    driver, arm = make()
    driver.offer(plan(START, 0.1, 0.1, 0.3, times=(0.5, 1.5, 3.5)), teleop=False)
    driver.tick()
    assert driver.applied is not None
    driver.tick()
    assert driver.applied is None  # one command, told once
    driver.tick()
    refusal(driver.tick, "not renewed", "0.025 s")
    driver.tick()
    assert arm.told[:4] == pytest.approx([0.1, 0.15, 0.25, 0.25]) and arm.told[4] is None
    assert driver.tally.applied == 1


def test_a_long_trajectory_that_is_not_renewed_breaks_off_and_says_so() -> None:
    driver, arm = make()
    driver.offer(plan(0, 2.0, times=(40,)), teleop=True)
    for _ in range(3):
        driver.tick()
    refusal(driver.tick, "not renewed", "holds with 1.850 s of a trajectory left")
    driver.tick()
    assert arm.told[:4] == pytest.approx([0.05, 0.1, 0.15, 0.15]) and arm.told[4] is None


def test_partial_commands_leave_the_other_joints_at_their_targets() -> None:
    limits = {"a": JointLimit(-1.0, 1.0, 4.0, 1.0), "b": JointLimit(-1.0, 1.0, 4.0, 1.0)}
    driver, arm = make(Arm(limits))
    driver.offer(plan(0, 0.1), teleop=False)
    driver.tick()
    driver.offer(plan(0, -0.1, names=("b",)), teleop=False)
    driver.tick()
    assert arm.target == {"a": 0.1, "b": -0.1}
    assert driver.applied is not None and driver.applied.names == ("b",)


@pytest.mark.parametrize("teleop", [True, False])
@pytest.mark.parametrize("lock_step", [True, False])
def test_no_points_mean_stop_and_hold(teleop: bool, lock_step: bool) -> None:
    driver, arm = make()
    driver.offer(plan(0, 0.6, times=(6,)), teleop=teleop)
    driver.tick()
    stop = JointPlan(driver.stamp_ns if lock_step else 0, ("no", "matter"), STOP.times_ns, np.empty((0, 2)))
    if lock_step:
        assert driver.answer(stop, teleop=teleop)
    else:
        driver.offer(stop, teleop=teleop)
        driver.tick()
    driver.tick()
    assert arm.told[0] == arm.told[1] == pytest.approx(0.1)
    assert arm.target["a"] == pytest.approx(0.1) and driver.tally.applied == 1 and driver.applied is None


def test_real_time_holds_once_commands_are_silent_for_the_watchdog() -> None:
    driver, arm = make()
    driver.offer(plan(START, 0.1), teleop=False)
    for _ in range(6):
        driver.tick()
    assert arm.told == [0.1, None, None, 0.1, None, None]  # held where measured, once
    assert driver.stamp_ns == START + 6 * PERIOD


def test_real_time_goes_on_while_stopped_and_holds() -> None:
    driver, arm = make()
    driver.stop("button")
    refusal(lambda: driver.offer(plan(START, 0.1), teleop=True), "stopped", "button")
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
    driver, arm = make(Arm(sag=sag))
    for target in before:
        driver.offer(plan(0, target), teleop=True)
        driver.tick()
    measured = float(arm.position[0])
    driver.stop("button")
    for event in during:
        if event == "stop":
            driver.stop("button again")
        elif event != "tick":
            bad = {"empty": STOP, "bad": plan(0, math.nan), "old": plan(1, 0.0)}[event]
            with pytest.raises(CommandRefused):
                driver.offer(bad, teleop=True)
        driver.tick()
        assert arm.target["a"] == measured
    assert float(arm.position[0]) == pytest.approx(measured - sag)


def test_silence_and_repeated_stops_hold_one_position_too() -> None:
    driver, arm = make(Arm(sag=0.1))
    driver.offer(plan(0, 0.2), teleop=True)
    for _ in range(10):
        driver.tick()
    held = arm.target["a"]
    for _ in range(20):
        driver.offer(STOP, teleop=True)
        driver.tick()
    driver.stop("button")
    driver.tick()
    assert arm.target["a"] == held == pytest.approx(0.0)  # where the arm was: 0.1 below its target


def test_an_arm_that_is_measured_as_not_finite_is_told_nothing_new() -> None:
    driver, arm = make()
    driver.offer(plan(START, 0.1), teleop=False)
    arm.broken = True
    driver.tick()  # the state before was fine; the next is not
    refusal(lambda: driver.offer(plan(0, 0.2), teleop=False), "not measured")
    refusal(lambda: driver.answer(plan(driver.stamp_ns, 0.2), teleop=False), "not measured")
    driver.stop("button")
    driver.tick()
    assert arm.told == [0.1, None]


def test_what_became_of_commands_is_counted() -> None:
    driver, _ = make()
    driver.offer(plan(0, 0.1), teleop=False)
    driver.tick()
    driver.offer(plan(0, 9.0), teleop=False)
    driver.tick()
    assert (driver.tally.applied, driver.tally.changed) == (2, 1)
    driver.tally.refuse("too old", "it is old")
    driver.tally.refuse("too old", "it is older")
    driver.tally.refuse("stopped", "no")
    assert driver.tally.num_refused == 3 and driver.tally.refusal == "no (so far: too old 2, stopped 1)"


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


EVENTS = st.one_of(
    st.sampled_from(["tick", "tick", "stop", "release", "reset", "bad reset", "broken", "mended"]),
    st.tuples(st.sampled_from(["offer", "answer"]), st.booleans(), st.booleans(), wild_plans()),
)


@settings(deadline=None, max_examples=300)
@given(events=st.lists(EVENTS, max_size=40), sag=st.sampled_from([0.0, 0.05]))
def test_no_sequence_of_inputs_gets_past_the_limits_and_nothing_refused_moves(
    events: list[Any], sag: float
) -> None:
    driver, arm = make(Arm(WILD_LIMITS, sag))
    for event in events:
        measured, last, moved, stamp = (
            driver.state()[0].position,
            dict(arm.target),
            arm.moved,
            driver.stamp_ns,
        )
        stopped = driver.gate.stopped is not None or bool(driver.fault)
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


def _do(driver: Driver, arm: Arm, event: Any) -> None:
    if event == "tick":
        driver.tick()
    elif event == "stop":
        driver.stop("button")
    elif event == "release":
        driver.release()
    elif event == "reset":
        driver.reset("any", 0)
    elif event == "bad reset":
        driver.reset("unknown", 0)
    elif event in ("broken", "mended"):
        arm.broken = event == "broken"
    else:
        how, teleop, absolute, (lead, wild) = event
        stamp = lead if absolute else driver.stamp_ns + lead
        made = JointPlan(stamp, wild.names, wild.times_ns, wild.positions)
        if how == "offer":
            driver.offer(made, teleop=teleop)
        else:
            driver.answer(made, teleop=teleop)


def turns(episode: EpisodeFollower, *stamps: int) -> list[Turn]:
    return [episode.turn(stamp) for stamp in stamps]


def test_an_episode_acts_once_per_state_from_its_start_on() -> None:
    episode = EpisodeFollower(5 * PERIOD, 2 * PERIOD, exact=True)
    seen = turns(episode, 4 * PERIOD, 5 * PERIOD, 5 * PERIOD, 6 * PERIOD)
    assert seen == [Turn.IGNORE, Turn.ACT, Turn.REPEAT, Turn.ACT]
    assert not episode.timed_out
    assert episode.turn(7 * PERIOD) is Turn.ACT and episode.timed_out
    assert episode.elapsed_s == pytest.approx(0.1)


@pytest.mark.parametrize("next_ns", [5 * PERIOD + EPISODE_GAP_NS, 4 * PERIOD])
def test_a_jump_of_the_clock_is_another_episode(next_ns: int) -> None:
    episode = EpisodeFollower(0, 100 * PERIOD, exact=False)
    assert turns(episode, 5 * PERIOD, next_ns) == [Turn.ACT, Turn.LOST]


def test_in_lock_step_nobody_joins_an_episode_that_has_begun() -> None:
    assert EpisodeFollower(5 * PERIOD, PERIOD, exact=True).turn(6 * PERIOD) is Turn.LOST
    assert EpisodeFollower(5 * PERIOD, PERIOD, exact=False).turn(6 * PERIOD) is Turn.ACT
    assert EpisodeFollower(0, PERIOD, exact=True).turn(6 * PERIOD) is Turn.ACT
