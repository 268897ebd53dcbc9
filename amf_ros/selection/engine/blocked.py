"""Eq. 2 for thousands of tasks: float32 covariances in blocks, brought up to date while they are scored.

With t new looks W, a covariance K of a candidate and the evaluation states becomes K - (tau W^T) (W psi^T): a
demonstration costs t / p of computing K again, and is taken in when a block is in the processor's cache
anyway. Candidates that do not fit into ``memory_mb`` are computed anew on each call. The answers are those
of :class:`amf_ros.selection.information_gain.InformationGain`. Imports the rest of selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.engine.parallel import Scratch, spread
from amf_ros.selection.engine.rounding import Totals, certified
from amf_ros.selection.information_gain import (
    CandidateScores,
    information,
    inner,
    known_share,
    removed_variance,
)
from amf_ros.selection.posterior import Floats, Posterior
from amf_ros.selection.scaled_problem import ScaledProblem
from amf_ros.selection.threads import cores

BLOCK_BYTES = 3 << 20
"""Covariances of one block: they and two arrays to work in fit a core's share of the cache."""

SPREAD_ENTRIES = 4 << 20
"""Pairs of states beyond which a second thread pays."""


@dataclass(eq=False)
class Block:
    """Candidates with the same number T of states; the arrays are None where nothing is kept.

    Attributes:
        names: of the c candidates.
        tau: (c, T, p) whitened expected trajectories.
        cross: (c, T, E) covariance with the evaluation states.
        gram: (c, T, T) covariance of the candidate's own states.
    """

    names: list[str]
    tau: Floats | None = None
    cross: Floats | None = None
    gram: Array | None = None


@dataclass(frozen=True, eq=False)
class Arrears:
    """What kept blocks have not taken in yet, one row each of ``looks`` (n, p).

    Attributes:
        looks: W of what is known, then W of what is imagined, then evaluation states that are others now.
        shared: W psi^T, (known + imagined, E).
        known: rows of W to take in for good.
        columns: where the evaluation states stand.
    """

    looks: Floats
    shared: Floats
    known: int
    columns: list[int]

    def take(self, block: Block, scratch: Scratch) -> tuple[Floats, Array]:
        """Bring a kept block up to date, and return its covariances given what is imagined as well."""
        tau, cross, gram, known = block.tau, block.cross, block.gram, self.known
        if tau is None or cross is None or gram is None:
            raise ValueError(f"a block of {len(block.names)} candidates keeps no covariances to update")
        part = tau.reshape(-1, tau.shape[2]) @ self.looks.T  # (c T, n)
        flat = cross.reshape(len(part), -1)
        change = scratch.array("change", flat.shape, flat.dtype)
        if known:
            np.matmul(part[:, :known], self.shared[:known], out=change)
            np.subtract(flat, change, out=flat)
            gram -= squared(part[:, :known].reshape(*tau.shape[:2], known))
        if self.columns:
            flat[:, self.columns] = part[:, len(self.shared) :]
        if known == len(self.shared):
            return cross, gram
        imagined = part[:, known : len(self.shared)]
        np.matmul(imagined, self.shared[known:], out=change)
        np.subtract(flat, change, out=change)
        return change.reshape(cross.shape), gram - squared(imagined.reshape(*tau.shape[:2], -1))


