"""Eq. 2 for thousands of tasks: float32 covariances in blocks, brought up to date while they are scored.

With t new looks W, a covariance K of a candidate and the evaluation states becomes K - (tau W^T) (W psi^T): a
demonstration costs t / p of computing K again, and is taken in when a block is in the processor's cache
anyway. Candidates that do not fit into ``memory_mb`` are computed anew on each call. The answers are those
of :class:`amf_ros.selection.information_gain.InformationGain`. Imports the rest of selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.blas_threads import cores
from amf_ros.selection.engine.parallel import Scratch, spread
from amf_ros.selection.engine.rounding import Totals, certified, error_unit
from amf_ros.selection.information_gain import (
    CandidateScores,
    information,
    inner,
    known_share,
    removed_variance,
)
from amf_ros.selection.posterior import Floats, Posterior
from amf_ros.selection.scaled_problem import ScaledProblem

BLOCK_BYTES = 3 << 20
"""Covariances of one block: they and two arrays to work in fit a core's share of the cache."""


@dataclass(eq=False)
class Block:
    """Holds covariances of c candidates with the same number T of states.

    Attributes:
        names: of the candidates.
        tau: (c, T, p) whitened expected trajectories.
        cross: (c, T, E) covariance with the evaluation states.
        gram: (c, T, T) covariance of the candidate's own states.
    """

    names: list[str]
    tau: Floats
    cross: Floats
    gram: Array

    def after(self, looks: Floats, shared: Floats, scratch: Scratch, keep: bool) -> Block:
        """Return the block given t more looks.

        Args:
            looks: (t, p) W.
            shared: (t, E) W psi^T.
            scratch: memory to work in.
            keep: write over this block; else ``cross`` stands in ``scratch``, and this one stays.
        """
        if not len(looks):
            return self
        part = inner(self.tau, looks)  # (c, T, t)
        change = scratch.array("change", self.cross.shape, self.cross.dtype)
        np.matmul(part.reshape(-1, len(looks)), shared, out=change.reshape(-1, change.shape[2]))
        cross = np.subtract(self.cross, change, out=self.cross if keep else change)
        gram = np.subtract(self.gram, part @ np.swapaxes(part, 1, 2), out=self.gram if keep else None)
        return replace(self, cross=cross, gram=gram)


