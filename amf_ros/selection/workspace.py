"""What information gain keeps between calls: whitened states and cross-covariances, updated rank by rank.

    workspace = Workspace(question, config)
    ...
    if not workspace.follow(question):
        workspace = Workspace(question, config)
    totals = workspace.totals(weights)

With rows Psi whitened by all that was known when the workspace was made, m new states X take a rank-m term
W = R^-1 Psi_X (...) from every covariance (:func:`amf_ros.selection.posterior.directions`):

    K  <-  K - (Psi_c W^T) (W Psi_E^T)        for the cross-covariance K of a candidate and evaluation states

so a demonstration costs T / p of computing K again, and is taken in while scoring, block by block, when the
block is in the processor's cache. Blocks that do not fit into ``memory_mb`` are computed anew on each call.
A pure optimisation: the answers differ from those of a new workspace by rounding only. Imports question,
blocks, posterior and threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from amf_ros.config import SelectionConfig
from amf_ros.selection.blocks import Block, Floats, Pending, Room, arrange, gram_of, in_float64, sizes_of
from amf_ros.selection.posterior import Posterior, directions, trajectory_gains, variance
from amf_ros.selection.question import Question, same
from amf_ros.selection.threads import Scratch, cores, spread
from amf_ros.types import Array

SPREAD_ENTRIES = 4 << 20
"""Pairs of states beyond which a second thread pays."""


@dataclass(frozen=True, eq=False)
class Totals:
    """Scores of candidates, in the order they were asked for.

    Attributes:
        gains: (candidates, m) gain summed over the targets, for each of m weightings.
        std: (candidates,) mean posterior standard deviation of the candidate's own states.
        sizes: (candidates,) |Psi_c|.
        matrix: (candidates, targets) gain about each target, or None.
    """

    gains: Array
    std: Array
    sizes: Array
    matrix: Floats | None


class Workspace:
    """Cached answers about one posterior. Not thread-safe: its owner holds a lock."""

    def __init__(self, question: Question, config: SelectionConfig) -> None:
        """Condition on all that is known, and whiten everything by it.

        Raises:
            IllConditioned: the posterior could not be factorised.
        """
        self.question, self._config, self._noise = question, config, config.noise_variance
        self._whitening = _whitening(question, self._noise)
        shown = [question.evaluation(key) for key in question.targets]
        lengths = np.array([len(weights) for _, weights in shown])
        self._starts = np.cumsum(lengths) - lengths
        self._lengths = lengths
        self._weights: Array = np.concatenate([weights for _, weights in shown])
        self._evaluation: Array = np.concatenate([rows for rows, _ in shown]) @ self._whitening
        self._cast: Floats = self._evaluation.astype(question.precision, copy=False)
        self.prior: Array = variance(self._evaluation)  # given what was known at first
        width = len(self._whitening)
        self._limit = max(2 * width, 64)
        self._taken: Array = np.empty((self._limit, width))  # W
        self._shared: Array = np.empty((self._limit, len(self.prior)))  # W Psi_E^T
        # Rows of W that the kept blocks have taken in; that are known; that are planned besides.
        self._applied = self._known = self._planned = 0
        self._stale: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # columns that kept blocks have wrong
        self._blocks: list[Block] = []
        self._scratch = Scratch()  # of problems that one thread is enough for
        self._recent: dict[str, Array] = {}  # whitened states of tasks that change in this call
        self._insert(question.candidates)

    def follow(self, question: Question) -> bool:
        """Take in what changed since the last question; False where only a new workspace will do.

        Raises:
            IllConditioned: see :func:`amf_ros.selection.posterior.directions`.
        """
        old = self.question
        new = [_appended(before, after) for before, after in zip(old.known, question.known)]
        mine = (old.targets, old.scale, old.thinned, old.precision, old.fresh)
        theirs = (question.targets, question.scale, question.thinned, question.precision, False)
        if mine != theirs or question.fresh or not same(old.coverage, question.coverage):
            return False
        if any(rows is None for rows in new):
            return False
        rows = np.concatenate([rows for rows in new if rows is not None]).astype(np.float64)
        changed = {key for key, view in question.views.items() if old.views.get(key) is not view}
        targets = [(row, key) for row, key in enumerate(question.targets) if key in changed]
        shown = [(row, *question.evaluation(key)) for row, key in targets]
        if self._known + len(rows) > self._limit:
            return False
        if any(len(weights) != self._lengths[row] for row, _, weights in shown):
            return False
        self.question = question
        # In one product: the whitening, not the few rows, is what takes time to read.
        together = np.concatenate([rows * question.scale, *(states for _, states, _ in shown)])
        psi = together @ self._whitening
        ends = np.cumsum([len(rows), *(len(weights) for _, _, weights in shown)])
        for (row, _, weights), start, end in zip(shown, ends, ends[1:]):
            self._replace(self._starts[row] + np.arange(len(weights)), psi[start:end], weights)
            if not question.thinned:
                self._recent[question.targets[row]] = psi[start:end]
        self._exchange(changed)
        self._recent.clear()
        if len(rows):
            self._take(psi[: len(rows)])
            self._known = self._planned
        return True

    def plan(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget_plan`."""
        self._take(self._whitened([name])[0])

    def forget_plan(self) -> None:
        """Back to what is known."""
        self._planned = self._known

    def totals(self, weights: Array, matrix: bool = False) -> Totals:
        """Score all candidates in the question's precision.

        Args:
            weights: (m, targets) what a nat about each target is worth.
            matrix: whether to keep the gains of each target.

        Raises:
            IllConditioned: a candidate's covariance could not be factorised.
        """
        found = self._score(self._blocks, self.question.candidates, weights, matrix)
        self._applied, self._stale = self._known, self._stale[:0]
        return found

    def exact(self, names: Sequence[str], weights: Array, matrix: bool = False) -> Totals:
        """Score some candidates in float64, whatever is cached. Arguments as of :meth:`totals`."""
        return self._score(in_float64(names, self._length, self._room(8)), names, weights, matrix, np.float64)

    def part(self, names: Sequence[str], weights: Array) -> Totals:
        """Score some candidates as :meth:`totals` does, with the matrix."""
        wanted = set(names)
        blocks = [b.without(set(b.names) - wanted) for b in self._blocks if wanted.intersection(b.names)]
        return self._score(blocks, names, weights, True)

    def spread_of(self, weights: Array) -> tuple[float, float]:
        """Weighted mean and maximum of the prior variance over the evaluation states."""
        return float(np.abs(self._columns(weights)[0]) @ self.prior), float(self.prior.max())

    @property
    def streamed(self) -> int:
        """Blocks that are computed anew on each call."""
        return sum(block.cross is None for block in self._blocks)

    def held(self) -> int:
        """Bytes kept, with the problem's arrays that the next one's are compared with."""
        own = (self._whitening, self._evaluation, self.prior, self._weights, self._starts, self._lengths)
        total = sum(a.nbytes for a in own) + sum(block.held() for block in self._blocks)
        total += 0 if self._cast is self._evaluation else self._cast.nbytes
        # Rows beyond those in use are reserved, but no memory stands behind them yet.
        total += 8 * self._known * (self._taken.shape[1] + self._shared.shape[1])
        return int(total) + self._scratch.nbytes + self.question.held

    # ---- what is known

    def _replace(self, columns: NDArray[np.int64], psi: Array, weights: Array) -> None:
        """Other evaluation states of a target."""
        self._evaluation[columns], self._cast[columns], self._weights[columns] = psi, psi, weights
        self.prior[columns] = variance(psi)
        self._shared[: self._planned, columns] = self._taken[: self._planned] @ psi.T
        self._stale = np.union1d(self._stale, columns)

    def _exchange(self, changed: set[str]) -> None:
        """Drop candidates that changed or are no longer asked for; add those that are missing."""
        wanted = set(self.question.candidates)
        if 2 * len(self._stale) > len(self.prior) or 2 * len(changed) > len(self.question.views):
            self._blocks, self._stale, self._applied = [], self._stale[:0], self._known
        for block in self._blocks:
            again = [key for key in block.names if key in changed and key in wanted]
            again = [key for key in again if self._length(key) == block.states]
            gone = {key for key in block.names if key in changed or key not in wanted}.difference(again)
            if again:
                fresh = Block(again, block.states, block.keeps)
                self._fill(fresh, self._scratch)
                block.assign(fresh)
            if gone:
                self._blocks = [b.without(gone) if b is block else b for b in self._blocks]
        self._blocks = [block for block in self._blocks if block.names]
        present = {key for block in self._blocks for key in block.names}
        self._insert([key for key in self.question.candidates if key not in present])

    def _take(self, psi: Array) -> None:
        """Condition on whitened rows, (m, p)."""
        start, stop = self._planned, self._planned + len(psi)
        if stop > len(self._taken):
            self._taken = np.concatenate([self._taken, np.empty((stop, self._taken.shape[1]))])
            self._shared = np.concatenate([self._shared, np.empty((stop, self._shared.shape[1]))])
        self._taken[start:stop] = directions(psi, self._taken[:start], self._noise)
        self._shared[start:stop] = self._taken[start:stop] @ self._evaluation.T
        self._planned = stop

    # ---- candidates

    def _length(self, name: str) -> int:
        return len(self.question.views[name].states)

    def _room(self, entry: int) -> Room:
        # What a few dozen demonstrations will take is left free.
        spare = int(0.99 * self._config.memory_mb * 10**6) - self.held()
        return Room(len(self._whitening), len(self.prior), entry, spare)

    def _whitened(self, names: Sequence[str]) -> Array:
        """Expected trajectories of candidates with T states each, (c, T, p)."""
        if all(key in self._recent for key in names):
            sizes = [self._config.states_per_trajectory * self.question.views[key].weights for key in names]
            return np.stack([self._recent[k] * np.sqrt(s)[:, None] for k, s in zip(names, sizes)])
        rows = self.question.trajectories(names, self._config.states_per_trajectory)
        white: Array = rows.reshape(-1, rows.shape[2]) @ self._whitening
        return white.reshape(rows.shape)

    def _insert(self, names: Sequence[str]) -> None:
        """Blocks for candidates, as of ``_applied``, kept as far as memory allows."""
        entry = np.dtype(self.question.precision).itemsize
        blocks = arrange(names, self._length, self._room(entry))
        spread(self._fill, blocks, self._threads(names))
        self._blocks += blocks

    def _fill(self, block: Block, _: Scratch) -> None:
        """Compute what a block is to keep."""
        psi = self._whitened(block.names)
        block.sizes = sizes_of(psi)
        block.psi = psi.astype(self.question.precision, copy=False) if block.keeps else None
        if block.keeps == 2:
            block.cross, block.gram = self._covariances(psi, self.question.precision, self._applied)

    def _threads(self, names: Sequence[str]) -> int:
        return cores() if sum(map(self._length, names)) * len(self.prior) > SPREAD_ENTRIES else 1

    def _covariances(self, psi: Floats, precision: Any, stop: int) -> tuple[Floats, Array]:
        """K and the own Gram of each candidate, given the first ``stop`` rows of W."""
        evaluation = self._evaluation if precision is np.float64 else self._cast
        rows = psi.reshape(-1, psi.shape[2]).astype(precision, copy=False)
        cross = rows @ evaluation.T
        gram = gram_of(psi)
        if stop:
            part = rows @ self._taken[:stop].T.astype(precision, copy=False)
            cross -= part @ self._shared[:stop].astype(precision, copy=False)
            gram -= gram_of(part.reshape(*psi.shape[:2], stop))
        return cross.reshape(*psi.shape[:2], -1), gram

    # ---- scoring

    def _columns(self, weights: Array) -> Array:
        """Weights of targets as weights of their states, (m, E)."""
        each: Array = np.repeat(weights, self._lengths, axis=1) * self._weights
        return each

    def _score(
        self,
        blocks: Sequence[Block],
        names: Sequence[str],
        weights: Array,
        matrix: bool,
        precision: Any = None,
    ) -> Totals:
        precision = precision or self.question.precision
        position = {key: row for row, key in enumerate(names)}
        columns = self._columns(weights).astype(precision).T
        left = self.prior - np.square(self._shared[: self._planned]).sum(axis=0)
        prior = np.maximum(left, 0).astype(precision)
        pending = self._pending(precision)
        own = self._weights.astype(precision)
        found = Totals(
            np.empty((len(names), len(weights))),
            np.empty(len(names)),
            np.empty(len(names)),
            np.empty((len(names), len(self._starts)), precision) if matrix else None,
        )

        def work(block: Block, scratch: Scratch) -> None:
            rows = [position[key] for key in block.names]
            if block.cross is None:
                psi = self._whitened(block.names) if block.psi is None else block.psi
                block.sizes = sizes_of(psi) if block.sizes is None else block.sizes
                cross, gram = self._covariances(psi, precision, self._planned)
            else:
                cross, gram = pending.apply(block, scratch)
            out = scratch.array("white", cross.shape, cross.dtype)
            gains = trajectory_gains(cross, gram, prior, self._noise, self._config.information, out)
            found.gains[rows] = gains @ columns
            found.std[rows] = self._deviation(block.names, gram)
            found.sizes[rows] = block.sizes
            if found.matrix is not None:
                found.matrix[rows] = np.add.reduceat(gains * own, self._starts, axis=1)

        spread(work, blocks, self._threads(names), self._scratch)
        return found

    def _pending(self, precision: Any) -> Pending:
        """What kept blocks have not taken in yet."""
        stale, known, rows = self._stale, self._known, slice(self._applied, self._planned)
        again = self._evaluation[stale] - self._shared[:known, stale].T @ self._taken[:known]
        return Pending(
            self._taken[rows].astype(precision),
            self._shared[rows].astype(precision),
            known - self._applied,
            stale,
            again.astype(precision),
        )

    def _deviation(self, names: Sequence[str], gram: Array) -> Array:
        """Mean of sqrt(v) over the states of each candidate: gram has T w_i v_i on its diagonals."""
        weights = np.stack([self.question.views[key].weights for key in names])
        variances = np.maximum(np.einsum("ctt->ct", gram), 0) / self._config.states_per_trajectory
        mean: Array = np.sqrt(weights * variances).sum(axis=1)
        return mean


def _whitening(question: Question, noise_variance: float) -> Array:
    """L^-T (p, p), which rows are multiplied by."""
    known = np.concatenate(question.known).astype(np.float64) * question.scale
    moments = question.coverage
    if moments is not None:
        moments = moments.astype(np.float64) * question.scale**2
    factor = Posterior.fit(known, noise_variance, moments).cholesky
    inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
    return np.ascontiguousarray(inverse.T)


def _appended(before: Floats, after: Floats) -> Floats | None:
    """The rows that came after the earlier ones; None where those are no longer all there."""
    if before is after:
        return after[:0]
    return after[len(before) :] if same(before, after[: len(before)]) else None
