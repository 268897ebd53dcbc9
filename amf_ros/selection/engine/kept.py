"""Eq. 2 in float64, followed from problem to problem: a rank-T update in place of solving again.

Imports information_gain and scaled_problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.information_gain import CandidateScores, InformationGain
from amf_ros.selection.scaled_problem import ScaledProblem


class KeptGain:
    """:class:`InformationGain` brought up to date; see :class:`amf_ros.selection.engine.Scorer`."""

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
        if len(change.rows):
            known = known.after(known.posterior.whiten(change.rows))
        if change.columns:
            known.psi[change.columns] = known.posterior.whiten(np.concatenate(change.states))
            known.rho[change.columns] = np.concatenate(change.weights)
        if not change.same_shape or 4 * len(change.tasks) > len(problem.states):
            now = known.posterior, known.psi, known.rho, known.starts
            known = InformationGain.given(problem, known.form, *now)
        else:
            known = replace(known, problem=problem)
            self._exchange(known, change.tasks, change.columns)
        self.problem, self._known, self._imagined = problem, known, known
        return True

    def _exchange(self, known: InformationGain, tasks: Sequence[str], columns: Sequence[int]) -> None:
        """Put right the rows and columns of tasks whose states are others now, in place."""
        posterior, psi = known.posterior, known.psi[columns]
        known.cross[:, :, columns] = known.tau @ posterior.unseen(psi).T
        known.v[columns] = posterior.variance(psi)
        for row, key in enumerate(known.problem.candidates):
            if key in tasks:
                tau = posterior.whiten(known.problem.trajectories([key])[0])
                left = posterior.unseen(tau)
                known.tau[row, : len(tau)], known.cross[row, : len(tau)] = tau, left @ known.psi.T
                known.gram[row, : len(tau), : len(tau)] = left @ tau.T

    @property
    def nbytes(self) -> int:
        """Bytes kept, with the problem's arrays that the next one's are compared with."""
        known = self._known
        own = (known.cross, known.gram, known.tau, known.psi, known.posterior.root, known.posterior.seen)
        return sum([array.nbytes for array in own]) + self.problem.nbytes
