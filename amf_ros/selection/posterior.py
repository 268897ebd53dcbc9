"""Gaussian posterior over the expert in weight space. Numbers only: float64, no tasks, no ids.

The expert is modelled as f(x) = <w, phi(x)> + noise with w ~ N(0, I) and noise variance sigma^2
(arXiv 2410.05026, section 4, with the kernel of AMF-NN written in weight space). Information then needs
only inputs: A = I + (C + Phi_D^T Phi_D) / sigma^2 = L L^T, with C the moments of states that were seen
before D (a checkpoint's coverage). Rows psi = L^-1 phi make the prior white again: the posterior
covariance of two states is psi psi'^T.

    posterior = Posterior.fit(demonstrated, noise_variance=0.1, coverage=coverage)
    psi = posterior.whiten(features)
    gain = information_gain(psi[candidate], psi[evaluation], 0.1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from amf_ros.errors import IllConditioned
from amf_ros.types import Array

Rows = NDArray[Any]


@dataclass(frozen=True)
class Posterior:
    """``cholesky`` is the lower triangular L (p, p) of the precision A = L L^T."""

    cholesky: Array

    @classmethod
    def fit(cls, demonstrated: Rows, noise_variance: float, coverage: Rows | None = None) -> Posterior:
        """Condition on the features of D, (n, p), and on moments C (p, p), the sum of phi phi^T.

        Raises:
            IllConditioned: A has no Cholesky factor, which takes a coverage that is no sum of squares.
        """
        rows = np.asarray(demonstrated, dtype=np.float64)
        moments = rows.T @ rows
        if coverage is not None:
            moments += np.asarray(coverage, dtype=np.float64)
        precision = np.eye(rows.shape[1]) + moments / noise_variance
        try:
            factor: Array = cholesky((precision + precision.T) / 2, lower=True, check_finite=False)
        except LinAlgError as error:
            raise IllConditioned(
                f"the posterior precision {precision.shape} could not be factorised with noise_variance "
                f"{noise_variance}; raise noise_variance, or make the checkpoint again if it holds coverage"
            ) from error
        return cls(factor)

    def whiten(self, features: Rows) -> Array:
        """Whitened rows: L^-1 phi for each row phi, (n, p) -> (n, p)."""
        rows = np.asarray(features, dtype=np.float64)
        white: Array = solve_triangular(self.cholesky, rows.T, lower=True, check_finite=False).T
        return white


def variance(psi: Array) -> Array:
    """Posterior variance v(x) = |psi(x)|^2 of each row, (n,)."""
    squared: Array = np.einsum("np,np->n", psi, psi)
    return squared


def information_gain(psi_candidate: Array, psi_evaluation: Array, noise_variance: float) -> Array:
    """What a noisy look at the candidate's T states tells about each evaluation state, (n,) [nat].

    I(x ; X') = 1/2 log(v(x) + sigma^2) - 1/2 log(v'(x) + sigma^2), where v' = v - colsum((R^-1 Psi_c
    Psi_E^T)^2) and R R^T = Psi_c Psi_c^T + sigma^2 I_T (arXiv 2410.05026, eq. 2). Never negative.

    Args:
        psi_candidate: (T, p) whitened rows of one trajectory.
        psi_evaluation: (n, p) whitened rows.
        noise_variance: sigma^2.

    Raises:
        IllConditioned: the T x T system could not be factorised.
    """
    system = psi_candidate @ psi_candidate.T + noise_variance * np.eye(len(psi_candidate))
    try:
        factor = cholesky(system, lower=True, check_finite=False)
    except LinAlgError as error:
        raise IllConditioned(
            f"a trajectory's covariance {system.shape} could not be factorised with noise_variance "
            f"{noise_variance}; raise noise_variance"
        ) from error
    cross = solve_triangular(factor, psi_candidate @ psi_evaluation.T, lower=True, check_finite=False)
    prior = variance(psi_evaluation)
    removed = np.minimum(np.einsum("tn,tn->n", cross, cross), prior)
    gain: Array = -0.5 * np.log1p(-removed / (prior + noise_variance))
    return gain


def condition(psi: Array, psi_chosen: Array, noise_variance: float) -> Array:
    """Whitened rows after a noisy look at the T chosen states, (n, p): a rank-T update.

    Psi <- Psi - Psi U (1 - (1 + S^2 / sigma^2)^-1/2) U^T with Psi_chosen = V S U^T, which is the
    symmetric square root of (I + Psi_chosen^T Psi_chosen / sigma^2)^-1 from the right.
    """
    _, singular, directions = np.linalg.svd(psi_chosen, full_matrices=False)  # (T,), (T, p)
    shrink = 1 - 1 / np.sqrt(1 + singular**2 / noise_variance)
    conditioned: Array = psi - ((psi @ directions.T) * shrink) @ directions
    return conditioned
