"""Eq. 2 in float64, followed from problem to problem: a rank-T update in place of solving again.

Imports information_gain and scaled_problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.information_gain import CandidateScores, InformationGain, inner
from amf_ros.selection.scaled_problem import ScaledProblem


class KeptGain:
    """Scores one problem after the other by an :class:`InformationGain`. Not thread-safe."""

    precision = "float64"
    streamed = 0

    def __init__(self, problem: ScaledProblem, config: SelectionConfig) -> None:
        """Solve. Raises IllConditioned where the posterior could not be factorised."""
        self.problem, self._config = problem, config
        self._known = self._imagined = InformationGain.of(problem, config)

    def score(self, prices: Array, matrix: bool) -> CandidateScores:
        """Evaluate eq. 2; all of it is exact, and the matrix falls off on the way."""
        return self._imagined.scores()

    def imagine(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget`."""
        now = self._imagined
        self._imagined = now.after(now.tau[self.problem.candidates.index(name)])

    def forget(self) -> None:
        """Go back to what is known."""
        self._imagined = self._known

    def follow(self, problem: ScaledProblem) -> bool:
        """Take in what came since the last problem; False where only a new scorer will do."""
        change, known = problem.since(self.problem), self._known
        if change is None or not known.posterior.has_room(len(change.rows)):
            return False
        tasks = set(change.tasks)
        rows = [row for row, key in enumerate(problem.candidates) if key in tasks]
        tau = problem.trajectories([problem.candidates[row] for row in rows])
        # In one product: to read all of a large matrix costs more than a few more rows do.
        white = known.posterior.whiten(np.concatenate([change.states, *tau, change.rows]))
        known.psi[change.columns] = white[: len(change.columns)]
        known.rho[change.columns] = change.weights
        if change.same_shape and 4 * len(tasks) <= len(problem.states):
            known = _updated(replace(known, problem=problem), white, change.columns, rows, tau.shape[1])
        else:
            posterior = known.posterior.after(white[len(white) - len(change.rows) :])
            known = InformationGain.given(problem, known.form, posterior, known.psi, known.rho, known.starts)
        self.problem, self._known, self._imagined = problem, known, known
        return True

    @property
    def nbytes(self) -> int:
        """Return the bytes kept, with the problem's arrays that the next one's are compared with."""
        known = self._known
        own = (known.cross, known.gram, known.tau, known.psi, known.posterior.root, known.posterior.seen)
        return sum([array.nbytes for array in own]) + self.problem.nbytes


def _updated(
    known: InformationGain, white: Array, columns: Sequence[int], rows: Sequence[int], length: int
) -> InformationGain:
    """Put right the columns of evaluation states and the rows of candidates that are others now; then look.

    Args:
        known: changed in place; ``psi`` is right already.
        white: whitened: the evaluation states, ``length`` states of each candidate, and looks.
        columns: of evaluation states.
        rows: of candidates.
        length: of their trajectories, which end with zeros where others are longer.
    """
    left = known.posterior.unseen(white)
    first, last = len(columns), len(columns) + len(rows) * length
    shape = (len(rows), length, white.shape[1])
    tau, tau_left = white[first:last].reshape(shape), left[first:last].reshape(shape)
    known.tau[rows, :length] = tau
    with_tau = inner(known.tau, np.concatenate([left[:first], left[last:]]))  # (c, T, columns and looks)
    with_psi = left[first:] @ known.psi.T  # (candidates' states and looks, E)
    known.cross[:, :, columns] = with_tau[:, :, :first]
    known.cross[rows, :length] = with_psi[: last - first].reshape(len(rows), length, len(known.psi))
    known.gram[rows, :length, :length] = tau_left @ np.swapaxes(tau, 1, 2)
    known.v[columns] = (left[:first] * white[:first]).sum(axis=1)
    if last == len(white):
        return known
    return known.given_covariances(
        white[last:], left[last:], with_tau[:, :, first:], with_psi[last - first :]
    )
