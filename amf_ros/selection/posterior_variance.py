"""Posterior variance of the states that tasks visit: how little is known about each task.

    states = StackedStates.of(tasks)
    posterior = posterior_given(problem, config, scale)
    unknown = states.mean(posterior.variance(posterior.whiten(scale * states.rows)))

Imports base, posterior, scaled_problem and config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.posterior import Posterior
from amf_ros.selection.scaled_problem import WeighedStates, require_states


@dataclass(frozen=True, eq=False)
class StackedStates:
    """Holds the states of some tasks, one task after the other.

    Attributes:
        rows: (n, p) features, as given.
        weights: (n,) what each counts; those of a task sum to 1.
        starts: (tasks,) first row of each task.
        squares: (tasks,) mean |phi|^2 of each task.
    """

    rows: Array
    weights: Array
    starts: NDArray[np.int64]
    squares: Array

    @classmethod
    def of(cls, tasks: Sequence[TaskRecord]) -> StackedStates:
        """Stack the states of tasks. Raises NoEmbeddings where a task has none."""
        require_states(tasks)
        looked = [WeighedStates.of(task) for task in tasks]
        lengths = np.array([len(own.weights) for own in looked])
        rows = np.concatenate([own.states for own in looked]).astype(np.float64)
        weights, squares = np.concatenate([own.weights for own in looked]), [own.square for own in looked]
        return cls(rows, weights, np.cumsum(lengths) - lengths, np.array(squares))

    def mean(self, values: Array) -> Array:
        """Return the mean over each task's states of (n,) values, (tasks,)."""
        means: Array = np.add.reduceat(values * self.weights, self.starts)
        return means

    def rows_of(self, task: int) -> slice:
        """Return where the states of one task stand."""
        stop = self.starts[task + 1] if task + 1 < len(self.starts) else len(self.rows)
        return slice(self.starts[task], stop)


def posterior_given(
    problem: Problem, config: SelectionConfig, scale: float, demonstrated: bool = True
) -> Posterior:
    """Return the posterior given coverage, anchors and, unless ``demonstrated`` is False, D; scaled alike.

    Raises:
        IllConditioned: the posterior could not be factorised.
    """
    known = [problem.demonstrated if demonstrated else problem.demonstrated[:0]]
    known += [] if problem.anchors is None else [problem.anchors]
    rows = np.concatenate(known).astype(np.float64) * scale
    covered = problem.coverage if config.coverage else None
    moments = None if covered is None else np.asarray(covered, dtype=np.float64) * scale**2
    return Posterior.fit(rows, config.noise_variance, moments)
