"""A problem as information gain asks it: one scale for all features, and weights of states that sum to 1.

    scaled = ScaledProblem.of(problem, config, earlier)

Pure functions of the problem: ``earlier`` only saves looking at the same arrays twice. Imports base, values,
errors and config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import NoEmbeddings, SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord

EVALUATION_STATES = 4096
"""More evaluation states than this, and than targets, are thinned: the same number for each target."""

WELL_SCALED = 1e4
"""Where |phi|^2 / sigma^2 exceeds this, every problem is solved from scratch in float64."""


@dataclass(frozen=True, eq=False)
class WeighedStates:
    """Holds the states of one task, looked at once.

    Attributes:
        states: (n, p) as given.
        given: their weights as given, or None.
        weights: (n,) summing to 1.
        square: weighted mean of |phi|^2.
        largest: largest |phi|^2.
    """

    states: NDArray[Any]
    given: NDArray[Any] | None
    weights: Array
    square: float
    largest: float

    @classmethod
    def of(cls, task: TaskRecord, earlier: WeighedStates | None = None) -> WeighedStates:
        """Look at a checked record that has states; return ``earlier`` where it is of the same states."""
        if earlier and same(earlier.states, task.states) and same(earlier.given, task.weights):
            return earlier
        weights = equal_weights(len(task.states))
        if task.weights is not None:
            weights = task.weights.astype(np.float64) / task.weights.max()  # the sum itself may be infinite
            weights /= weights.sum()
        squares = np.einsum("np,np->n", task.states, task.states, dtype=np.float64)
        return cls(task.states, task.weights, weights, float(weights @ squares), float(squares.max()))


@dataclass(frozen=True, eq=False)
class ScaledProblem:
    """Holds what there is to score.

    Attributes:
        candidates: ids, in the problem's order.
        targets: ids of positive weight, in the suite's order.
        states: of all candidates and targets.
        mu: (targets,) evaluation distribution.
        known: demonstrated states D and the anchors, each (n, p).
        coverage: (p, p) or None.
        size: states of one demonstration: what an expected trajectory weighs.
        scale: of the features.
        thinned: most evaluation states of a target; 0 = all of them.
        lengths: (targets,) evaluation states of each target.
        entries: pairs of a candidate's and an evaluation state.
        ill_scaled: whether it has to be solved from scratch each time (:data:`WELL_SCALED`).
    """

    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    states: dict[str, WeighedStates]
    mu: Array
    known: tuple[NDArray[Any], NDArray[Any]]
    coverage: NDArray[Any] | None
    size: int
    scale: float
    thinned: int
    lengths: NDArray[np.int64]
    entries: int
    ill_scaled: bool

    @classmethod
    def of(
        cls,
        problem: Problem,
        config: SelectionConfig,
        earlier: ScaledProblem | None = None,
        rescale: bool = True,
    ) -> ScaledProblem:
        """Look at a problem that passed :func:`amf_ros.selection.problem_checks.check`.

        Args:
            problem: what is asked.
            config: noise, states of a trajectory, and whether coverage counts.
            earlier: a problem that may share arrays with this one.
            rescale: bring the features to a common scale; kernels with a scale of their own do not want it.

        Raises:
            NoEmbeddings: a candidate or a target of positive weight has no states.
            SelectionError: the features of all targets are zero.
        """
        targets = tuple([task.id for task in problem.tasks if problem.targets.get(task.id, 0) > 0])
        mu = np.array([problem.targets[key] for key in targets])
        wanted = {*problem.candidates, *targets}
        tasks = [task for task in problem.tasks if task.id in wanted]
        require_states(tasks)
        known = earlier.states if earlier else {}
        states = {task.id: WeighedStates.of(task, known.get(task.id)) for task in tasks}
        scale = common_scale(mu, [states[key].square for key in targets]) if rescale else 1.0
        lengths = np.array([len(states[key].weights) for key in targets])
        thinned = 0
        if lengths.sum() > max(len(targets), EVALUATION_STATES):
            thinned = max(1, EVALUATION_STATES // len(targets))
            lengths = np.minimum(lengths, thinned)
        largest = max([own.largest for own in states.values()])
        rows = sum([len(states[key].weights) for key in problem.candidates])
        anchors = problem.demonstrated[:0] if problem.anchors is None else problem.anchors
        return cls(
            candidates=problem.candidates,
            targets=targets,
            states=states,
            mu=mu,
            known=(problem.demonstrated, anchors),
            coverage=problem.coverage if config.coverage else None,
            size=config.states_per_trajectory,
            scale=scale,
            thinned=thinned,
            lengths=lengths,
            entries=rows * int(lengths.sum()),
            ill_scaled=largest * scale**2 > WELL_SCALED * config.noise_variance,
        )

    @property
    def nbytes(self) -> int:
        """Return the bytes of the arrays that the next problem is compared with."""
        arrays = [*self.known, *([] if self.coverage is None else [self.coverage])]
        return sum([a.nbytes for a in arrays]) + sum([task.states.nbytes for task in self.states.values()])

    def evaluation(self, target: str) -> tuple[Array, Array]:
        """Return the states a target is judged by, (n, p) scaled, and what each counts, (n,) summing to 1.

        More than ``thinned`` states are thinned to as many, at even steps of their cumulative weight.
        """
        task = self.states[target]
        if not self.thinned or len(task.states) <= self.thinned:
            return task.states.astype(np.float64) * self.scale, task.weights
        steps = (np.arange(self.thinned) + 0.5) / self.thinned
        picked = np.searchsorted(np.cumsum(task.weights), steps).clip(max=len(task.states) - 1)
        return task.states[picked].astype(np.float64) * self.scale, equal_weights(self.thinned)

    def trajectories(self, names: Sequence[str]) -> Array:
        """Return the expected trajectories of c tasks, (c, T, p).

        Each trajectory weighs as much as one demonstration of ``size`` states, however many states are
        known. Shorter ones end with rows of zeros, which weigh nothing.
        """
        weights = self._weights(names)
        rows = np.zeros((*weights.shape, self.known[0].shape[1]))
        for own, key in zip(rows, names):
            own[: len(self.states[key].states)] = self.states[key].states
        rows *= (self.scale * np.sqrt(self.size * weights))[:, :, None]
        return rows

    def mean_deviation(self, gram: Array, names: Sequence[str]) -> Array:
        """Return the mean of sqrt(v) over each task's states, (c,), from its trajectory's covariance."""
        # The covariance has size * w_i v_i on its diagonals.
        own = np.sqrt(np.maximum(np.einsum("ctt->ct", gram), 0))
        mean: Array = (own * np.sqrt(self._weights(names) / self.size)).sum(axis=1)
        return mean

    def _weights(self, names: Sequence[str]) -> Array:
        """Return the weights of the states of c tasks, (c, T), with zeros after those of the shorter ones."""
        longest = max([len(self.states[key].weights) for key in names], default=0)
        weights = np.zeros((len(names), longest))
        for own, key in zip(weights, names):
            own[: len(self.states[key].weights)] = self.states[key].weights
        return weights

    def all_evaluation(self) -> tuple[Array, Array, NDArray[np.int64]]:
        """Return the states of all targets (E, p), what each counts (E,), and where each target's begin."""
        states, weights = zip(*[self.evaluation(key) for key in self.targets])
        return np.concatenate(states), np.concatenate(weights), np.cumsum(self.lengths) - self.lengths

    def since(self, earlier: ScaledProblem) -> ProblemChange | None:
        """Return what came since an earlier problem; None where only solving again will do."""
        if self.ill_scaled or earlier.ill_scaled or not same(self.coverage, earlier.coverage):
            return None
        if (self.targets, self.scale) != (earlier.targets, earlier.scale):
            return None
        come = [_appended(before, after) for before, after in zip(earlier.known, self.known)]
        rows = [part.astype(np.float64) * self.scale for part in come if part is not None]
        if len(rows) < len(come) or not np.array_equal(self.lengths, earlier.lengths):
            return None
        tasks = [key for key, own in self.states.items() if earlier.states.get(key) is not own]
        first = dict(zip(self.targets, (np.cumsum(self.lengths) - self.lengths).tolist()))
        told = [(first[key], *self.evaluation(key)) for key in tasks if key in first]
        same_shape = self.candidates == earlier.candidates
        for key in set(tasks) & set(earlier.states):
            same_shape &= len(self.states[key].weights) == len(earlier.states[key].weights)
        return ProblemChange(
            rows=np.concatenate(rows),
            tasks=tasks,
            columns=[start + row for start, _, weights in told for row in range(len(weights))],
            states=np.concatenate([rows[0][:0], *(states for _, states, _ in told)]),
            weights=np.concatenate([np.zeros(0), *(weights for _, _, weights in told)]),
            same_shape=same_shape,
        )


