"""What information gain keeps between calls: whitened states and cross-covariances, updated rank by rank.

    workspace = Workspace(question, config)
    ...
    if not workspace.follow(question):
        workspace = Workspace(question, config)
    totals = workspace.totals(weights)

With rows Psi whitened by all that was known when the workspace was made, m new states X take a rank-m term
W from every covariance (:mod:`amf_ros.selection.looks`):

    K  <-  K - (Psi_c W^T) (W Psi_E^T)        for the cross-covariance K of a candidate and evaluation states

so a demonstration costs T / p of computing K again, and is taken in while scoring, block by block, when the
block is in the processor's cache. Blocks that do not fit into ``memory_mb`` are computed anew on each call.
A pure optimisation: the answers differ from those of a new workspace by rounding only. Imports question,
looks, blocks, posterior and threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.blocks import (
    Block,
    Floats,
    Pending,
    Room,
    Totals,
    arrange,
    gram_of,
    in_float64,
    sizes_of,
    together,
)
from amf_ros.selection.looks import Looks
from amf_ros.selection.posterior import trajectory_gains
from amf_ros.selection.question import Change, Question
from amf_ros.selection.threads import Scratch, cores, spread

SPREAD_ENTRIES = 4 << 20
"""Pairs of states beyond which a second thread pays."""


class Workspace:
    """Cached answers about one posterior. Not thread-safe: its owner holds a lock."""

    def __init__(self, question: Question, config: SelectionConfig) -> None:
        """Condition on all that is known, and whiten everything by it.

        Raises:
            IllConditioned: the posterior could not be factorised.
        """
        self.question, self._config = question, config
        self._looks = Looks(question, config.noise_variance)
        self._cast: Floats = self._looks.evaluation.astype(question.precision, copy=False)
        self._place: dict[str, int] = {}  # where targets' states stand, other than thinned ones
        self._locate(range(len(question.targets)))
        self._applied = 0  # looks that the kept blocks have taken in
        # Columns that kept blocks have wrong, and rows of these states, given what the blocks have taken in.
        self._stale: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._renewed: Array = self._looks.rows[:0]
        self._blocks: list[Block] = []
        self._scratch = Scratch()  # of problems that one thread is enough for
        self._insert(question.candidates)

    def follow(self, question: Question) -> bool:
        """Take in what changed since the last question; False where only a new workspace will do.

        Raises:
            IllConditioned: see :func:`amf_ros.selection.posterior.directions`.
        """
        change, looks = Change.between(self.question, question), self._looks
        if change is None or looks.known + len(change.rows) > looks.limit:
            return False
        if any(len(w) != looks.lengths[row] for row, w in zip(change.targets, change.weights)):
            return False
        self.question = question
        self._locate(change.targets)
        moved = [looks.starts[row] + np.arange(looks.lengths[row]) for row in change.targets]
        self._stale = np.concatenate([self._stale, *moved])
        distinct, come, again = _distinct(change.rows, change.states)
        psi, part = looks.whiten(distinct)
        if change.targets:
            looks.exchange(self._stale, psi[again], part[again], change.weights)
            self._cast[self._stale] = psi[again]
        if 4 * len(self._stale) > len(looks.prior) or 2 * len(change.changed) > len(question.views):
            self._blocks, self._stale, self._applied = [], self._stale[:0], looks.known
            psi, part, come, again = psi[come], part[come], slice(None), slice(0)
        wide, left = looks.beside(psi, part)
        self._renewed = left[again]
        self._exchange(change.changed)
        if len(change.rows):
            looks.take(wide[come], left[come])
            looks.keep()
        return True

    def plan(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget_plan`."""
        rows = self.question.trajectories([name], self._config.states_per_trajectory)[0]
        self._looks.take(*self._looks.beside(*self._looks.whiten(rows, planned=True)))

    def forget_plan(self) -> None:
        """Back to what is known."""
        self._looks.forget()

    def totals(self, weights: Array, matrix: bool = False) -> Totals:
        """Score all candidates in the question's precision.

        Args:
            weights: (m, targets) what a nat about each target is worth.
            matrix: whether to keep the gains of each target.

        Raises:
            IllConditioned: a candidate's covariance could not be factorised.
        """
        found = self._score(self._blocks, self.question.candidates, weights, matrix)
        self._applied, self._stale = self._looks.known, self._stale[:0]
        self._renewed = self._looks.rows[:0]
        return found

    def exact(self, names: Sequence[str], weights: Array, matrix: bool = False) -> Totals:
        """Score some candidates in float64, whatever is cached. Arguments as of :meth:`totals`."""
        return self._score(in_float64(names, self._shape, self._room(8)), names, weights, matrix, np.float64)

    def part(self, names: Sequence[str], weights: Array) -> Totals:
        """Score some candidates as :meth:`totals` does, with the matrix."""
        wanted = set(names)
        blocks = [b.without(set(b.names) - wanted) for b in self._blocks if wanted.intersection(b.names)]
        return self._score(blocks, names, weights, True)

    def spread_of(self, weights: Array) -> tuple[float, float]:
        """Weighted mean and maximum of the prior variance over the evaluation states."""
        return float(np.abs(self._columns(weights)[0]) @ self._looks.prior), float(self._looks.prior.max())

    @property
    def streamed(self) -> int:
        """Blocks that are computed anew on each call."""
        return sum(block.cross is None for block in self._blocks)

    def held(self) -> int:
        """Bytes kept, with the problem's arrays that the next one's are compared with."""
        cast = 0 if self._cast is self._looks.evaluation else self._cast.nbytes
        blocks = sum([block.held() for block in self._blocks])
        return self._looks.held() + cast + blocks + self._scratch.nbytes + self.question.held

    # ---- candidates

    def _locate(self, targets: Iterable[int]) -> None:
        """Note of some targets whether their states stand whole, and where."""
        for row in targets:
            key = self.question.targets[row]
            self._place.pop(key, None)
            if self._looks.lengths[row] == len(self.question.views[key].states):
                self._place[key] = int(self._looks.starts[row])

    def _exchange(self, changed: set[str]) -> None:
        """Drop candidates that changed or are no longer asked for; add those that are missing."""
        wanted = set(self.question.candidates)
        for block in self._blocks:
            names = set(block.names)
            again = [key for key in sorted(names & changed & wanted) if self._length(key) == block.states]
            if again:
                block.assign(self._changed(Block(again, block.states, block.keeps)))
            if gone := (names - wanted) | (names & changed).difference(again):
                self._blocks = [b.without(gone) if b is block else b for b in self._blocks]
        self._blocks = [block for block in self._blocks if block.names]
        if missing := wanted.difference(*(block.names for block in self._blocks)):
            self._insert([key for key in self.question.candidates if key in missing])

    def _length(self, name: str) -> int:
        return len(self.question.views[name].states)

    def _shape(self, name: str) -> tuple[int, int]:
        return self._length(name), 0 if name in self._place else self._looks.width

    def _room(self, entry: int) -> Room:
        # What a few dozen demonstrations will take is left free.
        spare = int(0.99 * self._config.memory_mb * 10**6) - self.held()
        return Room(len(self._looks.prior), entry, spare)

    def _described(self, block: Block) -> Block:
        """The same block, told what each state counts and where it stands."""
        weights = np.array([self.question.views[key].weights for key in block.names])
        block.factors = np.sqrt(self._config.states_per_trajectory * weights)
        if all(key in self._place for key in block.names):
            starts = np.array([self._place[key] for key in block.names])
            block.columns = starts[:, None] + np.arange(block.states)
            block.sizes = np.sqrt((block.factors**2 * self._looks.prior[block.columns]).sum(axis=1))
        return block

    def _whitened(self, block: Block) -> Array:
        """Expected trajectories of a described block, (c, T, p)."""
        if block.columns is not None and block.factors is not None:
            return self._looks.evaluation[block.columns] * block.factors[:, :, None]
        rows = self.question.trajectories(block.names, self._config.states_per_trajectory)
        return self._looks.whiten(rows.reshape(-1, rows.shape[2]))[0].reshape(rows.shape)

    def _insert(self, names: Sequence[str]) -> None:
        """Blocks for candidates, as of ``_applied``, kept as far as memory allows."""
        entry = np.dtype(self.question.precision).itemsize
        blocks = arrange(names, self._shape, self._room(entry))
        spread(self._fill, together(blocks), self._threads(blocks))
        self._blocks += blocks

    def _fill(self, blocks: Sequence[Block], scratch: Scratch) -> None:
        """Compute what blocks of as many states are to keep."""
        precision, kept = self.question.precision, []
        for block in blocks:
            psi = self._whitened(self._described(block))
            if block.columns is None:
                block.sizes = sizes_of(psi)
                block.psi = psi.astype(precision, copy=False) if block.keeps else None
            if block.keeps == 2:
                kept.append((block, psi))
        if len(kept) == 1:
            ((block, psi),) = kept
            block.cross, block.gram = self._covariances(psi, precision, self._applied)
        elif kept:
            every = np.concatenate([psi for _, psi in kept])
            out = scratch.array("every", (*every.shape[:2], len(self._cast)), precision)
            cross, gram = self._covariances(every, precision, self._applied, out)
            ends = np.cumsum([len(psi) for _, psi in kept])
            for (block, psi), end in zip(kept, ends.tolist()):
                rows = slice(end - len(psi), end)
                block.cross, block.gram = cross[rows].copy(), gram[rows].copy()

    def _threads(self, blocks: Sequence[Block]) -> int:
        states = sum(len(block.names) * block.states for block in blocks)
        return cores() if states * len(self._looks.prior) > SPREAD_ENTRIES else 1

    def _covariances(
        self, psi: Floats, precision: Any, stop: int, out: Floats | None = None
    ) -> tuple[Floats, Array]:
        """K (c, T, E), written to ``out`` if given, and each candidate's Gram, given ``stop`` rows of W."""
        evaluation = self._looks.evaluation if precision is np.float64 else self._cast
        rows = psi.reshape(-1, psi.shape[2]).astype(precision, copy=False)
        cross = np.matmul(rows, evaluation.T, out=None if out is None else out.reshape(len(rows), -1))
        gram = gram_of(psi)
        if stop:
            looks, width = self._looks.rows[:stop], self._looks.width
            part = rows @ looks[:, :width].T.astype(precision, copy=False)
            cross -= part @ looks[:, width:].astype(precision, copy=False)
            gram -= gram_of(part.reshape(*psi.shape[:2], stop))
        return cross.reshape(*psi.shape[:2], -1), gram

    def _changed(self, block: Block) -> Block:
        """The same block of candidates that changed, filled: those that are targets too stand renewed."""
        columns, factors = self._described(block).columns, block.factors
        if columns is None or factors is None or block.keeps < 2:
            self._fill([block], self._scratch)
            return block
        rows = self._renewed[np.searchsorted(self._stale, columns), self._looks.width :] * factors[:, :, None]
        own = np.stack([row[:, where] for row, where in zip(rows, columns)])
        block.gram = own * factors[:, None, :]
        block.cross = rows.astype(self.question.precision, copy=False)  # (c, T, E)
        return block

    # ---- scoring

    def _columns(self, weights: Array) -> Array:
        """Weights of targets as weights of their states, (m, E)."""
        each: Array = np.repeat(weights, self._looks.lengths, axis=1) * self._looks.weights
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
        looks, starts = self._looks, self._looks.starts
        prior = looks.variance().astype(precision)
        pending = self._pending(precision)
        own = looks.weights.astype(precision)
        found = Totals(
            np.empty((len(names), len(weights))),
            np.empty(len(names)),
            np.empty(len(names)),
            np.empty((len(names), len(starts)), precision) if matrix else None,
        )

        def work(block: Block, scratch: Scratch) -> None:
            rows = [position[key] for key in block.names]
            if block.cross is None:
                psi = self._whitened(self._described(block)) if block.psi is None else block.psi
                block.sizes = sizes_of(psi) if block.sizes is None else block.sizes
                cross, gram = self._covariances(psi, precision, looks.planned)
            else:
                cross, gram = pending.apply(block, scratch)
            out = scratch.array("white", cross.shape, cross.dtype)
            gains = trajectory_gains(
                cross, gram, prior, self._config.noise_variance, self._config.information, out
            )
            found.gains[rows] = gains @ columns
            found.std[rows] = self._deviation(block, gram)
            found.sizes[rows] = block.sizes
            if found.matrix is not None:
                found.matrix[rows] = np.add.reduceat(gains * own, starts, axis=1)

        spread(work, blocks, self._threads(blocks), self._scratch)
        return found

    def _pending(self, precision: Any) -> Pending:
        """What kept blocks have not taken in yet."""
        width, stale = self._looks.width, self._stale
        rows, known = self._looks.rows[self._applied : self._looks.planned], self._looks.known - self._applied
        again = self._renewed - rows[:known, width + stale].T @ rows[:known]
        rows, again = (each.astype(precision, copy=False) for each in (rows, again))
        return Pending(width, rows, known, stale, again)

    def _deviation(self, block: Block, gram: Array) -> Array:
        """Mean of sqrt(v) over the states of each candidate: gram has T w_i v_i on its diagonals."""
        std = np.sqrt(np.maximum(np.einsum("ctt->ct", gram), 0))
        mean: Array = (std * block.factors).sum(axis=1) / self._config.states_per_trajectory
        return mean


Rows = NDArray[np.intp] | slice


def _distinct(come: Array, states: Sequence[Array]) -> tuple[Array, Rows, Rows]:
    """Rows that came to be known and changed states without repetitions, and where each of these stand."""
    if len(states) == 1 and come.shape == states[0].shape and (come == states[0]).all():
        return come, slice(None), slice(None)  # a task that was demonstrated for the first time
    rows = np.concatenate([come, *states])
    first: dict[float, int] = {}  # by their sum: rows that share it and differ are all left as they are
    same = np.array([first.setdefault(key, row) for row, key in enumerate(rows.sum(axis=1).tolist())])
    if len(first) == len(rows) or not (rows == rows[same]).all():
        return rows, slice(0, len(come)), slice(len(come), None)
    kept = np.fromiter(first.values(), np.intp)
    index = np.searchsorted(kept, same)
    return rows[kept], index[: len(come)], index[len(come) :]
