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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, qr, solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dtrtri

from amf_ros.core.errors import IllConditioned
from amf_ros.core.values import Array

FEW = 32
"""Rows up to which products are made strip by strip."""

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
        moments = (moments + moments.T) / (2 * noise_variance)
        try:
            factor: Array = cholesky(np.eye(len(moments)) + moments, lower=True, check_finite=False)
        except LinAlgError:
            factor = _factor_of_squares(moments, noise_variance)
        return cls(factor)

    def whiten(self, features: Rows) -> Array:
        """Whitened rows: L^-1 phi for each row phi, (n, p) -> (n, p)."""
        rows = np.asarray(features, dtype=np.float64)
        white: Array = solve_triangular(self.cholesky, rows.T, lower=True, check_finite=False).T
        return white

    def whitening(self) -> Array:
        """L^-T, (p, p), upper triangular, in Fortran's order: see :func:`whitened`."""
        inverse = solve_triangular(self.cholesky, np.eye(len(self.cholesky)), lower=True, check_finite=False)
        return np.asfortranarray(inverse.T)


def whitened(rows: Array, whitening: Array) -> Array:
    """The same as :meth:`Posterior.whiten`, (n, p) -> (n, p), in half the time of a product."""
    if len(rows) > FEW:
        white: Array = dtrmm(1.0, whitening, rows.T, trans_a=1).T
        return white
    white = np.empty(rows.shape)
    for some in _strips(len(rows), *whitening.shape):  # a column ends with its diagonal element
        np.matmul(rows[:, : some.stop], whitening[: some.stop, some], out=white[:, some])
    return white


def product(rows: Array, others: Array, out: Array | None = None) -> Array:
    """The product of (m, p) and (p, n), in half the time where there are few rows."""
    if len(rows) > FEW:
        return np.matmul(rows, others, out=out)
    found = np.empty((len(rows), others.shape[1])) if out is None else out
    for some in _strips(len(rows), *others.shape):
        np.matmul(rows, others[:, some], out=found[:, some])
    return found


def _strips(num_rows: int, inner: int, columns: int) -> Iterator[slice]:
    """Columns of a (rows, inner) x (inner, columns) product, in strips that BLAS does not copy first.

    OpenBLAS packs the larger operand, which costs more than its product with a few rows, unless the result
    has no more than about 1,150 elements and takes no more than 10^6 multiplications (0.3.30 and 0.3.31 with
    AVX-512, measured; other kernels take as long either way).
    """
    size = max(16, min(1024 // max(num_rows, 1), 10**6 // max(num_rows * inner, 1)))
    for start in range(0, columns, size):
        yield slice(start, min(start + size, columns))


def _factor_of_squares(moments: Array, noise_variance: float) -> Array:
    """Lower factor of I + M, where M is a sum of squares so large that rounding hides it."""
    values, vectors = np.linalg.eigh(moments) if np.isfinite(moments).all() else (np.full(1, np.nan), moments)
    if not values[0] >= -1e-6 * values[-1]:
        raise IllConditioned(
            f"the posterior precision {moments.shape} could not be factorised with noise_variance "
            f"{noise_variance}; raise noise_variance, or make the checkpoint again if it holds coverage"
        )
    root = np.sqrt(1 + np.maximum(values, 0))[:, None] * vectors.T
    factor: Array = qr(root[::-1], mode="r")[0].T  # large rows first: they would wipe out small ones
    return factor


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
        IllConditioned: the T x T covariance is not finite.
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
        IllConditioned: a T x T covariance is not finite.
    """
    inverse = _inverse_root(gram, noise_variance)
    white = np.matmul(inverse.astype(cross.dtype, copy=False), cross, out=out)
    removed: Rows = np.einsum("ctn,ctn->cn", white, white)
    if information == "variance":
        return np.minimum(removed, prior, out=removed)
    total = prior + cross.dtype.type(noise_variance)
    # Where the variance drowns sigma^2 in rounding, all but the last digit is known.
    np.minimum(removed, np.minimum(prior, total * (1 - np.finfo(cross.dtype).eps)), out=removed)
    removed /= total if information == "exact" else 2 * total
    return _half_log(removed) if information == "exact" else removed


def _half_log(share: Rows) -> Rows:
    """-1/2 log(1 - share), as exact for small shares as for large ones; ``share`` is written over."""
    if share.dtype == np.float64:
        np.log1p(np.negative(share, out=share), out=share)
        share *= -0.5
        return share
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


def directions(rows: Array, left: Array, noise_variance: float, width: int) -> Array:
    """What further noisy looks X take from the covariance: I - W^T W becomes I - W^T W - w^T w.

    w = R^-1 X (I - W^T W) with R R^T = X (I - W^T W) X^T + sigma^2 I: Schur's complement.

    Args:
        rows: (m, p + n) X, whitened, and beside it its products X Y^T with n other whitened rows.
        left: what earlier looks leave of them: X (I - W^T W), and beside it X (I - W^T W) Y^T.
        noise_variance: sigma^2.
        width: p.

    Returns:
        (m, p + n): w, and beside it w Y^T.

    Raises:
        IllConditioned: the m x m covariance is not finite.
    """
    taken: Array = _inverse_root(left[:, :width] @ rows[:, :width].T, noise_variance) @ left
    return taken


def _inverse_root(gram: Array, noise_variance: float) -> Array:
    """X of each matrix with X^T X = (G + sigma^2 I)^-1, (..., T, T)."""
    if not np.isfinite(gram).all():
        raise IllConditioned(
            f"the covariance of {gram.shape[-1]} states is not finite; check the features, whose squares "
            "may exceed what a number holds"
        )
    try:
        total = gram + noise_variance * np.eye(gram.shape[-1])
        inverse: Array = np.ascontiguousarray(np.linalg.cholesky(total), dtype=np.float64)
        for factor in inverse.reshape(-1, *inverse.shape[-2:]):
            dtrtri(factor.T, overwrite_c=1)  # in place: the transpose of a C array is one of Fortran's
    except LinAlgError:
        # States so large or so alike that sigma^2 is lost in rounding: eigenvalues below 0 are 0.
        values, vectors = np.linalg.eigh((gram + np.swapaxes(gram, -1, -2)) / 2)
        roots = np.sqrt(np.maximum(values, 0) + noise_variance)
        root: Array = np.swapaxes(vectors / roots[..., None, :], -1, -2)
        return root
    return inverse


def condition(psi: Array, psi_chosen: Array, noise_variance: float) -> Array:
    """Whitened rows after a noisy look at the T chosen states, (n, p): a rank-T update.

    Psi <- Psi - Psi U (1 - (1 + S^2 / sigma^2)^-1/2) U^T with Psi_chosen = V S U^T, which is the
    symmetric square root of (I + Psi_chosen^T Psi_chosen / sigma^2)^-1 from the right.
    """
    _, singular, directions = np.linalg.svd(psi_chosen, full_matrices=False)  # (T,), (T, p)
    shrink = 1 - 1 / np.sqrt(1 + singular**2 / noise_variance)
    conditioned: Array = psi - ((psi @ directions.T) * shrink) @ directions
    return conditioned
