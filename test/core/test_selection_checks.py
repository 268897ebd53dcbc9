"""What is refused before any strategy looks at it, and that the look is short."""

import time
from dataclasses import replace

import numpy as np
import pytest

from amf_ros.core.errors import BadFeatures, BadWeights, SelectionError
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.problem_checks import check, target_weights

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def make_problem(num_tasks=3):
    tasks = tuple(TaskRecord(f"task_{i}", ROWS + i) for i in range(num_tasks))
    ids = tuple(task.id for task in tasks)
    return Problem(tasks, ids, target_weights(ids), ROWS, np.eye(3, dtype=np.float32))


def with_task(problem, **changes):
    return replace(
        problem, tasks=(problem.tasks[0], replace(problem.tasks[1], **changes), *problem.tasks[2:])
    )


def test_all_that_may_be_given_is_accepted():
    problem = with_task(make_problem(), weights=np.array([0, 1, 2, 3], np.float32), demonstration_s=12.5)
    check(replace(problem, anchors=ROWS))
    check(with_task(make_problem(), states=ROWS[:0], weights=np.zeros(0, np.float32)))


@pytest.mark.parametrize(
    "weights", [[1, 2, 3], [1, 2, 3, -1], [1, 2, 3, np.nan], [1, 2, 3, np.inf], [0, 0, 0, 0], [[1, 2, 3, 4]]]
)
def test_weights_of_states_that_are_no_distribution_are_refused(weights):
    with pytest.raises(BadWeights, match="task_1"):
        check(with_task(make_problem(), weights=np.array(weights, np.float32)))


@pytest.mark.parametrize("seconds", [0.0, -3.0, np.inf, -np.inf])
def test_durations_are_positive_or_unknown(seconds):
    with pytest.raises(SelectionError, match="demonstration_s of 'task_1'.*NaN"):
        check(with_task(make_problem(), demonstration_s=seconds))


@pytest.mark.parametrize("field", ["states", "demonstrated", "anchors", "coverage"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_wherever_they_stand(field, value):
    rows = np.eye(3, dtype=np.float32)
    rows[2, 1] = value
    problem = make_problem()
    with pytest.raises(BadFeatures, match="not finite"):
        check(with_task(problem, states=rows) if field == "states" else replace(problem, **{field: rows}))


def test_finite_features_whose_sum_is_not_are_accepted():
    large = np.full((4, 3), np.finfo(np.float32).max)
    check(with_task(make_problem(), states=large))
    opposite = large.copy()
    opposite[:, 1] *= -1
    check(with_task(make_problem(), states=opposite))


@pytest.mark.parametrize("field", ["states", "anchors"])
def test_features_of_another_length_are_refused(field):
    rows, problem = np.ones((4, 2), np.float32), make_problem()
    with pytest.raises(BadFeatures, match=r"\(4, 2\)"):
        check(with_task(problem, states=rows) if field == "states" else replace(problem, anchors=rows))


def test_only_arrays_that_were_checked_before_are_not_read_again():
    problem = make_problem()
    check(problem)
    bad = ROWS + np.float32(np.nan)
    with pytest.raises(BadFeatures, match="task_1"):
        check(with_task(problem, states=bad), problem)
    with pytest.raises(BadFeatures, match="demonstrated"):
        check(replace(problem, demonstrated=bad), problem)
    with pytest.raises(BadFeatures, match="coverage"):
        check(replace(problem, coverage=problem.coverage * np.float32(np.nan)), problem)
    narrow = replace(problem, demonstrated=ROWS[:, :2], coverage=None)
    with pytest.raises(BadFeatures, match="task_0"):
        check(narrow, problem)


def test_repeated_names_among_thousands_are_found_at_once():
    problem = make_problem(20_000)
    started = time.process_time()
    check(problem)
    with pytest.raises(SelectionError, match="'task_7' stands twice"):
        check(replace(problem, candidates=(*problem.candidates, "task_7")))
    assert time.process_time() - started < 3  # by pairs of names it takes minutes
