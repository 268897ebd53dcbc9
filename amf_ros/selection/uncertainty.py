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

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, check, ranked
from amf_ros.selection.counting import counted
from amf_ros.selection.patience import go_on
from amf_ros.selection.posterior import condition, variance
from amf_ros.selection.threads import one_blas_thread
from amf_ros.selection.variances import States, posterior_of, scale_of


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
        scale = scale_of(tasks, np.ones(len(tasks)))
        states = States.of(tasks, scale)
        psi = posterior_of(problem, self._config, scale).whiten(states.rows)

        values, prior = states.mean(variance(psi)), states.mean(variance(states.rows))
        spread = states.mean(np.sqrt(variance(psi)))
        scores = ranked(
            [
                Score(task.id, float(v), posterior_std=float(std), reason=_reason(task, v, before))
                for task, v, std, before in zip(tasks, values, spread, prior)
            ]
        )
        chosen = [best(dict(zip(problem.candidates, values.tolist())), problem.seed)]
        while len(chosen) < problem.num_tasks:
            go_on()
            own = states.task(problem.candidates.index(chosen[-1]))
            weight = np.sqrt(self._config.states_per_trajectory * states.mass[own])[:, None]
            psi = condition(psi, psi[own] * weight, self._config.noise_variance)
            values = states.mean(variance(psi))
            chosen.append(best(dict(zip(problem.candidates, values.tolist())), problem.seed))
        why = next(score.reason for score in scores if score.task_id == chosen[0])
        return Selection(tuple(chosen), scores, self.name, f"{chosen[0]}: {why}")


def _reason(task: TaskRecord, value: float, prior: float) -> str:
    known = counted(task.num_demonstrations, "demonstration")
    return f"{known}; variance of its states {value:.2f}, {prior:.2f} before any data"
