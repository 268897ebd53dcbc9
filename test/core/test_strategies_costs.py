"""What a demonstration costs, and information gain per minute."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.core.plugins import load
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.costs import demonstration_seconds, prices
from amf_ros.selection.problem_checks import target_weights

NAN = float("nan")
CONFIG = SelectionConfig(noise_variance=0.1)
IDS = tuple(f"task_{i}" for i in range(6))

TRIES = st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), max_size=5)
ATTEMPTS = st.dictionaries(st.sampled_from(IDS), TRIES, min_size=1)


def test_expected_attempts_are_the_posterior_mean_of_a_geometric_number():
    attempts = {"a": [(10.0, True), (10.0, False), (10.0, False)], "b": [(10.0, True)] * 2}
    seconds = demonstration_seconds(attempts, reset_s=5.0, strength=2.0)
    rate = (3 + 1) / (5 + 1)
    for key, usable, failed in (("a", 1, 2), ("b", 2, 0)):
        posterior = stats.beta(1 + 2 * rate + usable, 2 * (1 - rate) + failed)
        expected, _ = integrate.quad(lambda p, posterior=posterior: posterior.pdf(p) / p, 0, 1)
        assert seconds[key] == pytest.approx(expected * (10 + 5), rel=1e-6)


def test_durations_are_shrunk_to_the_mean_over_tasks_and_a_task_nobody_tried_gets_it():
    attempts = {"slow": [(30.0, True)] * 3, "fast": [(10.0, True)], "new": []}
    seconds = demonstration_seconds(attempts, reset_s=0.0)
    assert seconds == pytest.approx({"slow": (90 + 20) / 4, "fast": (10 + 20) / 2, "new": 20.0})


def test_many_attempts_forget_the_prior():
    attempts = {"a": [(8.0, True), (12.0, False)] * 2000, "b": [(50.0, True)]}
    assert demonstration_seconds(attempts, 10.0)["a"] == pytest.approx(2 * (10 + 10), rel=1e-2)


def test_without_any_time_nothing_is_known():
    for attempts in ({}, {"a": [], "b": []}, {"a": [(0.0, True)], "b": []}):
        found = demonstration_seconds(attempts, reset_s=10.0)
        assert set(found) == set(attempts) and all(map(math.isnan, found.values()))


@settings(max_examples=60, deadline=None)
@given(ATTEMPTS, st.floats(0, 60), st.randoms(use_true_random=False))
def test_costs_are_positive_and_the_order_of_attempts_plays_no_part(attempts, reset_s, random):
    seconds = demonstration_seconds(attempts, reset_s)
    if any(attempts.values()):
        assert all(value > 0 for value in seconds.values())
    keys = random.sample(list(attempts), len(attempts))
    shuffled = {key: random.sample(attempts[key], len(attempts[key])) for key in keys}
    assert demonstration_seconds(shuffled, reset_s) == pytest.approx(seconds, nan_ok=True, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(ATTEMPTS, st.floats(0, 60), st.floats(0.1, 100))
def test_a_failed_attempt_and_a_longer_reset_make_a_task_dearer(attempts, reset_s, duration_s):
    attempts = {**attempts, "tried": [(duration_s, True)]}
    before = demonstration_seconds(attempts, reset_s)["tried"]
    failed = {**attempts, "tried": [(duration_s, True), (duration_s, False)]}
    clean = {**attempts, "tried": [(duration_s, True), (duration_s, True)]}
    assert demonstration_seconds(failed, reset_s)["tried"] > demonstration_seconds(clean, reset_s)["tried"]
    assert demonstration_seconds(attempts, reset_s + 1)["tried"] > before


@pytest.mark.parametrize(
    ("attempts", "reset_s", "strength", "text"),
    [
        ({"a": [(-1.0, True)]}, 1.0, 1.0, "'a'.*-1 s"),
        ({"a": [(NAN, True)]}, 1.0, 1.0, "'a'.*nan"),
        ({"a": [(math.inf, True)]}, 1.0, 1.0, "'a'.*inf"),
        ({"a": []}, -1.0, 1.0, "reset_s is -1"),
        ({"a": []}, NAN, 1.0, "reset_s is nan"),
        ({"a": []}, 1.0, 0.0, "strength is 0"),
    ],
)
def test_impossible_times_are_refused(attempts, reset_s, strength, text):
    with pytest.raises(SelectionError, match=text):
        demonstration_seconds(attempts, reset_s, strength)


def test_prices_are_minutes_and_the_unknown_costs_the_mean():
    assert prices([60.0, NAN, 180.0]).tolist() == [1.0, 2.0, 3.0]
    assert prices([NAN, NAN]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf])
def test_a_demonstration_takes_some_time(bad):
    with pytest.raises(SelectionError, match="above 0"):
        prices([1.0, bad])


def make_problem(seed=0, batch=1, **columns):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(IDS), 8))
    records = tuple(
        TaskRecord(
            key,
            (centre + 0.3 * rng.normal(size=(4, 8))).astype(np.float32),
            **{name: values[row] for name, values in columns.items()},
        )
        for row, (key, centre) in enumerate(zip(IDS, centres))
    )
    demonstrated = np.concatenate([records[0].states, records[1].states])
    return Problem(records, IDS, target_weights(IDS), demonstrated, num_tasks=batch, seed=seed)


def scores(name, problem):
    selection = load("strategy", name)(CONFIG).select(problem)
    assert selection.strategy == name
    return {score.task_id: score.score for score in selection.scores}


@pytest.mark.parametrize(("paid", "free"), [("amf_cost", "amf"), ("amf_outcomes_cost", "amf_outcomes")])
def test_scores_are_per_minute(paid, free):
    problem = make_problem(
        demonstration_s=(30.0, 60.0, NAN, 120.0, 240.0, 60.0),
        num_episodes=(4, 4, 4, 0, 0, 2),
        num_successes=(0, 4, 2, 0, 0, 1),
    )
    minutes = (0.5, 1.0, 1.7, 2.0, 4.0, 1.0)
    plain = scores(free, problem)
    assert scores(paid, problem) == pytest.approx(
        {key: plain[key] / cost for key, cost in zip(IDS, minutes)}, rel=1e-5
    )


@pytest.mark.parametrize(("paid", "free"), [("amf_cost", "amf"), ("amf_outcomes_cost", "amf_outcomes")])
@pytest.mark.parametrize("seconds", [NAN, 60.0])
def test_equal_or_unknown_costs_change_nothing(paid, free, seconds):
    problem = make_problem(batch=4, demonstration_s=(seconds,) * 6)
    paid, free = (load("strategy", name)(CONFIG).select(problem) for name in (paid, free))
    assert paid.task_ids == free.task_ids
    assert [s.score for s in paid.scores] == pytest.approx([s.score for s in free.scores])


def test_a_dear_task_is_not_chosen_where_a_cheap_one_tells_as_much():
    problem = make_problem()
    (dearest,) = load("strategy", "amf")(CONFIG).select(problem).task_ids
    times = tuple(6000.0 if key == dearest else 60.0 for key in IDS)
    problem = make_problem(demonstration_s=times, batch=5)
    assert dearest not in load("strategy", "amf_cost")(CONFIG).select(problem).task_ids


def test_costs_of_tasks_that_are_no_candidates_count_in_the_mean():
    problem = make_problem(demonstration_s=(60.0, NAN, NAN, NAN, NAN, 180.0))
    few = replace(problem, candidates=IDS[1:3])
    whole, part = scores("amf_cost", problem), scores("amf_cost", few)
    assert part == pytest.approx({key: whole[key] for key in IDS[1:3]})


def test_stopping_by_cost_bounds_the_gain_per_minute():
    problem = make_problem(demonstration_s=(120.0,) * 6)
    best = load("strategy", "amf_cost")(CONFIG).select(problem).scores[0]
    assert best.score == pytest.approx(best.information_gain / 2)
    for name, bound in (("amf_cost", best.score), ("amf", best.information_gain)):
        for share, worthwhile in ((0.99, True), (1.01, False)):
            config = CONFIG.model_copy(update={"stop_below": share * bound})
            assert load("strategy", name)(config).select(problem).worthwhile is worthwhile
