"""Proposing a task instead of choosing from a list: maximise a score over continuous task parameters.

    score = lambda goals: gains_of(strategy, problem, [features(goal) for goal in goals])
    proposal = propose(score, low=[-1, -1], high=[1, 1], seed=0)

A task parameter is a goal, a pose, a size: whatever a caller can turn into the states that a demonstration
of it would visit. Imports gain_strategy and base; the scores of hypothetical tasks are those of eq. 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import differential_evolution

from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.gain_strategy import GainStrategy
from amf_ros.selection.posterior import Floats


@dataclass(frozen=True)
class Proposal:
    """Proposes ``parameters`` (q,): of the largest ``score`` found in ``num_scored`` evaluations."""

    parameters: Array
    score: float
    num_scored: int


def propose(
    score: Callable[[Array], Array],
    low: Sequence[float] | Array,
    high: Sequence[float] | Array,
    seed: int,
    population: int = 16,
    generations: int = 40,
) -> Proposal:
    """Maximise a score over a box: differential evolution, then L-BFGS-B from the best point.

    Storn, Price, Differential Evolution, J. Global Optimization 11, 1997, as scipy has it, from Sobol points
    and with each generation scored in one call. Gains have a maximum between any two tasks that were
    demonstrated, so a local search alone ends in the nearest.

    Args:
        score: of m parameter vectors at once, (m, q) -> (m,), finite; the larger the better.
        low: (q,) of the box.
        high: (q,) of the box, each above ``low``.
        seed: of the search; the same score and seed give the same proposal.
        population: points per parameter.
        generations: at most; the search ends earlier where all points score alike to 0.1%.

    Raises:
        SelectionError: the box is empty or not finite, or the score answers something else.
    """
    bounds = _box(low, high)
    calls = 0

    def loss(points: Array) -> Array:  # (q, m) -> (m,), as scipy asks
        nonlocal calls
        parameters = np.clip(np.atleast_2d(points.T), bounds[:, 0], bounds[:, 1])
        calls += len(parameters)
        return -_scored(score, parameters)

    found = differential_evolution(
        loss,
        bounds,
        maxiter=generations,
        popsize=population,
        init="sobol",
        tol=1e-3,
        rng=np.random.default_rng(seed),
        updating="deferred",
        vectorized=True,
        polish=True,
    )
    return Proposal(np.clip(found.x, bounds[:, 0], bounds[:, 1]), -float(found.fun), calls)


def gains_of(strategy: GainStrategy, problem: Problem, trajectories: Sequence[Floats]) -> Array:
    """Return what the strategy would score tasks that are in no list, (m,): [nat], [nat / min] with costs.

    Each is what demonstrating it would teach the problem's targets. Costs of an unlisted task are the mean
    of the timed ones. A kept ``strategy`` answers repeated calls from its cache.

    Args:
        strategy: AMF in any form.
        problem: its candidates play no part.
        trajectories: of each hypothetical task the rows (n, p) of states that a demonstration would visit,
            features as in ``problem``.

    Raises:
        SelectionError: see :meth:`amf_ros.selection.gain_strategy.GainStrategy.select`.
    """
    ids = tuple(f"proposal {number}" for number in range(len(trajectories)))
    records = tuple(TaskRecord(key, np.asarray(rows, np.float32)) for key, rows in zip(ids, trajectories))
    asked = replace(problem, tasks=(*problem.tasks, *records), candidates=ids, num_tasks=1)
    scores = {score.task_id: score.score for score in strategy.select(asked).scores}
    return np.array([scores[key] for key in ids])


def gain_of(strategy: GainStrategy, problem: Problem, trajectory: Floats) -> float:
    """Return :func:`gains_of` for one hypothetical task with state rows (n, p)."""
    return float(gains_of(strategy, problem, [trajectory])[0])


def _box(low: Sequence[float] | Array, high: Sequence[float] | Array) -> Array:
    """Return the box as scipy wants it, (q, 2)."""
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if lower.ndim != 1 or lower.shape != upper.shape or not len(lower):
        raise SelectionError(
            f"a box of shapes {lower.shape} and {upper.shape}; give low and high one number per parameter"
        )
    if not (np.isfinite(lower).all() and np.isfinite(upper).all() and (lower < upper).all()):
        raise SelectionError(
            f"a box from {lower.tolist()} to {upper.tolist()}; each low is finite and below its high"
        )
    box: Array = np.stack([lower, upper], axis=1)
    return box


def _scored(score: Callable[[Array], Array], parameters: Array) -> Array:
    values = np.asarray(score(parameters), dtype=np.float64)
    if values.shape != (len(parameters),) or not np.isfinite(values).all():
        raise SelectionError(
            f"the score of {len(parameters)} parameter vectors has shape {values.shape} or is not finite; "
            f"it must be ({len(parameters)},) and finite"
        )
    return values
