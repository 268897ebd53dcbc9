"""Posterior variance of the states that tasks visit: what is not known about each of them.

    states = States.of(tasks, scale)
    psi = posterior_of(problem, config, scale).whiten(states.rows)
    unknown = states.mean(variance(psi))

Imports base, posterior, config and errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import NoEmbeddings, SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.posterior import Posterior, variance


@dataclass(frozen=True, eq=False)
class States:
    """The states of some tasks, one task after the other.

    Attributes:
        rows: (n, p) features, scaled.
        mass: (n,) what each counts; those of a task sum to 1.
        starts: (tasks,) first row of each task.
    """

    rows: Array
    mass: Array
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, tasks: Sequence[TaskRecord], scale: float = 1.0) -> States:
        """Raises NoEmbeddings where a task has no states."""
        missing = [task.id for task in tasks if len(task.states) == 0]
        if missing:
            raise NoEmbeddings(
                f"no states of {', '.join(missing)} to embed: demonstrate or execute each of them once, "
                "or leave them out"
            )
        lengths = np.array([len(task.states) for task in tasks])
        rows = np.concatenate([task.states for task in tasks]).astype(np.float64) * scale
        return cls(rows, np.concatenate([_mass(task) for task in tasks]), np.cumsum(lengths) - lengths)

    def mean(self, values: Array) -> Array:
        """Mean over each task's states of (n,) values, (tasks,)."""
        means: Array = np.add.reduceat(values * self.mass, self.starts)
        return means

    def task(self, row: int) -> slice:
        """The rows of one task."""
        stop = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.rows)
        return slice(self.starts[row], stop)


def scale_of(tasks: Sequence[TaskRecord], weights: Array) -> float:
    """What makes the mean |phi|^2 over the tasks' states 1, so that sigma^2 means the same everywhere.

    To the nearest eighth of a power of two, as for AMF (:mod:`amf_ros.selection.question` says why).

    Raises:
        NoEmbeddings: a task has no states.
        SelectionError: all features are zero.
    """
    states = States.of(tasks)
    squared = float(states.mean(variance(states.rows)) @ weights / weights.sum())
    if not 0 < squared < np.inf:
        raise SelectionError(
            f"the mean squared length of the states' features is {squared}; check the policy's embed()"
        )
    return float(2 ** (-np.round(8 * np.log2(squared)) / 16))


def posterior_of(
    problem: Problem, config: SelectionConfig, scale: float, demonstrated: bool = True
) -> Posterior:
    """Given coverage, anchors and, unless ``demonstrated`` is False, D; all scaled alike.

    Raises:
        IllConditioned: the posterior could not be factorised.
    """
    known = [problem.demonstrated if demonstrated else problem.demonstrated[:0]]
    known += [] if problem.anchors is None else [problem.anchors]
    rows = np.concatenate(known).astype(np.float64) * scale
    covered = problem.coverage if config.coverage else None
    moments = None if covered is None else np.asarray(covered, dtype=np.float64) * scale**2
    return Posterior.fit(rows, config.noise_variance, moments)


def _mass(task: TaskRecord) -> Array:
    if task.weights is None:
        return np.full(len(task.states), 1 / len(task.states))
    weights = np.asarray(task.weights, dtype=np.float64)
    normalised: Array = weights / weights.sum()
    return normalised
