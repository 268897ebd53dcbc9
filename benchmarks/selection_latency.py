"""How long one choice takes, against a Gaussian process on kernel matrices that gives the same scores.

    python benchmarks/selection_latency.py [--features 257] [--candidates 5 50 500] [--json]

A suite of n tasks with 10 unit-norm states each, all of them candidates and targets; 20 demonstrations and
200 pre-training states are known; both sides use one thread. The naive side conditions kernel matrices on
each candidate, as eq. 2 of arXiv 2410.05026 reads, and knows the pre-training states themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from amf_ros.config import SelectionConfig
from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem, TaskRecord, target_weights
from amf_ros.selection.threads import one_blas_thread
from amf_ros.types import Array

STATES, DEMONSTRATIONS, PRETRAINING = 10, 20, 200
CONFIG = SelectionConfig(states_per_trajectory=STATES)
NAIVE_LIMIT = 100  # candidates; beyond that the naive side takes minutes


def make_problem(num_tasks: int, features: int) -> tuple[Problem, Array]:
    """A problem, and the pre-training states that its coverage stands for."""
    rng = np.random.default_rng(0)

    def around(centre: Array, n: int) -> Array:
        rows = centre + 0.5 * rng.normal(size=(n, features))
        unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    centres = rng.normal(size=(num_tasks, features))
    ids = tuple(f"task_{i}" for i in range(num_tasks))
    seen = np.concatenate([around(centres[i % num_tasks], STATES) for i in range(PRETRAINING // STATES)])
    shown = np.concatenate([around(centres[-i % num_tasks], STATES) for i in range(DEMONSTRATIONS)])
    problem = Problem(
        tasks=tuple(TaskRecord(k, around(c, STATES).astype(np.float32)) for k, c in zip(ids, centres)),
        candidates=ids,
        targets=target_weights(ids),
        demonstrated=shown.astype(np.float32),
        coverage=(seen.T @ seen).astype(np.float32),
    )
    return problem, seen


def naive_scores(problem: Problem, seen: Array) -> dict[str, float]:
    """Equation 2 with kernel matrices: the posterior is computed anew for each candidate."""
    noise = CONFIG.noise_variance
    states = {task.id: task.states.astype(np.float64) for task in problem.tasks}
    evaluation = np.concatenate([states[key] for key in problem.targets])
    weights = np.repeat([w / STATES for w in problem.targets.values()], STATES)
    data = np.concatenate([seen, problem.demonstrated.astype(np.float64)])

    def spread(rows: Array) -> Array:
        cross = evaluation @ rows.T
        solved = np.linalg.solve(rows @ rows.T + noise * np.eye(len(rows)), cross.T)
        left: Array = np.einsum("np,np->n", evaluation, evaluation) - np.einsum("nd,dn->n", cross, solved)
        return left + noise

    before = np.log(spread(data))
    return {
        key: float(weights @ (0.5 * (before - np.log(spread(np.concatenate([data, states[key]]))))))
        for key in problem.candidates
    }


def timed(work: Callable[[], object], budget_s: float = 3.0) -> float:
    """Median wall time [s] of repeated calls after one to warm up."""
    work()
    took: list[float] = []
    while len(took) < 3 or (sum(took) < budget_s and len(took) < 30):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def measure(num_tasks: int, features: int) -> dict[str, float | int | None]:
    """One row of the table; the two sides must agree on every score."""
    problem, seen = make_problem(num_tasks, features)
    row: dict[str, float | int | None] = {"candidates": num_tasks, "features": features}
    select_s = timed(lambda: Amf(CONFIG).select(problem))
    row |= {"select_s": select_s, "naive_s": None, "ratio": None}
    if num_tasks <= NAIVE_LIMIT:
        with one_blas_thread():
            started = time.perf_counter()
            expected = naive_scores(problem, seen)
            naive_s = time.perf_counter() - started
        row |= {"naive_s": naive_s, "ratio": naive_s / select_s}
        found = {score.task_id: score.score for score in Amf(CONFIG).select(problem).scores}
        np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), rtol=1e-3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, nargs="+", default=[5, 16, 50, 100, 200, 500])
    parser.add_argument("--features", type=int, default=257, help="p, as the built-in policy has")
    parser.add_argument("--json", action="store_true", help="one JSON line per row")
    options = parser.parse_args()
    if not options.json:
        print(f"{'candidates':>10} {'select':>12} {'naive':>12} {'ratio':>8}")
    for num_tasks in options.candidates:
        row = measure(num_tasks, options.features)
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            naive, ratio = row["naive_s"], row["ratio"]
            right = f"{naive * 1e3:9.1f} ms {ratio:7.0f}x" if naive and ratio else f"{'-':>12} {'-':>8}"
            print(f"{num_tasks:>10} {(row['select_s'] or 0) * 1e3:9.1f} ms {right}", flush=True)


if __name__ == "__main__":
    main()