@dataclass(frozen=True, eq=False)
class ProblemChange:
    """Holds what came between two problems about one posterior.

    Attributes:
        rows: (m, p) states that came to be known, scaled.
        tasks: candidates and targets that have other states or weights now.
        columns: which k evaluation states are others now.
        states: (k, p) these states.
        weights: (k,) what each of them counts.
        same_shape: whether the candidates and their numbers of states are those of before.
    """

    rows: Array
    tasks: list[str]
    columns: list[int]
    states: Array
    weights: Array
    same_shape: bool


def require_states(tasks: Sequence[TaskRecord]) -> None:
    """Refuse tasks that nobody knows a state of.

    Raises:
        NoEmbeddings: names them.
    """
    missing = [task.id for task in tasks if not len(task.states)]
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise NoEmbeddings(
            f"no states of {shown} to embed: demonstrate or execute each of them once, "
            "or leave them out of candidates and targets"
        )


@lru_cache(maxsize=256)
def equal_weights(count: int) -> Array:
    """Return weights of states that count alike, (count,), read-only; thousands of tasks share them."""
    weights = np.full(count, 1 / count)
    weights.setflags(write=False)
    return weights


def same(left: NDArray[Any] | None, right: NDArray[Any] | None) -> bool:
    """Tell whether two arrays hold the same; cheap where they are the same array."""
    if left is right or left is None or right is None:
        return left is right
    return left.shape == right.shape and left.dtype == right.dtype and bool((left == right).all())


def common_scale(weights: Array, squares: Sequence[float]) -> float:
    """Return what makes the weighted mean |phi|^2 of tasks 1, so that sigma^2 means the same everywhere.

    To the nearest eighth of a power of two (4.5%): demonstrations move the mean a little each time, and a
    scale that moved with it would change every variance.

    Args:
        weights: (tasks,) what each task counts.
        squares: (tasks,) mean |phi|^2 of each task's states.

    Raises:
        SelectionError: all features are zero, or the mean is not finite.
    """
    mean = float(weights @ np.array(squares) / weights.sum())
    if not 0 < mean < np.inf:
        raise SelectionError(
            f"the mean squared length of the states' features is {mean}; check the policy's embed()"
        )
    return float(2 ** (-np.round(8 * np.log2(mean)) / 16))


def _appended(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any] | None:
    """Return the rows that came after the earlier ones; None where those are no longer all there."""
    if before is after:
        return after[:0]
    return after[len(before) :] if same(before, after[: len(before)]) else None
