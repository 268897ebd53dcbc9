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
    return replace(made, **changes)  # type: ignore[arg-type]


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
    one.deactivate(here)
    with pytest.raises(Dropped, match="inactive"):
        one.accept(message((100, 0.9)), here, NOW)
    assert one.target(NOW + 900 * MS).tolist() == here.tolist()
    one.activate(here)
    assert one.target(NOW + 900 * MS).tolist() == here.tolist()


def rms_steps(one: TrajectoryController, *, lag_s: float) -> float:
    """Root mean square of velocity steps of an arm that lags, under single points at 20 Hz [rad/s]."""
    position, where = 0.0, []
    for k in range(400):
        now_ns = NOW + k * SAMPLE_MS * MS
        if k % 5 == 0:
            target = 0.15 * np.sin(np.pi * (k + 5) * 0.01)
            one.accept(
                replace(message((50, 0.0)), positions=((target, 0.0),)), np.array([position, 0.0]), now_ns
            )
        position += (1 - np.exp(-0.01 / lag_s)) * (one.target(now_ns)[0] - position)
        where.append(position)
    steps = np.diff(np.diff(where[100:]) / 0.01)
    return float(np.sqrt(np.mean(steps**2)))


def test_interpolating_from_the_desired_state_is_smoother_on_an_arm_that_lags() -> None:
    assert rms_steps(controller(from_desired=True), lag_s=0.05) < 0.5 * rms_steps(controller(), lag_s=0.05)


@given(
    st.lists(
        st.tuples(
            st.integers(-400, 400),
            st.lists(st.integers(0, 500), min_size=1, max_size=4),
            st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=8, max_size=8),
        ),
        max_size=8,
    )
)
def test_whatever_comes_the_target_stays_finite(
    messages: list[tuple[int, list[int], list[float]]],
) -> None:
    one = controller()
    for k, (stamp_ms, times, values) in enumerate(messages):
        now_ns = NOW + k * 50 * MS
        rows = tuple((values[2 * i], values[2 * i + 1]) for i in range(len(times)))
        what = Trajectory(now_ns + stamp_ms * MS, NAMES, tuple(t * MS for t in times), rows)
        with suppress(Dropped):
            one.accept(what, one.target(now_ns), now_ns)
        for ms in (0, 7, 50, 300):
            assert np.isfinite(one.target(now_ns + ms * MS)).all() or any(abs(v) > 1e300 for v in values)