class BlockedGain:
    """Scores one problem after the other, in float32 first. Not thread-safe.

    Attributes:
        problem: the last one.
        precision: in which all candidates are scored; the best are scored again in float64.
    """

    def __init__(self, problem: ScaledProblem, config: SelectionConfig) -> None:
        """Solve. Raises IllConditioned where the posterior could not be factorised."""
        self.problem, self.config = problem, config
        self._dtype: Any = np.float64 if problem.ill_scaled else np.float32
        self.precision = np.dtype(self._dtype).name
        self._known = self._imagined = Posterior.of(problem, config.noise_variance)
        states, self._rho, self._starts = problem.all_evaluation()
        self._psi = self._known.whiten(states)  # (E, p)
        self._cast: Floats = self._psi.astype(self._dtype, copy=False)
        self._compute()

    def score(self, prices: Array, matrix: bool) -> CandidateScores:
        """Evaluate eq. 2; the candidate with the best gain / price is among those scored in float64."""
        names, prior = self.problem.candidates, np.square(self._psi).sum(axis=1)
        found = self._totals([*self._blocks, *self._streamed], names, self._dtype, matrix)
        unit = error_unit(found, self.config, float(self._weights() @ prior), float(prior.max()))
        return certified(names, found, unit, prices, self._exact)

    def imagine(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget`."""
        (tau,) = self._known.whiten(self.problem.trajectories([name]))
        self._imagined = self._imagined.after(tau)

    def forget(self) -> None:
        """Go back to what is known."""
        self._imagined = self._known

    def follow(self, problem: ScaledProblem) -> bool:
        """Take in what came since the last problem; False where only a new scorer will do."""
        change = problem.since(self.problem)
        if change is None or not self._known.has_room(len(change.rows)):
            return False
        self.problem, columns = problem, change.columns
        if len(change.rows):
            self._known = self._known.after(self._known.whiten(change.rows))
        self._imagined = self._known
        self._psi[columns] = self._known.whiten(change.states)
        self._cast[columns], self._rho[columns] = self._psi[columns], change.weights
        if change.same_shape and 4 * len(change.tasks) <= len(problem.states):
            self._correct(columns, set(change.tasks))
        else:
            self._compute()
        return True

    @property
    def streamed(self) -> int:
        """Return how many candidates are computed anew on each call, for want of memory."""
        return sum([len(names) for names in self._streamed])

    @property
    def nbytes(self) -> int:
        """Return the bytes kept, with the problem's arrays that the next one's are compared with."""
        own = [self._psi, self._cast, self._known.root, self._known.seen]
        own += [array for block in self._blocks for array in (block.tau, block.cross, block.gram)]
        return sum([array.nbytes for array in own]) + self.problem.nbytes

    # ---- what is kept: v and the blocks, given what ``_held`` has seen; _totals takes in the rest

    def _compute(self) -> None:
        """Compute everything anew, and keep it as far as memory allows."""
        self._held, self._v = self._known, self._known.variance(self._psi)
        self._blocks: list[Block] = []
        self._streamed: list[list[str]] = []
        spare = int(0.99 * self.config.memory_mb * 10**6) - self.nbytes  # some demonstrations will want room
        kept = []
        for names in self._grouped(self.problem.candidates, self._dtype):
            states = len(self.problem.states[names[0]].weights)
            spare -= 4 * len(names) * states * (sum(self._psi.shape) + 2 * states)
            if spare < 0 or self.problem.ill_scaled:
                self._streamed.append(names)
            else:
                kept.append(names)

        def work(names: list[str], _: Scratch) -> None:
            self._blocks.append(self._block(names, self._held, self._dtype))

        spread(work, kept, cores())

    def _correct(self, columns: list[int], tasks: set[str]) -> None:
        """Compute anew the evaluation states of ``columns``, and candidates among ``tasks``."""
        if not tasks:
            return
        left = self._held.unseen(self._psi[columns]).astype(self._dtype, copy=False)
        self._v[columns] = self._held.variance(self._psi[columns])

        def work(block: Block, _: Scratch) -> None:
            block.cross[:, :, columns] = inner(block.tau, left)
            rows = [row for row, name in enumerate(block.names) if name in tasks]
            if rows:
                own = self._block([block.names[row] for row in rows], self._held, self._dtype)
                block.tau[rows], block.cross[rows], block.gram[rows] = own.tau, own.cross, own.gram

        spread(work, self._blocks, cores())

    def _grouped(self, names: Sequence[str], dtype: Any) -> Iterator[list[str]]:
        """Yield candidates with equally many states, as many as :data:`BLOCK_BYTES` hold."""

        def length(name: str) -> int:
            return len(self.problem.states[name].weights)

        for states, group in groupby(sorted(names, key=length), key=length):
            members = list(group)
            count = max(1, min(64, BLOCK_BYTES // (states * len(self._psi) * np.dtype(dtype).itemsize)))
            yield from [members[start : start + count] for start in range(0, len(members), count)]

    def _block(self, names: list[str], posterior: Posterior, dtype: Any) -> Block:
        """Compute candidates from nothing."""
        tau = posterior.whiten(self.problem.trajectories(names))
        left, psi = posterior.unseen(tau), self._psi if dtype is np.float64 else self._cast
        cross = inner(left.astype(dtype, copy=False), psi)
        return Block(names, tau.astype(dtype, copy=False), cross, left @ np.swapaxes(tau, 1, 2))

    # ---- scoring

    def _exact(self, names: Sequence[str]) -> Totals:
        """Score some candidates in float64, whatever is kept, with gains about each target."""
        return self._totals(list(self._grouped(names, np.float64)), names, np.float64, True)

    def _weights(self) -> Array:
        """Return what each evaluation state counts, (E,): E_{c ~ mu} E_{s ~ rho_c}."""
        ends = np.append(self._starts[1:], len(self._rho))
        weights: Array = self._rho * np.repeat(self.problem.mu, ends - self._starts)
        return weights

    def _totals(
        self, blocks: Sequence[Block | list[str]], names: Sequence[str], dtype: Any, matrix: bool
    ) -> Totals:
        """Score candidates given what is known and imagined: of kept blocks, or of names from nothing."""
        place = {key: row for row, key in enumerate(names)}
        noise, form = self.config.noise_variance, self.config.information
        weights, rho = self._weights().astype(dtype), self._rho.astype(dtype)
        keep = self._imagined is self._known and dtype is self._dtype  # nothing imagined, all blocks are here
        seen = self._imagined.seen[len(self._held.seen) :]
        shared = seen @ self._psi.T
        given = np.maximum(self._v - np.square(shared).sum(axis=0), 0)
        v, looks, with_psi = given.astype(dtype), seen.astype(self._dtype), shared.astype(self._dtype)
        about = np.empty((len(names), len(self._starts)), dtype) if matrix else None
        found = Totals(np.empty(len(names)), np.empty(len(names)), np.empty(len(names)), about)

        def work(item: Block | list[str], scratch: Scratch) -> None:
            if isinstance(item, Block):
                block = item.after(looks, with_psi, scratch, keep)
            else:
                block = self._block(item, self._imagined, dtype)
            out = scratch.array("white", block.cross.shape, block.cross.dtype)
            removed = removed_variance(block.cross, block.gram, v, noise, out)
            if dtype is np.float32 and form == "exact":
                gains = half_log(known_share(removed, v, noise))
            else:
                gains = information(removed, v, noise, form)
            rows = [place[key] for key in block.names]
            found.gains[rows] = gains @ weights
            found.std[rows] = self.problem.mean_deviation(block.gram, block.names)
            found.sizes[rows] = np.sqrt(np.einsum("ctp,ctp->c", block.tau, block.tau))
            if found.about is not None:
                found.about[rows] = np.add.reduceat(gains * rho, self._starts, axis=1)

        spread(work, blocks, cores())
        if keep:
            self._held, self._v = self._known, given
        return found


def half_log(share: NDArray[np.float32]) -> Floats:
    """Return -1/2 log(1 - share) in float32, as exact for small shares as for large ones."""
    # log1p takes six times as long as log here: put right what rounding 1 - share loses.
    rest = 1 - share
    gain: Floats = np.log(rest)
    lost = rest - 1
    lost += share
    lost /= rest
    gain -= lost
    gain *= -0.5
    return np.maximum(gain, 0, out=gain)
