"""Evaluation states, whitened by what was known at first, and what further looks took from them.

    looks = Looks(question, noise_variance)
    psi, part = looks.whiten(rows)              # of new states; and what earlier looks take from them
    wide, left = looks.beside(psi, part)
    looks.take(wide, left)                      # planned
    looks.keep()                                # known

Rows psi are whitened by all that was known when this was made. m new states X take a rank-m term from
every covariance, W = R^-1 X (I - ...) (:func:`amf_ros.selection.posterior.directions`). Rows are carried
with their products with the evaluation states beside them, [X, X Psi_E^T], so that what is asked of X
mostly stands there already. Imports question and posterior.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.values import Array
from amf_ros.selection.posterior import Posterior, directions, product, variance, whitened
from amf_ros.selection.question import Question


class Looks:
    """What is known. Not thread-safe.

    Attributes:
        lengths: (targets,) evaluation states of each.
        starts: (targets,) where they stand among all E.
        weights: (E,) what each counts; those of a target sum to 1.
        evaluation: (E, p) psi.
        prior: (E,) variance given what was known at first.
        rows: (limit, p + E) [W, W Psi_E^T], of which the first ``planned`` are of meaning.
        known: rows that are known; those up to ``planned`` are planned besides.
        limit: known rows beyond which all is better whitened anew.
        width: p.
    """

    def __init__(self, question: Question, noise_variance: float) -> None:
        """Condition on all that is known.

        Raises:
            IllConditioned: the posterior could not be factorised.
        """
        self._noise = noise_variance
        self._whitening = _whitening(question, noise_variance)
        shown = [question.evaluation(key) for key in question.targets]
        self.lengths = np.array([len(weights) for _, weights in shown])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.weights: Array = np.concatenate([weights for _, weights in shown])
        self.evaluation: Array = whitened(np.concatenate([rows for rows, _ in shown]), self._whitening)
        self.prior: Array = variance(self.evaluation)
        self._spent: Array = np.zeros_like(self.prior)  # of it, by what is known since
        self.width = len(self._whitening)
        self.limit = max(2 * self.width, 64)
        self.rows: Array = np.empty((self.limit, self.width + len(self.prior)))
        self.known = self.planned = 0

    def whiten(self, states: Array, planned: bool = False) -> tuple[Array, Array]:
        """Psi of (m, p) states, and what the looks so far take from each, (m, known or planned)."""
        psi = whitened(states, self._whitening)
        return psi, product(psi, self.rows[: self.planned if planned else self.known, : self.width].T)

    def exchange(self, columns: NDArray[np.int64], psi: Array, part: Array, weights: Sequence[Array]) -> None:
        """Other evaluation states in some columns."""
        self.evaluation[columns], self.weights[columns] = psi, np.concatenate(weights)
        self.prior[columns], self._spent[columns] = variance(psi), variance(part)
        self.rows[: self.known, self.width + columns] = part.T

    def beside(self, psi: Array, part: Array) -> tuple[Array, Array]:
        """[X, X Psi_E^T] of rows X, and what the looks of ``part`` leave of it."""
        wide = np.empty((len(psi), self.rows.shape[1]))
        wide[:, : self.width] = psi
        product(psi, self.evaluation.T, wide[:, self.width :])
        left = product(part, self.rows[: part.shape[1]])
        return wide, np.subtract(wide, left, out=left)

    def take(self, wide: Array, left: Array) -> None:
        """Condition on rows X, until :meth:`forget` or for good (:meth:`keep`).

        Raises:
            IllConditioned: see :func:`amf_ros.selection.posterior.directions`.
        """
        start, self.planned = self.planned, self.planned + len(wide)
        if self.planned > len(self.rows):
            more = np.empty((self.planned - len(self.rows), self.rows.shape[1]))
            self.rows = np.concatenate([self.rows, more])
        self.rows[start : self.planned] = directions(wide, left, self._noise, self.width)

    def keep(self) -> None:
        """What is planned is known."""
        self._spent += self._taken()
        self.known = self.planned

    def forget(self) -> None:
        """What is planned is not."""
        self.planned = self.known

    def variance(self) -> Array:
        """Of the evaluation states, given what is known and planned, (E,)."""
        return np.maximum(self.prior - self._spent - self._taken(), 0)

    def held(self) -> int:
        """Bytes kept."""
        own = (
            self._whitening,
            self.evaluation,
            self.prior,
            self._spent,
            self.weights,
            self.starts,
            self.lengths,
        )
        # Rows beyond those in use are reserved, but no memory stands behind them yet.
        return sum([array.nbytes for array in own]) + 8 * self.known * int(self.rows.shape[1])

    def _taken(self) -> Array:
        """Of the variance, by what is planned."""
        rows = self.rows[self.known : self.planned, self.width :]
        taken: Array = np.einsum("re,re->e", rows, rows)
        return taken


def _whitening(question: Question, noise_variance: float) -> Array:
    """What rows are multiplied by to whiten them, (p, p)."""
    known = np.concatenate(question.known).astype(np.float64) * question.scale
    moments = question.coverage
    if moments is not None:
        moments = moments.astype(np.float64) * question.scale**2
    return Posterior.fit(known, noise_variance, moments).whitening()
