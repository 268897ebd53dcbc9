"""Uncertainty sampling: the task on whose own states the expert is least known.

    selection = Uncertainty(SelectionConfig()).select(problem)

    c_n = argmax_c E_{s ~ rho_c} [ v(s, c) ],    v the posterior variance given D and coverage

Lewis, Gale, A Sequential Algorithm for Training Text Classifiers, SIGIR 1994; Settles, Active Learning
Literature Survey, 2009, section 3.1. The same posterior as AMF (:mod:`amf_ros.selection.posterior`),
but blind to what one task teaches another and to the weights of the targets; only candidates that are targets
are chosen. A batch conditions on the expected trajectory of each choice before it makes the next.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, Selection, TaskRecord, best
from amf_ros.selection.blas_threads import one_blas_thread
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.counting import counted, scores_of, wanted_candidates
from amf_ros.selection.gain_strategy import Features
from amf_ros.selection.posterior_variance import StackedStates, posterior_given
from amf_ros.selection.problem_checks import check
from amf_ros.selection.scaled_problem import common_scale


class Uncertainty:
    """Chooses the largest mean posterior variance of the candidate's own states."""

    name = "uncertainty"
    needs_states = True

    def __init__(self, config: SelectionConfig | None = None, features: Features | None = None) -> None:
        """Compose the rule. ``features`` changes the rows of a problem, as with ``GainStrategy``."""
        self._config, self._features = config or SelectionConfig(), features

    def select(self, problem: Problem) -> Selection:
        """Choose ``num_tasks`` times.

        Raises:
            SelectionError: the problem has no answer (see :func:`amf_ros.selection.problem_checks.check`).
            NoEmbeddings: a candidate has no states.
            IllConditioned: the posterior could not be factorised.
        """
        check(problem)
        with one_blas_thread():
            return self._select(problem if self._features is None else self._features(problem, self._config))

    def _select(self, problem: Problem) -> Selection:
        records = {task.id: task for task in problem.tasks}
        tasks = [records[key] for key in problem.candidates]
        states = StackedStates.of(tasks)
        scale = common_scale(np.ones(len(tasks)), states.squares.tolist())
        posterior = posterior_given(problem, self._config, scale)
        psi = posterior.whiten(scale * states.rows)

        variance = posterior.variance(psi)
        spread = dict(zip(problem.candidates, states.mean(np.sqrt(variance)).tolist()))
        prior = dict(zip(problem.candidates, (scale**2 * states.squares).tolist()))
        first = values = self._wanted(problem, states.mean(variance))
        reasons = {key: _reason(records[key], value, prior[key]) for key, value in first.items()}
        chosen = [best(values, problem.seed)]
        while len(chosen) < problem.num_tasks:
            raise_if_cancelled()
            own = states.rows_of(problem.candidates.index(chosen[-1]))
            weights = np.sqrt(self._config.states_per_trajectory * states.weights[own])
            posterior = posterior.after(psi[own] * weights[:, None])
            values = self._wanted(problem, states.mean(posterior.variance(psi)))
            chosen.append(best(values, problem.seed))
        scores = scores_of(problem, first, reasons.__getitem__)
        scores = tuple(score._replace(posterior_std=spread[score.task_id]) for score in scores)
        return Selection(tuple(chosen), scores, self.name, f"{chosen[0]}: {reasons[chosen[0]]}")

    def _wanted(self, problem: Problem, values: Array) -> dict[str, float]:
        of_candidate = dict(zip(problem.candidates, values.tolist()))
        return {key: of_candidate[key] for key in wanted_candidates(problem)}


def _reason(task: TaskRecord, value: float, prior: float) -> str:
    known = counted(task.num_demonstrations, "demonstration")
    return f"{known}; variance of its states {value:.2f}, {prior:.2f} before any data"
