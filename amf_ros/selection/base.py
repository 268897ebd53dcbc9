"""What a strategy is given and what it answers: arrays and ids, never a policy or a message.

strategy = load("strategy", "amf")(SelectionConfig())
selection = strategy.select(problem)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.errors import BadFeatures, BadWeights, SelectionError, shown
from amf_ros.core.values import indices

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class TaskRecord:
    """What is known about one task.

    Attributes:
        states: (n, p) features of states the task visits: its occupancy. May be empty (0, p).
        num_demonstrations: in the store.
        num_episodes: evaluated with the current policy.
        num_successes: of those.
        num_pretraining: demonstrations of it in pre-training; None where the checkpoint does not say.
        weights: (n,) of the states, not negative, of any positive sum; None = all alike.
        demonstration_s: what one usable demonstration takes an operator, with resets and failed attempts
            [s]; NaN where nobody knows.
        loss: of the current policy on the task's own demonstrations; NaN where there are none.
        num_audited: episodes of the policy that the session started from.
        num_audit_successes: of those.
        effective_sample_size: of the importance weights behind ``states`` [demonstrations]; NaN where the
            occupancy does not come from them.
    """

    id: str
    states: F32
    num_demonstrations: int = 0
    num_episodes: int = 0
    num_successes: int = 0
    num_pretraining: int | None = None
    weights: F32 | None = None
    demonstration_s: float = float("nan")
    loss: float = float("nan")
    num_audited: int = 0
    num_audit_successes: int = 0
    effective_sample_size: float = float("nan")


@dataclass(frozen=True)
class Problem:
    """One question to a strategy; every built-in one passes it to :func:`check` first.

    Attributes:
        tasks: the whole suite, in its order.
        candidates: ids that may be demonstrated, in the suite's order.
        targets: id -> weight mu(c), not negative, summing to 1.
        demonstrated: (n, p) features of the states of all demonstrations collected so far: D.
        coverage: (p, p) sum of phi phi^T over pre-training states, or None. A demonstration counts for
            as many states here and in ``demonstrated`` (evenly spaced ones do).
        anchors: (m, p) features of states where the policy is known to act well; None = none. They count
            as demonstrated.
        task_columns: k, where rows are plain inputs [s, c] and their last k columns the task's embedding;
            0 where rows are features of a network, to be compared by their inner product.
        num_tasks: demonstrations to plan for, at least 1.
        seed: of draws and ties, not negative; the same problem gives the same answer.
    """

    tasks: tuple[TaskRecord, ...]
    candidates: tuple[str, ...]
    targets: Mapping[str, float]
    demonstrated: F32
    coverage: F32 | None = None
    num_tasks: int = 1
    seed: int = 0
    anchors: F32 | None = None
    task_columns: int = 0


class Score(NamedTuple):
    """What a strategy believes about one candidate; mirrors ``amf_msgs/TaskScore``."""

    task_id: str
    score: float
    information_gain: float = float("nan")
    posterior_std: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class Selection:
    """The answer: chosen ids in order, one score per candidate (best first), one sentence why.

    Attributes:
        worthwhile: False where the best score is below ``SelectionConfig.stop_below``.
        targets: columns of ``gains``.
        gains: (candidates in the order of ``scores``, targets) [nat]: what a demonstration of each
            candidate would teach each target, per state of the target; None where it is not computed.
    """

    task_ids: tuple[str, ...]
    scores: tuple[Score, ...]
    strategy: str
    reason: str = ""
    worthwhile: bool = True
    targets: tuple[str, ...] = ()
    gains: F32 | None = field(default=None, compare=False)


class Strategy(Protocol):
    """A rule for the next task. The class is called with a ``SelectionConfig``.

    ``name`` and ``needs_states`` are attributes of the class: both are read before there is an instance. A
    class may also say ``audit_episodes``: how many episodes of each task the session runs its first policy
    for before it asks; without it, 1 where states are needed, else none.
    """

    name: str
    needs_states: bool  # whether it needs occupancies: the session makes audit roll-outs if so

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError kinds; never changes the problem."""


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


def changed_records(problem: Problem, earlier: Problem) -> list[tuple[TaskRecord, TaskRecord]] | None:
    """Return records that are others than in an earlier problem, and those; None where ids or weights may be.

    At a glance: equal candidates and targets that are not the same objects are not compared.
    """
    if problem.candidates is not earlier.candidates or problem.targets is not earlier.targets:
        return None
    if len(problem.tasks) != len(earlier.tasks):
        return None
    pairs = [(now, old) for now, old in zip(problem.tasks, earlier.tasks) if now is not old]
    return pairs if all(now.id == old.id for now, old in pairs) else None


def best(scores: Mapping[str, float], seed: int) -> str:
    """Return the id with the largest score; ``seed`` and the ids decide between scores equal to rounding.

    The order of ``scores`` plays no part, so the answer does not change when tasks change places.
    """
    top = max(scores.values())
    tied = [key for key, score in scores.items() if top - score <= 1e-9 * max(abs(top), 1e-300)]
    if len(tied) == 1:
        return tied[0]
    return min(tied, key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest())


def ranked(scores: Sequence[Score]) -> tuple[Score, ...]:
    """Return scores best first; equal ones keep their order."""
    return tuple(sorted(scores, key=lambda score: -score.score))


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
