"""The mock's controller does what joint_trajectory_controller of ros2_control (jazzy) was seen to do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amf_ros.mock.trajectory_controller import Dropped, Trajectory, TrajectoryController

MS = 1_000_000
NOW = 1_000_000_000_000
SAMPLE_MS = 10
NAMES = ("a", "b")


def controller(**ways: bool) -> TrajectoryController:
    return TrajectoryController(NAMES, (0.0, 0.0), **ways)


def message(*points: tuple[int, float], stamp_ms: int | None = 0, **changes: object) -> Trajectory:
    """Joint a goes to each position at each time [ms]; the stamp is 0, or relative to now [ms]."""
    stamp_ns = 0 if stamp_ms == 0 or stamp_ms is None else NOW + stamp_ms * MS
    made = Trajectory(stamp_ns, NAMES, tuple(t * MS for t, _ in points), tuple((p, 0.0) for _, p in points))
    return replace(made, **changes)


def track(one: TrajectoryController, until_ms: int) -> np.ndarray:
    """Where joint a is told to be, every 10 ms from now on."""
    return np.array([one.target(NOW + ms * MS)[0] for ms in range(0, until_ms + 1, SAMPLE_MS)])


def give(one: TrajectoryController, what: Trajectory) -> TrajectoryController:
    one.accept(what, np.zeros(2), NOW)
    return one


def test_a_point_is_reached_in_its_time_on_a_straight_line() -> None:
    told = track(give(controller(), message((500, 0.3))), 600)
    assert told[50] == pytest.approx(0.3) and told[25] == pytest.approx(0.15) and told[-1] == told[50]


def test_what_ends_in_the_past_is_dropped_and_nothing_changes() -> None:
    one = give(controller(), message((500, 0.3)))
    with pytest.raises(Dropped, match="past"):
        one.accept(message((20, 9.0), stamp_ms=-50), np.zeros(2), NOW)
    assert track(one, 500)[-1] == pytest.approx(0.3)


def test_what_began_in_the_past_is_squeezed_into_what_is_left() -> None:
    told = track(give(controller(), message((500, 0.32), stamp_ms=-300)), 300)
    assert told[20] == pytest.approx(0.32) and np.diff(told).max() / 0.01 == pytest.approx(1.6)


def test_points_that_are_past_are_skipped_and_the_target_jumps() -> None:
    points = ((100, 0.06), (200, 0.12), (500, 0.48))
    told = track(give(controller(), message(*points, stamp_ms=-300)), 300)
    assert told[0] == pytest.approx(0.24), "between the newest past point and the next, wherever the arm is"
    assert told[20] == pytest.approx(0.48)


def test_what_begins_in_the_future_begins_at_once_unless_a_first_point_holds() -> None:
    told = track(give(controller(), message((500, 0.3), stamp_ms=1000)), 1600)
    assert told[150] == pytest.approx(0.3) and told[75] == pytest.approx(0.15)
    held = track(give(controller(), message((0, 0.0), (500, 0.3), stamp_ms=1000)), 1600)
    assert held[100] == pytest.approx(0.0) and held[125] == pytest.approx(0.15)


def test_time_zero_is_the_whole_way_in_one_sample() -> None:
    assert track(give(controller(), message((0, 0.3))), 10)[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (message((100, 0.1), names=("a", "c")), "unknown joint 'c'"),
        (message((100, 0.1), names=("a",), positions=((0.1,),)), "1 joints instead of 2"),
        (message((100, 0.1), positions=((0.1,),)), "another length"),
        (message((100, 0.1), positions=(), times_ns=()), "empty"),
        (message((100, 0.1), names=()), "empty"),
        (message((100, 0.1), (100, 0.2)), "do not increase"),
        (message((100, 0.1), velocities=((0.5, 0.0),)), "last velocity"),
    ],
)
def test_what_it_refuses_changes_nothing(what: Trajectory, text: str) -> None:
    one = give(controller(), message((100, 0.3)))
    with pytest.raises(Dropped, match=text):
        one.accept(what, np.zeros(2), NOW)
    assert track(one, 100)[-1] == pytest.approx(0.3)


def test_its_parameters_allow_what_is_else_refused() -> None:
    give(controller(partial=True), message((100, 0.1), names=("a",), positions=((0.1,),)))
    give(controller(moving_end=True), message((100, 0.1), velocities=((0.5, 0.0),)))


def test_a_joint_that_stands_twice_is_accepted_and_its_last_value_counts() -> None:
    one = give(controller(), message((100, 0.0), names=("a", "a"), positions=((0.1, 0.2),)))
    assert track(one, 100)[-1] == pytest.approx(0.2) and one.target(NOW + 100 * MS)[1] == 0.0


def test_nan_is_accepted_in_silence_and_the_others_move() -> None:
    one = give(controller(), message((100, 0.0), positions=((float("nan"), 0.4),)))
    assert one.target(NOW + 100 * MS).tolist() == pytest.approx([0.0, 0.4])


def test_velocities_make_it_cubic_without_a_step_of_velocity() -> None:
    linear = track(give(controller(), message((100, 0.1), (200, 0.3), (300, 0.4))), 300)
    speeds = ((1.5, 0.0), (1.5, 0.0), (0.0, 0.0))
    smooth = track(give(controller(), message((100, 0.1), (200, 0.3), (300, 0.4), velocities=speeds)), 300)
    steps = [np.abs(np.diff(told, 2)).max() / 0.01 for told in (linear, smooth)]
    assert smooth[10] == pytest.approx(0.1) and smooth[20] == pytest.approx(0.3)
    assert steps[1] < 0.5 * steps[0]


def test_deactivated_it_holds_and_what_came_is_not_made_up_for() -> None:
    one = give(controller(), message((500, 0.5)))
    here = one.target(NOW + 250 * MS)
    one.deactivate()
    with pytest.raises(Dropped, match="inactive"):
        one.accept(message((100, 0.9)), here, NOW)
    assert one.target(NOW + 900 * MS).tolist() == here.tolist()
    one.activate(here)
    assert one.target(NOW + 900 * MS).tolist() == here.tolist()


def test_a_last_velocity_that_is_as_good_as_none_or_no_number_passes() -> None:
    give(controller(), message((100, 0.1), velocities=((1e-8, 0.0),)))
    give(controller(), message((100, 0.1), velocities=((float("nan"), 0.0),)))


def test_points_without_velocities_are_reached_on_straight_lines_beside_those_with_them() -> None:
    speeds = ((), (1.0, 0.0), (0.0, 0.0))
    told = track(give(controller(), message((100, 0.1), (200, 0.2), (300, 0.2), velocities=speeds)), 300)
    assert np.diff(told[:21]) == pytest.approx(np.full(20, 0.01))
    assert told[25] > 0.2, "between two points with velocities it is cubic, and overshoots"
    give(controller(), message((100, 0.1), velocities=((),)))


def test_a_last_velocity_that_is_allowed_is_where_the_next_message_begins() -> None:
    one = give(controller(moving_end=True, from_desired=True), message((100, 0.1), velocities=((1.0, 0.0),)))
    end = track(one, 100)[-1]
    one.accept(message((100, 0.3), stamp_ms=100, velocities=((0.0, 0.0),)), np.zeros(2), NOW + 100 * MS)
    assert end == pytest.approx(0.1) and one.target(NOW + 110 * MS)[0] > 0.1 + 0.01


def test_no_number_between_numbers_holds_and_then_jumps() -> None:
    points = ((100, 0.1), (200, float("nan")), (300, 0.3))
    told = track(give(controller(), message(*points)), 300)
    assert told[9] == pytest.approx(0.09) and told[30] == pytest.approx(0.3)
    assert told[10:30] == pytest.approx(np.full(20, told[9])), "both segments beside it are no numbers"


@pytest.mark.parametrize("from_desired", [False, True])
def test_after_no_number_the_next_message_moves_at_once_only_from_measured(
    from_desired: bool,
) -> None:
    one = give(controller(from_desired=from_desired), message((0, float("nan"))))
    one.target(NOW)
    one.target(NOW + 10 * MS)
    one.accept(message((200, 0.2)), np.zeros(2), NOW + 10 * MS)
    told = [float(one.target(NOW + ms * MS)[0]) for ms in (110, 210)]
    assert told == pytest.approx([0.0 if from_desired else 0.1, 0.2])


def test_a_message_replaces_the_motion_that_is_going_on() -> None:
    one = give(controller(), message((500, 0.5)))
    here = track(one, 250)[-1]
    one.accept(message((100, 0.0)), np.array([here, 0.0]), NOW + 250 * MS)
    assert one.target(NOW + 300 * MS)[0] == pytest.approx(here / 2)
    assert one.target(NOW + 600 * MS)[0] == 0.0


def test_after_the_last_point_it_stays_there_and_stops_within_one_sample() -> None:
    told = track(give(controller(), message((100, 0.1), (200, 0.4))), 60_000)
    assert told[20] - told[19] == pytest.approx(0.03)
    assert set(told[20:].tolist()) == {0.4}


def test_a_joint_that_is_left_out_goes_to_its_last_target_and_not_to_where_it_lags() -> None:
    one = give(controller(partial=True), message((0, 0.3)))
    one.target(NOW)
    one.accept(message((100, 0.0), names=("b",), positions=((0.1,),)), np.array([0.2, 0.0]), NOW)
    assert one.target(NOW + 100 * MS).tolist() == pytest.approx([0.3, 0.1])


def test_deactivated_it_keeps_its_target_and_activated_it_takes_what_is_measured() -> None:
    one = give(controller(), message((500, 0.5)))
    here = one.target(NOW + 250 * MS)
    one.deactivate()
    assert one.target(NOW + 260 * MS).tolist() == here.tolist()
    one.activate(np.array([0.1, 0.0]))
    assert one.target(NOW + 270 * MS).tolist() == [0.1, 0.0]


def test_reactivated_under_a_stream_it_chases_the_new_point_at_once() -> None:
    one = controller()
    one.deactivate()
    one.activate(np.zeros(2))
    told = track(give(one, message((50, 0.275))), 50)
    assert np.diff(told).max() / 0.01 == pytest.approx(5.5)


STREAMS = {"20 ms": (20,), "50 ms": (50,), "100 ms": (100,), "several": (50, 100, 150, 200)}


def rms_steps(ahead: tuple[int, ...], *, from_desired: bool, lag_s: float, stamped: bool) -> float:
    """Root mean square of velocity steps of an arm under messages at 20 Hz [rad/s]."""
    one, position, where = controller(from_desired=from_desired), 0.0, []
    for k in range(1200):
        now_ns = NOW + k * SAMPLE_MS * MS
        if k and k % 5 == 0:
            arrived_ns = now_ns - 3 * MS
            of_points = np.array(ahead) * stamped * 1e-3 + (arrived_ns - NOW) * 1e-9
            rows = tuple((float(a), 0.0) for a in 0.3 * np.sin(0.5 * np.pi * of_points))
            times = tuple(ms * MS for ms in ahead)
            what = Trajectory(arrived_ns if stamped else 0, NAMES, times, rows)
            one.accept(what, np.array([position, 0.0]), arrived_ns)
        share = 1 - np.exp(-0.01 / lag_s) if lag_s else 1.0
        position += share * (one.target(now_ns)[0] - position)
        where.append(position)
    steps = np.diff(np.diff(where[100:]) / 0.01)
    return float(np.sqrt(np.mean(steps**2)))


@pytest.mark.parametrize(
    ("stream", "seen"),  # false and true on an ideal arm, then on one that lags 50 ms
    [
        ("20 ms", (0.51, 0.59, 0.11, 0.09)),
        ("50 ms", (0.012, 0.19, 0.17, 0.022)),
        ("100 ms", (0.013, 0.17, 0.16, 0.023)),
        ("several", (0.010, 0.16, 0.15, 0.021)),
    ],
)
def test_a_stream_is_as_rough_as_it_was_seen_to_be(stream: str, seen: tuple[float, ...]) -> None:
    ways = [(desired, lag_s) for lag_s in (0.0, 0.05) for desired in (False, True)]
    rough = [
        rms_steps(STREAMS[stream], from_desired=desired, lag_s=lag_s, stamped=stream == "several")
        for desired, lag_s in ways
    ]
    assert rough == pytest.approx(seen, rel=0.25)
    assert stream == "20 ms" or 3 * rough[3] < rough[2]


MESSAGES = st.lists(
    st.tuples(
        st.integers(-400, 400),
        st.lists(st.integers(0, 500), min_size=1, max_size=4),
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=8, max_size=8),
        st.sampled_from([(), (0.0, 0.0), (float("nan"), 0.0), (2.0, float("inf"))]),
    ),
    max_size=8,
)


@given(MESSAGES, st.booleans())
def test_whatever_comes_the_target_stays_finite_and_what_is_dropped_changes_nothing(
    messages: list[tuple[int, list[int], list[float], tuple[float, ...]]], from_desired: bool
) -> None:
    one, other = controller(from_desired=from_desired), controller(from_desired=from_desired)
    for k, (stamp_ms, times, values, speeds) in enumerate(messages):
        now_ns = NOW + k * 50 * MS
        rows = tuple((values[2 * i], values[2 * i + 1]) for i in range(len(times)))
        moving = (speeds,) * len(times)
        what = Trajectory(now_ns + stamp_ms * MS, NAMES, tuple(t * MS for t in times), rows, moving)
        measured = one.target(now_ns)
        other.target(now_ns)
        with suppress(Dropped):
            one.accept(what, measured, now_ns)
            other.accept(what, measured, now_ns)
        with pytest.raises(Dropped):
            one.accept(replace(what, names=("a", "c")), measured, now_ns)
        for ms in (0, 7, 30, 49):
            told = one.target(now_ns + ms * MS)
            assert np.isfinite(told).all()
            assert told.tolist() == other.target(now_ns + ms * MS).tolist()


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    st.integers(0, 450),
)
def test_between_points_without_velocities_the_target_lies_on_straight_lines(
    times: list[int], positions: list[float], at_ms: int
) -> None:
    one = give(controller(), message(*zip(times, positions)))
    knots = np.interp(at_ms, [0, *times], [0.0, *positions[: len(times)]])
    assert one.target(NOW + at_ms * MS)[0] == pytest.approx(knots, abs=1e-9)
