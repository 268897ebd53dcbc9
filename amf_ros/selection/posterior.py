"""Gaussian posterior over the expert's weights, float64: the D of eq. 2 (arXiv 2410.05026).

The expert is modelled as f(x) = <w, phi(x)> + noise, w ~ N(0, I), of noise variance sigma^2: section 4 with
the kernel k(x, x') = <phi(x), phi(x')> written in weight space. What was seen shapes its covariance:

    A = I + (C + Phi_D^T Phi_D) / sigma^2 = L L^T     precision of w given D, and moments C of pre-training
    psi = L^-1 phi,  k_D(x, x') = <psi, psi'>         posterior covariance

Further looks X need no new factor: they take I - W^T W from the middle, k_D(x, x') = psi (I - W^T W) psi'^T.

    posterior = Posterior.fit(demonstrated, noise_variance=0.1, coverage=coverage)
    later = posterior.after(posterior.whiten(more))

Imports scaled_problem, errors and values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, qr, solve_triangular
from scipy.linalg.blas import dtrmm

from amf_ros.core.errors import IllConditioned
from amf_ros.core.values import Array
from amf_ros.selection.scaled_problem import ScaledProblem

Floats = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Holds what is known about w. Rows psi are whitened by what was known at first; W tells what came since.

    Attributes:
        root: (p, p) L^-T, upper triangular.
        noise_variance: sigma^2.
        seen: (m, p) W; the posterior covariance of two states is psi (I - W^T W) psi'^T.
    """

    root: Array
    noise_variance: float
    seen: Array

    @classmethod
    def fit(cls, demonstrated: Floats, noise_variance: float, coverage: Floats | None = None) -> Posterior:
        """Condition on the features of D, (n, p), and on moments C (p, p), the sum of phi phi^T.

        Raises:
            IllConditioned: A has no Cholesky factor, which takes a coverage that is no sum of squares.
        """
        rows = np.asarray(demonstrated, dtype=np.float64)
        moments = rows.T @ rows  # (p, p)
        if coverage is not None:
            moments += np.asarray(coverage, dtype=np.float64)
        moments = (moments + moments.T) / (2 * noise_variance)
        identity = np.eye(len(moments))
        try:
            factor = cholesky(identity + moments, lower=True, check_finite=False)
        except LinAlgError:
            factor = _factor_of_squares(moments, noise_variance)
        root = solve_triangular(factor, identity, lower=True, check_finite=False).T
        return cls(np.asfortranarray(root), noise_variance, np.zeros((0, len(moments))))

    @classmethod
    def of(cls, problem: ScaledProblem, noise_variance: float) -> Posterior:
        """Condition on all that a problem says is known. Raises as :meth:`fit` does."""
        covered = None if problem.coverage is None else problem.coverage.astype(np.float64) * problem.scale**2
        rows = np.concatenate(problem.known).astype(np.float64) * problem.scale
        return cls.fit(rows, noise_variance, covered)

    def whiten(self, features: Floats) -> Array:
        """Return psi = L^-1 phi of rows phi, (..., p) -> (..., p)."""
        rows = np.asarray(features, dtype=np.float64)
        flat = rows.reshape(-1, rows.shape[-1])
        white: Array = dtrmm(1.0, self.root, flat.T, trans_a=1).T.reshape(rows.shape)
        return white

    def unseen(self, psi: Array) -> Array:
        """Return psi (I - W^T W): what is left unknown of whitened rows, (..., p) -> (..., p)."""
        left: Array = psi - (psi @ self.seen.T) @ self.seen if len(self.seen) else psi
        return left

    def variance(self, psi: Array) -> Array:
        """Return the posterior variance v of whitened rows, (n, p) -> (n,)."""
        left = np.square(psi).sum(axis=1) - np.square(psi @ self.seen.T).sum(axis=1)
        v: Array = np.maximum(left, 0)
        return v

    def has_room(self, rows: int) -> bool:
        """Tell whether so many more rows are better kept in W than all whitened anew."""
        return len(self.seen) + rows <= max(2 * len(self.root), 64)

    def after(self, psi: Array) -> Posterior:
        """Return the posterior after noisy looks at t whitened rows, (t, p): Schur's complement.

        Raises:
            IllConditioned: their covariance is not finite.
        """
        left = self.unseen(psi)
        return self.with_seen(inverse_root(left @ psi.T, self.noise_variance) @ left)

    def with_seen(self, w: Array) -> Posterior:
        """Return the posterior with t more rows of W, (t, p)."""
        return replace(self, seen=np.concatenate([self.seen, w]))


def inverse_root(gram: Array, noise_variance: float) -> Array:
    """Return R^-1 of each matrix, with R R^T = G + sigma^2 I, (..., T, T).

    Raises:
        IllConditioned: a matrix is not finite.
    """
    if not np.isfinite(gram).all():
        raise IllConditioned(
            f"the covariance of {gram.shape[-1]} states is not finite; check the features, whose squares "
            "may exceed what a number holds"
        )
    try:
        return np.linalg.inv(np.linalg.cholesky(gram + noise_variance * np.eye(gram.shape[-1])))
    except LinAlgError:
        # States so large or so alike that sigma^2 is lost in rounding: eigenvalues below 0 are 0.
        values, vectors = np.linalg.eigh((gram + np.swapaxes(gram, -1, -2)) / 2)
        roots = np.sqrt(np.maximum(values, 0) + noise_variance)
        inverse: Array = np.swapaxes(vectors / roots[..., None, :], -1, -2)
        return inverse


def _factor_of_squares(moments: Array, noise_variance: float) -> Array:
    """Return the lower factor of I + M, where M is a sum of squares so large that rounding hides it."""
    values, vectors = np.linalg.eigh(moments) if np.isfinite(moments).all() else (np.full(1, np.nan), moments)
    if not values[0] >= -1e-6 * values[-1]:
        raise IllConditioned(
            f"the posterior precision {moments.shape} could not be factorised with noise_variance "
            f"{noise_variance}; raise noise_variance, or make the checkpoint again if it holds coverage"
        )
    root = np.sqrt(1 + np.maximum(values, 0))[:, None] * vectors.T
    factor: Array = qr(root[::-1], mode="r")[0].T  # large rows first: they would wipe out small ones
    return factor
