"""Uncertainty sampling: the task on whose own states the expert is least known.

    selection = Uncertainty(SelectionConfig()).select(problem)

    c_n = argmax_c E_{s ~ rho_c} [ v(s, c) ],    v the posterior variance given D and coverage

Lewis, Gale, A Sequential Algorithm for Training Text Classifiers, SIGIR 1994; Settles, Active Learning
Literature Survey, 2009, section 3.1. The same posterior as AMF (:mod:`amf_ros.selection.posterior`),
but blind to what one task teaches another and to the target weights. A batch conditions on the expected
trajectory of each choice before it makes the next.
"""

from __future__ import annotations

import numpy as np

from amf_ros.config import SelectionConfig
from amf_ros.errors import NoEmbeddings, SelectionError
from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, check, ranked
from amf_ros.selection.counting import counted
from amf_ros.selection.posterior import Posterior, condition, variance
from amf_ros.selection.threads import one_blas_thread
from amf_ros.types import Array


class Uncertainty:
    """Largest mean posterior variance of the candidate's own states first."""

    name = "uncertainty"
    needs_states = True

    def __init__(self, config: SelectionConfig | None = None) -> None:
        self._config = config or SelectionConfig()

    def select(self, problem: Problem) -> Selection:
        """Choose ``num_tasks`` times.

        Raises:
            SelectionError: the problem has no answer (see :func:`amf_ros.selection.base.check`).
            NoEmbeddings: a candidate has no states.
            IllConditioned: the posterior could not be factorised.
        """
        check(problem)
        with one_blas_thread():
            return self._select(self._features(problem))

    def _features(self, problem: Problem) -> Problem:
        """The problem with features as rows; a kernel method overrides this, as with ``Amf``."""
        return problem

    def _select(self, problem: Problem) -> Selection:
        records = {task.id: task for task in problem.tasks}
        tasks = [records[key] for key in problem.candidates]
        missing = [task.id for task in tasks if len(task.states) == 0]
        if missing:
            raise NoEmbeddings(
                f"no states of {', '.join(missing)} to embed: demonstrate or execute each of them once, "
                "or leave them out of candidates"
            )
        lengths = np.array([len(task.states) for task in tasks])
        starts = np.cumsum(lengths) - lengths
        mass = np.concatenate([_mass(task) for task in tasks])
        states = np.concatenate([task.states for task in tasks]).astype(np.float64)
        scale = _scale(states, mass)
        states *= scale
        psi = self._posterior(problem, scale).whiten(states)

        values = np.add.reduceat(variance(psi) * mass, starts)
        spread = np.add.reduceat(np.sqrt(variance(psi)) * mass, starts)
        prior = np.add.reduceat(variance(states) * mass, starts)
        scores = ranked(
            [
                Score(task.id, float(v), posterior_std=float(std), reason=_reason(task, v, before))
                for task, v, std, before in zip(tasks, values, spread, prior)
            ]
        )
        chosen = [best(dict(zip(problem.candidates, values.tolist())), problem.seed)]
        while len(chosen) < problem.num_tasks:
            row = problem.candidates.index(chosen[-1])
            own = slice(starts[row], starts[row] + lengths[row])
            weight = np.sqrt(self._config.states_per_trajectory * mass[own])[:, None]
            psi = condition(psi, psi[own] * weight, self._config.noise_variance)
            values = np.add.reduceat(variance(psi) * mass, starts)
            chosen.append(best(dict(zip(problem.candidates, values.tolist())), problem.seed))
        why = next(score.reason for score in scores if score.task_id == chosen[0])
        return Selection(tuple(chosen), scores, self.name, f"{chosen[0]}: {why}")

    def _posterior(self, problem: Problem, scale: float) -> Posterior:
        """Given D, anchors and coverage, all scaled as the states are."""
        known = [problem.demonstrated, *([] if problem.anchors is None else [problem.anchors])]
        rows = np.concatenate(known).astype(np.float64) * scale
        covered = problem.coverage if self._config.coverage else None
        moments = None if covered is None else np.asarray(covered, dtype=np.float64) * scale**2
        return Posterior.fit(rows, self._config.noise_variance, moments)


def _mass(task: TaskRecord) -> Array:
    """What each state of the task counts, (n,), summing to 1."""
    if task.weights is None:
        return np.full(len(task.states), 1 / len(task.states))
    weights = np.asarray(task.weights, dtype=np.float64)
    normalised: Array = weights / weights.sum()
    return normalised


def _scale(states: Array, mass: Array) -> float:
    """What makes the mean |phi|^2 over the candidates' states 1: sigma^2 then means the same everywhere."""
    squared = float(variance(states) @ mass / mass.sum())
    if not squared > 0:
        raise SelectionError("the features of every candidate's states are zero; check the policy's embed()")
    return float(1 / np.sqrt(squared))


def _reason(task: TaskRecord, value: float, prior: float) -> str:
    known = counted(task.num_demonstrations, "demonstration")
    return f"{known}; variance of its states {value:.2f}, {prior:.2f} before any data"
