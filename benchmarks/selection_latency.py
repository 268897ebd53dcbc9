"""How long one choice takes and what it keeps, beside trajectory-conditioning with the activeft package.

    python benchmarks/selection_latency.py [--candidates 5 50 500] [--features 512] [--states 8] [--json]

A suite of n tasks, all of them candidates and targets, 20 demonstrations known. The first call solves the
problem; before each further one a demonstration of the task just chosen arrives, and becomes what is known
of that task's occupancy. Each row runs in a process of its own; memory is what it gained.

The peer (requirements/benchmarks.txt; left out where it is not installed) gets the same embeddings as a
GaussianCovarianceMatrix, which it conditions on the demonstrations and then on each trajectory in turn: it
has no update for one more. It gets the better of one thread and of all cores. Its float32 scores must have
the same argmax. Small suites are asked anew some ten times, peer and package in turn, so that a moment in
which the machine is busy does not decide; times are medians over all calls.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import resource
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import F32, Problem, TaskRecord
from amf_ros.selection.blas_threads import cores
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.strategies.amf import Amf

DEMONSTRATIONS = 20
TURNS, TURNS_S = 12, 3.0  # from the start, so often, or for so long [s]
Job = tuple[int, int, int, int, int]  # tasks, features, states, calls, most tasks for the peer
LATENT = 32  # tasks share this many directions, so that one teaches about others


class Suite:
    """Tasks around centres in a common subspace, states of unit length."""

    def __init__(self, num_tasks: int, features: int, states: int) -> None:
        self._rng, self._states = np.random.default_rng(0), states
        latent = self._rng.normal(size=(LATENT, features))
        self._centres = (self._rng.normal(size=(num_tasks, LATENT)) @ latent).astype(np.float32)
        self._centres /= np.linalg.norm(self._centres, axis=1, keepdims=True)

    def trajectory(self, task: int) -> F32:
        """(states, features) of one demonstration."""
        centre = self._centres[task]
        noise = self._rng.normal(size=(self._states, len(centre))).astype(np.float32)
        rows = centre + 0.5 * noise / np.float32(np.sqrt(len(centre)))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def problem(self) -> Problem:
        """As it stands before the first choice."""
        ids = tuple(f"task_{i}" for i in range(len(self._centres)))
        shown = [self.trajectory(-i % len(ids)) for i in range(DEMONSTRATIONS)]
        return Problem(
            tasks=tuple(TaskRecord(key, self.trajectory(i)) for i, key in enumerate(ids)),
            candidates=ids,
            targets=target_weights(ids),
            demonstrated=np.concatenate(shown),
        )

    def demonstrate(self, problem: Problem, task_id: str) -> Problem:
        """The problem after one more demonstration."""
        index = problem.candidates.index(task_id)
        rows, tasks = self.trajectory(index), list(problem.tasks)
        tasks[index] = replace(
            tasks[index], states=rows, num_demonstrations=tasks[index].num_demonstrations + 1
        )
        return replace(problem, tasks=tuple(tasks), demonstrated=np.concatenate([problem.demonstrated, rows]))


def peer_choice(problem: Problem, config: SelectionConfig, threads: int) -> tuple[str, float]:
    """What activeft chooses, and how long it takes from embeddings to choice [s]."""
    import torch
    from activeft.gaussian import GaussianCovarianceMatrix

    states = len(problem.tasks[0].states)
    known = len(problem.demonstrated)
    rows = np.concatenate([problem.demonstrated, *(task.states for task in problem.tasks)])
    noise, std = config.noise_variance, config.noise_variance**0.5
    everything = torch.arange(known, len(rows))
    torch.set_num_threads(threads)
    started = time.perf_counter()
    prior = GaussianCovarianceMatrix.from_embeddings(torch.from_numpy(rows))
    posterior = prior.condition_on(torch.arange(known), target_indices=everything, noise_std=std)
    before = torch.log(torch.diag(posterior[:, :]) + noise)
    scores = []
    for task in range(len(problem.tasks)):
        seen = torch.arange(task * states, (task + 1) * states)
        after = posterior.condition_on(seen, noise_std=std)
        scores.append(0.5 * (before - torch.log(torch.diag(after[:, :]) + noise)).mean())
    took = time.perf_counter() - started
    return problem.tasks[int(torch.stack(scores).argmax())].id, took


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@dataclass
class Turn:
    """One suite asked from its first question on. Times in seconds."""

    first: float
    warm: list[float]
    cpu: float
    batch: float
    kept_mb: float
    peak_mb: float
    precision: str
    peer: dict[int, float] = field(default_factory=dict)  # by number of threads


def turn(job: Job) -> Turn:
    """The package's times, and the peer's for the last of its questions."""
    num_tasks, features, states, calls, peer_limit = job
    config = SelectionConfig(states_per_trajectory=states)
    suite = Suite(num_tasks, features, states)
    problem, strategy = suite.problem(), Amf(config)

    def timed(asked: Problem) -> tuple[str, float]:
        started = time.perf_counter()
        chosen = strategy.select(asked).task_ids[0]
        return chosen, time.perf_counter() - started

    chosen, first = timed(problem)
    warm, cpu = [], time.process_time()
    for _ in range(calls):
        problem = suite.demonstrate(problem, chosen)
        chosen, took = timed(problem)
        warm.append(took)
        if strategy.last is None or not strategy.last.followed:
            raise SystemExit(f"{num_tasks} candidates: the strategy solved again instead of following")
    cpu = (time.process_time() - cpu) / calls
    _, batch = timed(replace(problem, num_tasks=4))
    found = Turn(first, warm, cpu, batch, strategy.last.kept_bytes / 1e6, peak_mb(), strategy.last.precision)
    for threads in (1, cores()) if num_tasks <= peer_limit else ():
        theirs, found.peer[threads] = peer_choice(problem, config, threads)
        if theirs != chosen:
            raise SystemExit(f"{num_tasks} candidates: activeft chooses {theirs}, this package {chosen}")
    return found


def measure(job: Job) -> dict[str, Any]:
    """One row of the table."""
    num_tasks, features, states, calls, _ = job
    turn((2, features, states, 1, 0))  # libraries are loaded and looked up once
    before, started = peak_mb(), time.perf_counter()
    turns = [turn(job)]
    while len(turns) < TURNS and time.perf_counter() - started < TURNS_S:
        turns.append(turn(job))
    warm = [took for one in turns for took in one.warm]
    peer = {threads: float(np.median([one.peer[threads] for one in turns])) for threads in turns[0].peer}
    return {
        "candidates": num_tasks,
        "features": features,
        "states": states,
        "turns": len(turns),
        "first_s": float(np.median([one.first for one in turns])),
        "warm_s": float(np.median(warm)),
        "warm_least_s": min(warm),
        "warm_cpu_s": float(np.median([one.cpu for one in turns])),
        "warm_p95_s": float(np.quantile(warm, 0.95)),
        "batch_of_4_s": float(np.median([one.batch for one in turns])),
        "precision": turns[0].precision,
        "kept_mb": turns[0].kept_mb,
        "peak_mb": turns[0].peak_mb - before,
        "activeft_s": min(peer.values(), default=None),
        "ratio": min(peer.values()) / float(np.median(warm)) if peer else None,
    }


def shown(row: dict[str, Any]) -> str:
    def ms(seconds: float | None) -> str:
        return "-" if seconds is None else f"{seconds * 1e3:.1f}"

    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.0f}x"
    times = "".join(f"{ms(row[key]):>10}" for key in ("first_s", "warm_s", "warm_p95_s", "batch_of_4_s"))
    memory = f"{row['kept_mb']:>9.0f}{row['peak_mb']:>9.0f}"
    return f"{row['candidates']:>10}{times}{memory}{ms(row['activeft_s']):>12}{ratio:>8}"


def peer_installed() -> bool:
    """Activeft imports faiss without asking for it."""
    return all(importlib.util.find_spec(name) for name in ("activeft", "faiss"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, nargs="+", default=[5, 16, 50, 100, 500, 1000, 5000])
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--states", type=int, default=8, help="of one trajectory")
    parser.add_argument("--calls", type=int, default=20, help="each with a new demonstration")
    parser.add_argument("--peer-limit", type=int, default=100, help="candidates; 500 take activeft a minute")
    parser.add_argument("--quick", action="store_true", help="5 and 50 candidates, 5 calls")
    parser.add_argument("--json", action="store_true", help="one JSON line per row")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    sizes, calls = ([5, 50], 5) if asked.quick else (asked.candidates, asked.calls)
    limit = asked.peer_limit if peer_installed() else 0
    if not asked.json:
        if not limit:
            print("activeft is not compared: `pip install -r requirements/benchmarks.txt`")
        print(f"{asked.features} features, {asked.states} states a trajectory; times [ms], memory [MB]")
        heads = ("first", "warm", "p95", "batch of 4")
        times = "".join(f"{head:>10}" for head in heads)
        print(f"{'candidates':>10}{times}{'kept':>9}{'peak':>9}{'activeft':>12}{'ratio':>8}")
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = pool.apply(measure, ((size, asked.features, asked.states, calls, limit),))
        print(json.dumps(row) if asked.json else shown(row), flush=True)


if __name__ == "__main__":
    main()
