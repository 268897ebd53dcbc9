"""A problem as information gain asks it: weighted states, one scale, the states that scores average over.

    question = Question.of(problem, config, earlier)

Pure functions of the problem: nothing here depends on what was asked before (``earlier`` only saves looking
at the same arrays twice). Imports base, types, errors and config.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import NoEmbeddings, SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord, moved

EVALUATION_STATES = 4096
"""More evaluation states than this, and than targets, are thinned: the same number for each target."""

FLOAT64_ENTRIES = 1 << 20
"""Problems with no more pairs of a candidate's and an evaluation state are scored in float64 at once."""

WELL_SCALED = 1e4
"""Where |phi|^2 / sigma^2 exceeds this, every question is solved from scratch in float64."""


@dataclass(frozen=True, eq=False)
class View:
    """One task's occupancy, looked at once.

    Attributes:
        states: (n, p) as given.
        given: their weights as given, or None.
        weights: (n,) summing to 1.
        square: weighted mean of |phi|^2.
        largest: |phi|^2.
        held: bytes of these arrays.
        length: n.
    """

    states: NDArray[Any]
    given: NDArray[Any] | None
    weights: Array
    square: float
    largest: float
    held: int
    length: int

    @classmethod
    def of(cls, task: TaskRecord) -> View:
        """Raises nothing for checked records that have states."""
        weights = _alike(len(task.states)) if task.weights is None else _normalised(task.weights)
        squares = np.einsum("np,np->n", task.states, task.states, dtype=np.float64)
        square, held = float(weights @ squares), task.states.nbytes + weights.nbytes
        largest = float(squares.max())
        return cls(task.states, task.weights, weights, square, largest, held, len(weights))

    def holds(self, task: TaskRecord) -> bool:
        """Whether the task's occupancy is still this one."""
        if self.states is task.states and self.given is task.weights:
            return True
        return same(self.states, task.states) and same(self.given, task.weights)


