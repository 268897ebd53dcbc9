"""Gaussian posterior over the expert in weight space. Numbers only: float64, no tasks, no ids.

The expert is modelled as f(x) = <w, phi(x)> + noise with w ~ N(0, I) and noise variance sigma^2
(arXiv 2410.05026, section 4, with the kernel of AMF-NN written in weight space). Information then needs
only inputs: A = I + (C + Phi_D^T Phi_D) / sigma^2 = L L^T, with C the moments of states that were seen
before D (a checkpoint's coverage). Rows psi = L^-1 phi make the prior white again: the posterior
covariance of two states is psi psi'^T.

    posterior = Posterior.fit(demonstrated, noise_variance=0.1, coverage=coverage)
    psi = posterior.whiten(features)
    gain = information_gain(psi[candidate], psi[evaluation], 0.1)

Further looks X need no new factor: they take I - W W^T from the right, rank by rank (:func:`directions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from amf_ros.errors import IllConditioned
from amf_ros.types import Array

Rows = NDArray[Any]
Information = Literal["exact", "linear", "variance"]


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


def information_gain(
    psi_candidate: Array, psi_evaluation: Array, noise_variance: float, information: Information = "exact"
) -> Array:
    """What a noisy look at the candidate's T states tells about each evaluation state, (n,) [nat].

    arXiv 2410.05026, eq. 2; see :func:`trajectory_gains` for many candidates at once.

    Args:
        psi_candidate: (T, p) whitened rows of one trajectory.
        psi_evaluation: (n, p) whitened rows.
        noise_variance: sigma^2.
        information: exact, its first order, or the variance removed.

    Raises:
        IllConditioned: the T x T system could not be factorised.
    """
    cross, gram = psi_candidate @ psi_evaluation.T, psi_candidate @ psi_candidate.T
    gain: Array = trajectory_gains(
        cross[None], gram[None], variance(psi_evaluation), noise_variance, information
    )[0]
    return gain


def trajectory_gains(
    cross: Rows,
    gram: Array,
    prior: Rows,
    noise_variance: float,
    information: Information = "exact",
    out: Rows | None = None,
) -> Rows:
    """What each of c trajectories of T states tells about n evaluation states, (c, n). Never negative.

    I(x ; X') = 1/2 log(v(x) + sigma^2) - 1/2 log(v'(x) + sigma^2), where v' = v - r and r(x) is the column
    sum of (R^-1 K)^2 with K = Psi_c Psi_E^T and R R^T = Psi_c Psi_c^T + sigma^2 I (arXiv 2410.05026, eq. 2).
    Its first order in r is 1/2 r / (v + sigma^2); the variance removed is r itself.

    Args:
        cross: (c, T, n) K of each candidate, float32 or float64: so is the answer.
        gram: (c, T, T) Psi_c Psi_c^T.
        prior: (n,) v, in the precision of ``cross``.
        noise_variance: sigma^2.
        information: exact [nat], linear [nat], or variance.
        out: memory of the shape of ``cross`` to work in.

    Raises:
        IllConditioned: a T x T system could not be factorised.
    """
    size = gram.shape[-1]
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(gram + noise_variance * np.eye(size)))
    except LinAlgError as error:
        raise IllConditioned(
            f"a trajectory's covariance {(size, size)} could not be factorised with noise_variance "
            f"{noise_variance}; raise noise_variance"
        ) from error
    white = np.matmul(inverse.astype(cross.dtype), cross, out=out)
    removed: Rows = np.einsum("ctn,ctn->cn", white, white)
    np.minimum(removed, prior, out=removed)
    if information == "variance":
        return removed
    removed /= prior + cross.dtype.type(noise_variance)
    if information == "linear":
        removed *= 0.5
        return removed
    return _half_log(removed)


def _half_log(share: Rows) -> Rows:
    """-1/2 log(1 - share), as exact for small shares as for large ones."""
    if share.dtype == np.float64:
        exact: Rows = -0.5 * np.log1p(-share)
        return exact
    # log1p takes six times as long as log here: put right what rounding 1 - share loses.
    rest = 1 - share
    gain: Rows = np.log(rest)
    lost: Rows = rest - 1
    lost += share
    lost /= rest
    gain -= lost
    gain *= -0.5
    np.maximum(gain, 0, out=gain)
    return gain


def directions(psi: Array, seen: Array, noise_variance: float) -> Array:
    """What further noisy looks take from the covariance: I - W^T W becomes I - W^T W - w^T w, (m, p).

    w = R^-1 Psi (I - W^T W) with R R^T = Psi (I - W^T W) Psi^T + sigma^2 I: Schur's complement.

    Args:
        psi: (m, p) whitened rows of the new looks.
        seen: (r, p) W: what earlier looks took, other than those that ``psi`` is whitened by.
        noise_variance: sigma^2.

    Raises:
        IllConditioned: the m x m system could not be factorised.
    """
    left = psi - (psi @ seen.T) @ seen
    system = left @ psi.T
    try:
        factor = cholesky((system + system.T) / 2 + noise_variance * np.eye(len(psi)), lower=True)
    except (LinAlgError, ValueError) as error:
        raise IllConditioned(
            f"the covariance of {len(psi)} further states could not be factorised with noise_variance "
            f"{noise_variance}; raise noise_variance"
        ) from error
    taken: Array = solve_triangular(factor, left, lower=True, check_finite=False)
    return taken


def condition(psi: Array, psi_chosen: Array, noise_variance: float) -> Array:
    """Whitened rows after a noisy look at the T chosen states, (n, p): a rank-T update.

    Psi <- Psi - Psi U (1 - (1 + S^2 / sigma^2)^-1/2) U^T with Psi_chosen = V S U^T, which is the
    symmetric square root of (I + Psi_chosen^T Psi_chosen / sigma^2)^-1 from the right.
    """
    _, singular, directions = np.linalg.svd(psi_chosen, full_matrices=False)  # (T,), (T, p)
    shrink = 1 - 1 / np.sqrt(1 + singular**2 / noise_variance)
    conditioned: Array = psi - ((psi @ directions.T) * shrink) @ directions
    return conditioned
