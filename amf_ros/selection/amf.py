"""AMF: demonstrate the task whose trajectory tells most about the expert on the target tasks.

    selection = Amf(SelectionConfig(noise_variance=0.1)).select(problem)

Bagatella, Huebotter, Martius, Krause, Active Fine-Tuning of Generalist Policies, arXiv 2410.05026, eq. 2:

    c_n = argmax_c' E_{c ~ mu} E_{s ~ rho_c} [ I(pi*(s, c) ; tau(c') | D_{n-1}) ]

exact, in weight space (:mod:`amf_ros.selection.posterior`). Unlike the paper, D is preceded by what
pre-training covered, where the checkpoint says so: without it no strategy can know which tasks the policy
has learned already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amf_ros.config import SelectionConfig
from amf_ros.errors import NoEmbeddings, SelectionError
from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, check, ranked
from amf_ros.selection.posterior import Posterior, condition, information_gain, variance
from amf_ros.selection.threads import one_blas_thread
from amf_ros.types import Array


@dataclass(frozen=True)
class Gains:
    """``matrix[i, j]`` [nat]: what a demonstration of candidate i tells about target j, per state of j."""

    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    matrix: Array


class Amf:
    """Expected information gain, batches chosen greedily by conditioning on the expected trajectories."""

    name = "amf"
    needs_states = True

    def __init__(self, config: SelectionConfig | None = None) -> None:
        self._config = config or SelectionConfig()

    def select(self, problem: Problem) -> Selection:
        """Choose ``num_tasks`` times.

        Raises:
            SelectionError: the problem has no answer (see :func:`amf_ros.selection.base.check`).
            NoEmbeddings: a candidate or a target of positive weight has no states.
            IllConditioned: the posterior could not be factorised.
        """
        with one_blas_thread():
            return self._select(problem)

    def _select(self, problem: Problem) -> Selection:
        psi, targets = self._whitened(problem)
        weights = self._weights(problem, targets)
        gains = self._gains(problem.candidates, targets, psi)
        scores = _scores(problem, gains, weights, psi)
        chosen = [_choose(gains, weights, problem.seed)]
        while len(chosen) < problem.num_tasks:
            seen = self._trajectory(psi[chosen[-1]])
            psi = {key: condition(rows, seen, self._config.noise_variance) for key, rows in psi.items()}
            gains = self._gains(problem.candidates, targets, psi)
            chosen.append(_choose(gains, weights, problem.seed))
        why = next(score.reason for score in scores if score.task_id == chosen[0])
        return Selection(tuple(chosen), scores, self.name, f"{chosen[0]}: {why}")

    def gains(self, problem: Problem) -> Gains:
        """The matrix behind the scores: what a demonstration of each candidate would teach each target."""
        with one_blas_thread():
            psi, targets = self._whitened(problem)
            return self._gains(problem.candidates, targets, psi)

    def _weights(self, problem: Problem, targets: tuple[str, ...]) -> Array:
        """What a nat about each target is worth, (targets,)."""
        return np.array([problem.targets[task_id] for task_id in targets])

    def _whitened(self, problem: Problem) -> tuple[dict[str, Array], tuple[str, ...]]:
        """Whitened states of all candidates and targets, and the targets of positive weight."""
        check(problem)
        records = {task.id: task for task in problem.tasks}
        targets = tuple(task.id for task in problem.tasks if problem.targets.get(task.id, 0) > 0)
        involved = [task for task in problem.tasks if task.id in {*problem.candidates, *targets}]
        missing = [task.id for task in involved if len(task.states) == 0]
        if missing:
            raise NoEmbeddings(
                f"no states of {', '.join(missing)} to embed: demonstrate or execute each of them once, "
                "or leave them out of candidates and targets"
            )
        scale = _scale([records[task_id] for task_id in targets], problem.targets)
        posterior = Posterior.fit(
            np.asarray(problem.demonstrated, dtype=np.float64) * scale,
            self._config.noise_variance,
            None if problem.coverage is None else np.asarray(problem.coverage, dtype=np.float64) * scale**2,
        )
        rows = np.concatenate([task.states for task in involved]).astype(np.float64) * scale
        ends = np.cumsum([len(task.states) for task in involved])[:-1]
        blocks = np.split(posterior.whiten(rows), ends)
        return {task.id: block for task, block in zip(involved, blocks)}, targets

    def _trajectory(self, psi: Array) -> Array:
        """The expected trajectory: all n known states, weighing together as much as one demonstration."""
        expected: Array = psi * np.sqrt(self._config.states_per_trajectory / len(psi))
        return expected

    def _gains(
        self, candidates: tuple[str, ...], targets: tuple[str, ...], psi: Mapping[str, Array]
    ) -> Gains:
        evaluation = np.concatenate([psi[task_id] for task_id in targets])
        lengths = np.array([len(psi[task_id]) for task_id in targets])
        starts = np.cumsum(lengths) - lengths
        matrix = np.empty((len(candidates), len(targets)))
        for row, task_id in enumerate(candidates):
            gain = information_gain(self._trajectory(psi[task_id]), evaluation, self._config.noise_variance)
            matrix[row] = np.add.reduceat(gain, starts) / lengths
        return Gains(candidates, targets, matrix)


def _choose(gains: Gains, weights: Array, seed: int) -> str:
    return best(dict(zip(gains.candidates, (gains.matrix @ weights).tolist())), seed)


def _scores(problem: Problem, gains: Gains, weights: Array, psi: Mapping[str, Array]) -> tuple[Score, ...]:
    records = {task.id: task for task in problem.tasks}
    scores = []
    mu = np.array([problem.targets[task_id] for task_id in gains.targets])
    for row, task_id in enumerate(gains.candidates):
        value, gain = float(gains.matrix[row] @ weights), float(gains.matrix[row] @ mu)
        std = float(np.sqrt(variance(psi[task_id])).mean())
        scores.append(Score(task_id, value, gain, std, _reason(records[task_id], gains, row)))
    return ranked(scores)


def _scale(targets: list[TaskRecord], weights: Mapping[str, float]) -> float:
    """What makes the mean |phi|^2 over the evaluation states 1, so that sigma^2 means the same everywhere."""
    squared = sum(
        weights[task.id] * float(np.square(task.states, dtype=np.float64).sum(axis=1).mean())
        for task in targets
    )
    if not squared > 0:
        raise SelectionError("the features of every target state are zero; check the policy's embed()")
    return float(1 / np.sqrt(squared))


def _reason(record: TaskRecord, gains: Gains, row: int) -> str:
    """One readable clause: what is known about the task, and which targets a demonstration would teach."""
    known = f"{record.num_demonstrations} demonstration{'' if record.num_demonstrations == 1 else 's'}"
    if record.num_episodes:
        known += f", {record.num_successes}/{record.num_episodes} successes"
    taught = sorted(zip(gains.matrix[row].tolist(), gains.targets), key=lambda pair: -pair[0])
    own = [f"expected to teach {gain:.2f} nat of it" for gain, target in taught if target == record.id]
    others = [
        f"{target} ({gain:.2f} nat)" for gain, target in taught if target != record.id and gain >= 0.005
    ]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        own.append(f"{'also' if own else 'expected to teach'} {', '.join(others[:3])}{more}")
    return f"{known}; {', '.join(own) or 'not expected to teach the targets anything'}"