class BlockedGain:
    """What is kept of one posterior; see :class:`amf_ros.selection.engine.Scorer`."""

    def __init__(self, problem: ScaledProblem, config: SelectionConfig) -> None:
        """Solve. Raises IllConditioned where the posterior could not be factorised."""
        self.problem, self.config = problem, config
        self._dtype: Any = np.float64 if problem.ill_scaled else np.float32
        self.precision = np.dtype(self._dtype).name
        self._known = self._imagined = Posterior.of(problem, config.noise_variance)
        states, self._rho, self._starts = problem.all_evaluation()
        self._psi = self._known.whiten(states)  # (E, p)
        self._cast: Floats = self._psi.astype(self._dtype, copy=False)
        self._v = self._known.variance(self._psi)  # (E,)
        self._columns: list[int] = []  # evaluation states that blocks have wrong
        self._solve_candidates()

    def score(self, prices: Array, matrix: bool) -> CandidateScores:
        """Evaluate eq. 2; the candidate with the best gain / price is among those scored in float64."""
        names = self.problem.candidates
        found = self._totals(self._blocks, names, self._dtype, matrix)
        self._applied, self._columns = len(self._known.seen), []
        return certified(self, found, prices)

    def exact(self, names: Sequence[str]) -> Totals:
        """Score some candidates in float64, whatever is kept, with gains about each target."""
        return self._totals(self._arranged(names, 8), names, np.float64, True)

    def spread_of_variance(self) -> tuple[float, float]:
        """Return mean and maximum over the evaluation states of the variance that was known at first."""
        prior = np.square(self._psi).sum(axis=1)
        return float(self._weights() @ prior), float(prior.max())

    def imagine(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget`."""
        (tau,) = self._known.whiten(self.problem.trajectories([name]))
        self._imagined = self._imagined.after(tau)

    def forget(self) -> None:
        """Go back to what is known."""
        self._imagined = self._known

    def follow(self, problem: ScaledProblem) -> bool:
        """Take in what came since the last problem; False where only a new scorer will do."""
        change, known = problem.since(self.problem), self._known
        if change is None or not known.has_room(len(change.rows)):
            return False
        if len(change.rows):
            before, known = len(known.seen), known.after(known.whiten(change.rows))
            self._v = np.maximum(self._v - np.square(known.seen[before:] @ self._psi.T).sum(axis=0), 0)
        self.problem, self._known, self._imagined = problem, known, known
        if columns := change.columns:
            psi = known.whiten(np.concatenate(change.states))
            self._psi[columns], self._cast[columns], self._v[columns] = psi, psi, known.variance(psi)
            self._rho[columns] = np.concatenate(change.weights)
            self._columns = sorted({*self._columns, *columns})
        if change.same_shape and 4 * len(change.tasks) <= len(problem.states):
            self._exchange(set(change.tasks))
        else:
            self._solve_candidates()
        return True

    @property
    def streamed(self) -> int:
        """Candidates that are computed anew on each call, for want of memory."""
        return sum(len(block.names) for block in self._blocks if block.cross is None)

    @property
    def nbytes(self) -> int:
        """Bytes kept, with the problem's arrays that the next one's are compared with."""
        own = [self._psi, self._cast, self._known.root, self._known.seen]
        own += [a for b in self._blocks for a in (b.tau, b.cross, b.gram) if a is not None]
        return sum([array.nbytes for array in own]) + self.problem.nbytes

    # ---- candidates

    def _solve_candidates(self) -> None:
        """Make all blocks anew, and keep them as far as memory allows."""
        self._applied, self._columns = len(self._known.seen), []  # rows of W that blocks have taken in
        self._blocks: list[Block] = []
        blocks, width = (
            self._arranged(self.problem.candidates, np.dtype(self._dtype).itemsize),
            len(self._known.root),
        )
        spare = int(0.99 * self.config.memory_mb * 10**6) - self.nbytes  # some demonstrations will want room
        kept = []
        for block in blocks if not self.problem.ill_scaled else ():
            states = len(self.problem.states[block.names[0]].weights)
            spare -= 4 * len(block.names) * states * (len(self._psi) + width + 2 * states)
            if spare < 0:
                break
            kept.append(block)
        spread(self._fill, kept, self._threads())
        self._blocks = blocks

    def _arranged(self, names: Sequence[str], entry: int) -> list[Block]:
        """Return empty blocks for some candidates, as many to a block as :data:`BLOCK_BYTES` hold."""
        blocks = []

        def length(name: str) -> int:
            return len(self.problem.states[name].weights)

        for states, group in groupby(sorted(names, key=length), key=length):
            members = list(group)
            count = max(1, min(64, BLOCK_BYTES // (states * len(self._psi) * entry)))
            blocks += [Block(members[start : start + count]) for start in range(0, len(members), count)]
        return blocks

    def _fill(self, block: Block, scratch: Scratch) -> None:
        """Compute what a block keeps, as of ``_applied``."""
        tau = self._known.whiten(self.problem.trajectories(block.names))
        block.tau = tau.astype(self._dtype, copy=False)
        applied = replace(self._known, seen=self._known.seen[: self._applied])
        block.cross, block.gram = self._covariances(tau, applied, self._dtype)

    def _covariances(self, tau: Array, posterior: Posterior, dtype: Any) -> tuple[Floats, Array]:
        """Return K (c, T, E) and each candidate's own covariance from nothing."""
        left, psi = posterior.unseen(tau), self._psi if dtype is np.float64 else self._cast
        return inner(left.astype(dtype, copy=False), psi), left @ np.swapaxes(tau, 1, 2)

    def _exchange(self, tasks: set[str]) -> None:
        """Compute candidates anew whose states are others now."""
        for block in self._blocks:
            rows = [row for row, name in enumerate(block.names) if name in tasks]
            if rows and block.tau is not None and block.cross is not None and block.gram is not None:
                own = Block([block.names[row] for row in rows])
                self._fill(own, Scratch())
                block.tau[rows], block.cross[rows], block.gram[rows] = own.tau, own.cross, own.gram

    def _threads(self) -> int:
        return cores() if self.problem.entries > SPREAD_ENTRIES else 1

    # ---- scoring

    def _weights(self) -> Array:
        """Return what each evaluation state counts, (E,): E_{c ~ mu} E_{s ~ rho_c}."""
        ends = np.append(self._starts[1:], len(self._rho))
        weights: Array = self._rho * np.repeat(self.problem.mu, ends - self._starts)
        return weights

    def _totals(self, blocks: Sequence[Block], names: Sequence[str], dtype: Any, matrix: bool) -> Totals:
        place = {key: row for row, key in enumerate(names)}
        noise, form = self.config.noise_variance, self.config.information
        weights, rho = self._weights().astype(dtype), self._rho.astype(dtype)
        arrears = self._arrears()
        shared = self._imagined.seen[len(self._known.seen) :] @ self._psi.T
        v = np.maximum(self._v - np.square(shared).sum(axis=0), 0).astype(dtype)
        about = np.empty((len(names), len(self._starts)), dtype) if matrix else None
        found = Totals(np.empty(len(names)), np.empty(len(names)), np.empty(len(names)), about)

        def work(block: Block, scratch: Scratch) -> None:
            rows, tau = [place[key] for key in block.names], block.tau
            if tau is None or block.cross is None:
                tau = self._known.whiten(self.problem.trajectories(block.names))
                cross, gram = self._covariances(tau, self._imagined, dtype)
            else:
                cross, gram = arrears.take(block, scratch)
            out = scratch.array("white", cross.shape, cross.dtype)
            removed = removed_variance(cross, gram, v, noise, out)
            if dtype is np.float32 and form == "exact":
                gains = half_log(known_share(removed, v, noise))
            else:
                gains = information(removed, v, noise, form)
            found.gains[rows] = gains @ weights
            found.std[rows] = self.problem.mean_deviation(gram, block.names)
            found.sizes[rows] = np.sqrt(np.einsum("ctp,ctp->c", tau, tau))
            if found.about is not None:
                found.about[rows] = np.add.reduceat(gains * rho, self._starts, axis=1)

        spread(work, blocks, self._threads())
        return found

    def _arrears(self) -> Arrears:
        seen = self._imagined.seen[self._applied :]
        changed = self._known.unseen(self._psi[self._columns])
        looks = np.concatenate([seen, changed]).astype(self._dtype, copy=False)
        shared = (seen @ self._psi.T).astype(self._dtype, copy=False)
        return Arrears(looks, shared, len(self._known.seen) - self._applied, self._columns)


def squared(part: Floats) -> Array:
    """Return P P^T of each candidate, (c, T, n) -> (c, T, T)."""
    product: Array = np.matmul(part, np.swapaxes(part, 1, 2)).astype(np.float64)
    return product


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