@dataclass(frozen=True, eq=False)
class Question:
    """What there is to score.

    Attributes:
        problem: as it was given.
        candidates: ids, in the problem's order.
        targets: ids of positive weight, in the suite's order.
        views: of all candidates and targets.
        mu: (targets,) evaluation distribution.
        known: D and the anchors, each (n, p).
        coverage: (p, p) or None.
        scale: of the features.
        thinned: evaluation states of each target; 0 = all of them.
        precision: in which candidates are scored first.
        fresh: to be solved from scratch each time (:data:`WELL_SCALED`).
    """

    problem: Problem
    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    views: dict[str, View]
    mu: Array
    known: tuple[NDArray[Any], ...]
    coverage: NDArray[Any] | None
    scale: float
    thinned: int
    precision: type[np.floating[Any]]
    fresh: bool

    @classmethod
    def of(
        cls,
        problem: Problem,
        config: SelectionConfig,
        earlier: Question | None = None,
        *,
        rescale: bool = True,
        float64_entries: int = FLOAT64_ENTRIES,
    ) -> Question:
        """Look at a problem that passed :func:`amf_ros.selection.base.check`.

        Args:
            problem: what is asked.
            config: noise, and whether coverage counts.
            earlier: a question that may share arrays with this one.
            rescale: bring the features to a common scale; kernels with a scale of their own do not want it.
            float64_entries: see :data:`FLOAT64_ENTRIES`.

        Raises:
            NoEmbeddings: a candidate or a target of positive weight has no states.
            SelectionError: the features of all targets are zero.
        """
        targets, mu, views = _asked(problem, earlier)
        shown, asked = [views[key] for key in targets], [views[key] for key in problem.candidates]
        scale = _scale(mu, [view.square for view in shown]) if rescale else 1.0
        thinned, columns = 0, sum([view.length for view in shown])
        if columns > max(len(targets), EVALUATION_STATES):
            thinned = max(1, EVALUATION_STATES // len(targets))
            columns = sum([min(view.length, thinned) for view in shown])
        rows = sum([view.length for view in asked])
        largest = max([view.largest for view in views.values()])
        fresh = largest * scale**2 > WELL_SCALED * config.noise_variance
        anchors = problem.demonstrated[:0] if problem.anchors is None else problem.anchors
        return cls(
            problem=problem,
            candidates=problem.candidates,
            targets=targets,
            views=views,
            mu=mu,
            known=(problem.demonstrated, anchors),
            coverage=problem.coverage if config.coverage else None,
            scale=scale,
            thinned=thinned,
            precision=np.float64 if fresh or rows * columns <= float64_entries else np.float32,
            fresh=fresh,
        )

    @cached_property
    def held(self) -> int:
        """Bytes of the arrays that the next question is compared with."""
        arrays = [*self.known, *([] if self.coverage is None else [self.coverage])]
        return sum([array.nbytes for array in arrays]) + sum([view.held for view in self.views.values()])

    def evaluation(self, target: str) -> tuple[Array, Array]:
        """States a target is judged by, (n, p) scaled, and what each counts, (n,) summing to 1.

        More than ``thinned`` states are thinned to as many, at even steps of their cumulative weight.
        """
        view = self.views[target]
        if not self.thinned or len(view.states) <= self.thinned:
            return view.states.astype(np.float64) * self.scale, view.weights
        steps = (np.arange(self.thinned) + 0.5) / self.thinned
        picked = np.searchsorted(np.cumsum(view.weights), steps).clip(max=len(view.states) - 1)
        return view.states[picked].astype(np.float64) * self.scale, _alike(self.thinned)

    def trajectories(self, names: Sequence[str], size: int) -> Array:
        """The expected trajectories of candidates with T states each, (c, T, p).

        Each weighs as much as one demonstration of ``size`` states, however many states are known.
        """
        rows = np.stack([self.views[key].states for key in names]).astype(np.float64)
        weights = np.stack([self.views[key].weights for key in names])
        rows *= self.scale * np.sqrt(size * weights)[:, :, None]
        return rows


@dataclass(frozen=True, eq=False)
class Change:
    """What came between two questions about one posterior.

    Attributes:
        rows: (m, p) states that came to be known, scaled.
        changed: candidates and targets whose occupancy is another one.
        targets: rows of the targets among them.
        states: the evaluation states of each of these.
        weights: what each of these states counts.
    """

    rows: Array
    changed: set[str]
    targets: list[int]
    states: list[Array]
    weights: list[Array]

    @classmethod
    def between(cls, old: Question, new: Question) -> Change | None:
        """None where the posterior is another one, or other targets are asked about."""
        mine = (old.targets, old.scale, old.thinned, old.precision, old.fresh)
        if mine != (new.targets, new.scale, new.thinned, new.precision, False) or new.fresh:
            return None
        rows = [_appended(before, after) for before, after in zip(old.known, new.known)]
        if any(part is None for part in rows) or not same(old.coverage, new.coverage):
            return None
        come = np.concatenate([part for part in rows if part is not None]).astype(np.float64)
        before = old.views
        changed = {key for key, view in new.views.items() if before.get(key) is not view}
        targets = [row for row, key in enumerate(new.targets) if key in changed]
        shown = [new.evaluation(new.targets[row]) for row in targets]
        return cls(come * new.scale, changed, targets, [s for s, _ in shown], [w for _, w in shown])


@lru_cache(maxsize=256)
def _alike(count: int) -> Array:
    """Weights of states that count alike, (count,); thousands of tasks share them."""
    weights = np.full(count, 1 / count)
    weights.setflags(write=False)
    return weights


def _normalised(weights: NDArray[Any]) -> Array:
    shares: Array = weights.astype(np.float64) / weights.max()  # their sum may exceed what a float holds
    shares /= shares.sum()
    return shares


def same(left: NDArray[Any] | None, right: NDArray[Any] | None) -> bool:
    """Whether two arrays hold the same; cheap where they are the same array."""
    if left is right or left is None or right is None:
        return left is right
    return left.shape == right.shape and left.dtype == right.dtype and bool((left == right).all())


def _asked(problem: Problem, earlier: Question | None) -> tuple[tuple[str, ...], Array, dict[str, View]]:
    """Ids and weights of the targets that count, and a view of each task that plays a part."""
    changed = None if earlier is None else moved(problem, earlier.problem)
    if earlier is not None and changed is not None:
        records = [now for now, _ in changed if now.id in earlier.views]
        views = {**earlier.views, **_views(records, earlier.views, earlier.views)}
        return earlier.targets, earlier.mu, views
    weights = {key: weight for key, weight in problem.targets.items() if weight > 0}
    targets = tuple([task.id for task in problem.tasks if task.id in weights])
    views = _views(problem.tasks, {*problem.candidates, *targets}, earlier.views if earlier else {})
    return targets, np.array([weights[key] for key in targets]), views


def _views(tasks: Iterable[TaskRecord], wanted: Container[str], earlier: dict[str, View]) -> dict[str, View]:
    views, missing = {}, []
    for task in tasks:
        if task.id not in wanted:
            continue
        view = earlier.get(task.id)
        if view is not None and view.holds(task):
            views[task.id] = view
        elif len(task.states):
            views[task.id] = View.of(task)
        else:
            missing.append(task.id)
    _refuse(missing)
    return views


def _refuse(names: Sequence[str]) -> None:
    if names:
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise NoEmbeddings(
            f"no states of {shown} to embed: demonstrate or execute each of them once, "
            "or leave them out of candidates and targets"
        )


def _scale(mu: Array, squares: list[float]) -> float:
    """What makes the mean |phi|^2 over the evaluation states 1, so that sigma^2 means the same everywhere.

    To the nearest eighth of a power of two (4.5%): demonstrations move the mean a little each time, and a
    scale that moved with it would change every variance.
    """
    mean = float(mu @ np.array(squares) / mu.sum())
    if not 0 < mean < np.inf:
        raise SelectionError(
            f"the mean squared length of the target states' features is {mean}; check the policy's embed()"
        )
    return float(2 ** (-np.round(8 * np.log2(mean)) / 16))


def _appended(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any] | None:
    """The rows that came after the earlier ones; None where those are no longer all there."""
    if before is after:
        return after[:0]
    return after[len(before) :] if same(before, after[: len(before)]) else None
