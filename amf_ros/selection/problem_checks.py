"""Refuses problems that have no answer: names, weights, features. Imports base, values and errors.

targets = target_weights(suite_ids, ["open_door", "push_green"])
check(problem)                      # raises in one line what is wrong
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np

from amf_ros.core.errors import BadFeatures, BadWeights, SelectionError, shown
from amf_ros.core.values import indices
from amf_ros.selection.base import F32, Problem, TaskRecord, changed_records


def target_weights(
    suite: Sequence[str], target_ids: Sequence[str] = (), weights: Sequence[float] = ()
) -> dict[str, float]:
    """Return the evaluation distribution mu, normalised, in the suite's order.

    Args:
        suite: ids of all tasks.
        target_ids: empty = the whole suite.
        weights: one per target, not negative; empty = uniform.

    Raises:
        UnknownName: a target is not in the suite.
        SelectionError: a target stands twice.
        BadWeights: wrong length, negative, not finite, or all zero.
    """
    targets = tuple(target_ids) or tuple(suite)
    rows = indices("task", tuple(suite), targets)
    _refuse_duplicates("targets", targets)
    values = tuple(weights) or (1.0,) * len(targets)
    if len(values) != len(targets):
        raise BadWeights(f"{len(values)} target weights for {len(targets)} targets; give one each, or none")
    check_weights(dict(zip(targets, values)))
    total = sum(values)
    return {suite[row]: value / total for row, value in sorted(zip(rows, values))}


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights that are no distribution even after scaling.

    Raises:
        BadWeights: names the first bad one.
    """
    total = sum(weights.values())
    if not (total < math.inf and min(weights.values(), default=0) >= 0):
        for task_id, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise BadWeights(
                    f"target weight of {task_id!r} is {weight}; weights are finite and not negative"
                )
    if not total > 0:
        raise BadWeights("every target weight is 0; give at least one target a weight above 0")


def check(problem: Problem, checked: Problem | None = None) -> None:
    """Refuse a problem that has no answer.

    Args:
        problem: to look at.
        checked: one that passed before; arrays that its tasks share with this one's are not read again.

    Raises:
        UnknownName: a candidate or target is not among the tasks.
        SelectionError: empty or repeated sets, num_tasks below 1, durations that are not positive.
        BadFeatures: features of different length, or not finite.
        BadWeights: weights of targets or states that are negative, not finite, or of no sum.
    """
    changed = None if checked is None else changed_records(problem, checked)
    if changed is None:
        _check_names(problem)
    if problem.num_tasks < 1:
        raise SelectionError(f"num_tasks is {problem.num_tasks}; ask for at least 1")
    if problem.seed < 0:
        raise SelectionError(f"seed is {problem.seed}; seeds are not negative")
    _check_features(problem, checked, changed)


def _check_names(problem: Problem) -> None:
    ids = tuple(task.id for task in problem.tasks)
    for name, members in (("tasks", ids), ("candidates", problem.candidates), ("targets", problem.targets)):
        if not members:
            raise SelectionError(f"{name} is empty; give at least one task")
        _refuse_duplicates(name, tuple(members))
    if not set(ids).issuperset((*problem.candidates, *problem.targets)):
        indices("task", ids, (*problem.candidates, *problem.targets))
    check_weights(problem.targets)
    total = sum(problem.targets.values())
    if abs(total - 1) > 1e-6:
        raise BadWeights(f"target weights sum to {total:.6g}; they must sum to 1: see target_weights()")


def _check_features(
    problem: Problem, checked: Problem | None, changed: list[tuple[TaskRecord, TaskRecord]] | None
) -> None:
    width = problem.demonstrated.shape[-1]
    if checked is not None and checked.demonstrated.shape[-1] != width:
        checked = changed = None
    known = checked.tasks[: len(problem.tasks)] if checked else ()
    for task, before in zip_longest(problem.tasks, known) if changed is None else changed:
        if task is not before:
            _check_record(task, before, width)
    _check_rows("demonstrated", problem.demonstrated, width)
    if problem.anchors is not None:
        _check_rows("anchors", problem.anchors, width)
    if problem.coverage is not None and (checked is None or problem.coverage is not checked.coverage):
        if problem.coverage.shape != (width, width):
            raise BadFeatures(f"coverage: shape {problem.coverage.shape}, expected {(width, width)}")
        if not _finite(problem.coverage):
            raise BadFeatures("coverage is not finite; make the checkpoint again")


def _check_record(task: TaskRecord, before: TaskRecord | None, width: int) -> None:
    if before is None or task.states is not before.states:
        _check_rows(f"states of {task.id!r}", task.states, width)
    if task.weights is not None:
        known = before is not None and task.weights is before.weights
        _check_state_weights(task, task.weights, known)
    if not (math.isnan(task.demonstration_s) or 0 < task.demonstration_s < math.inf):
        raise SelectionError(
            f"demonstration_s of {task.id!r} is {task.demonstration_s}; durations are above 0 [s], "
            "or NaN where nobody knows"
        )


def _check_rows(name: str, rows: F32, width: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != width:
        raise BadFeatures(
            f"{name}: features of shape {rows.shape}, not (n, {width}); embed all with one checkpoint"
        )
    if not _finite(rows):
        raise BadFeatures(f"{name}: features are not finite; check the observations and the checkpoint")


def _check_state_weights(task: TaskRecord, weights: F32, known: bool) -> None:
    if weights.shape != (len(task.states),):
        raise BadWeights(
            f"weights of {task.id!r}: shape {weights.shape} for {len(task.states)} states; give one each"
        )
    if known or not len(weights):
        return
    if not (_finite(weights) and (weights >= 0).all() and weights.any()):
        raise BadWeights(
            f"weights of {task.id!r}: states' weights are finite, not negative and not all 0, "
            f"got {weights.min():.3g} to {weights.max():.3g}"
        )


def _finite(rows: F32) -> bool:
    # One pass without a mask; squares of finite numbers may overflow, so only a finite sum is an answer.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.vdot(rows, rows)
    return bool(np.isfinite(total)) or bool(np.isfinite(rows).all())


def _refuse_duplicates(name: str, members: Sequence[str]) -> None:
    if len(set(members)) == len(members):
        return
    seen: set[str] = set()
    for member in members:
        if member in seen:
            raise SelectionError(f"{name}: {shown(member)} stands twice; name each task once")
        seen.add(member)
