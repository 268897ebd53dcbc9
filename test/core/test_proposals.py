"""Maximising a score over continuous task parameters, against a fine grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.parametric import gain_of, gains_of, propose
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.strategies.amf import Amf
from amf_ros.selection.strategies.amf_cost import AmfCost

CENTRES = np.stack(np.meshgrid(*[np.linspace(-1.3, 1.3, 8)] * 2), axis=-1).reshape(-1, 2)
GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 2), axis=-1).reshape(-1, 2)


def features(goal):
    """RBF feature map of a 2-D goal: one state, (1, 64)."""
    return np.exp(-np.square(goal - CENTRES).sum(axis=1) / (2 * 0.35**2))[None].astype(np.float32)


def make_problem(seed, num_demonstrated=3, num_tasks=10):
    goals = np.random.default_rng(seed).uniform(-1, 1, size=(num_tasks, 2))
    records = tuple(TaskRecord(f"goal_{i}", features(goal)) for i, goal in enumerate(goals))
    ids = tuple(record.id for record in records)
    demonstrated = np.concatenate([record.states for record in records[:num_demonstrated]])
    return Problem(records, ids, target_weights(ids), demonstrated)


def strategy(kind=Amf):
    return kind(SelectionConfig(states_per_trajectory=1))


@pytest.mark.parametrize("seed", range(3))
def test_a_proposal_is_at_least_as_good_as_the_best_of_a_fine_grid_and_of_the_list(seed):
    problem, amf = make_problem(seed), strategy()

    def score(goals):
        return gains_of(amf, problem, [features(goal) for goal in goals])

    found = propose(score, [-1, -1], [1, 1], seed)
    on_grid = score(GRID)
    assert found.score >= on_grid.max() * (1 - 1e-4)
    assert found.score >= amf.select(problem).scores[0].score
    assert found.score == pytest.approx(gain_of(amf, problem, features(found.parameters)), rel=1e-6)
    assert (np.abs(found.parameters) <= 1).all() and found.num_scored < len(GRID)


def test_a_hypothetical_task_is_scored_as_one_in_the_list():
    problem = make_problem(4)
    listed = {score.task_id: score.score for score in strategy().select(problem).scores}
    states = [task.states for task in problem.tasks]
    assert gains_of(strategy(), problem, states) == pytest.approx([listed[task.id] for task in problem.tasks])
    assert gain_of(strategy(), problem, states[2]) == pytest.approx(listed["goal_2"])


def test_an_unlisted_task_costs_the_mean_of_the_timed_ones():
    problem = make_problem(5)
    timed = tuple(
        TaskRecord(task.id, task.states, demonstration_s=60.0 * (1 + row % 3))
        for row, task in enumerate(problem.tasks)
    )
    priced = Problem(timed, problem.candidates, problem.targets, problem.demonstrated)
    minutes = np.mean([1 + row % 3 for row in range(10)])
    goal = features(np.array([0.1, 0.2]))
    plain = gain_of(strategy(), problem, goal)
    assert gain_of(strategy(AmfCost), priced, goal) == pytest.approx(plain / minutes, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=3), st.integers(0, 1000))
def test_the_maximum_of_a_paraboloid_is_found_inside_the_box_and_on_its_border(peak, seed):
    peak = np.array(peak)
    found = propose(lambda x: -np.square(x - peak).sum(axis=1), [-2.0] * len(peak), [3.0] * len(peak), seed)
    assert found.parameters == pytest.approx(np.clip(peak, -2, 3), abs=1e-3)


def test_the_same_seed_gives_the_same_proposal():
    def score(x):
        return np.sin(5 * x).sum(axis=1)

    first, again = (propose(score, [0, 0], [3, 3], seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.parameters, again.parameters)
    assert first.score == again.score and first.num_scored == again.num_scored


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ([0.0], [0.0]),
        ([1.0], [0.0]),
        ([0.0, 0.0], [1.0]),
        ([], []),
        ([float("nan")], [1.0]),
        ([0.0], [float("inf")]),
        (0.0, 1.0),
    ],
)
def test_a_box_that_is_none_is_refused(low, high):
    with pytest.raises(SelectionError, match="box"):
        propose(lambda x: x[:, 0], low, high, 0)


@pytest.mark.parametrize(
    "score",
    [lambda x: np.full(len(x), np.nan), lambda x: x, lambda x: np.zeros(len(x) + 1), lambda x: 0.0],
)
def test_a_score_that_answers_something_else_is_refused(score):
    with pytest.raises(SelectionError, match="score of"):
        propose(score, [0.0, 0.0], [1.0, 1.0], 0)
