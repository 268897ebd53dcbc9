"""Covariances over inputs [s, c], and rows whose inner products they are. Imports errors and types only.

    k = product_kernel("rbf", num_state=4, num_task=2, state_lengthscale=1.0, task_lengthscale=0.5)
    phi = kernel_features(k, inputs)             # phi @ phi.T == k(inputs), to rounding

The kernels are scikit-learn's, so its Gaussian processes can fit and use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpstrf
from sklearn.gaussian_process.kernels import Kernel, Matern

from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array

SMOOTHNESS = {"rbf": np.inf, "matern12": 0.5, "matern32": 1.5, "matern52": 2.5}
LENGTHSCALE_BOUNDS = (0.05, 50.0)  # of a fit


class ColumnMatern(Matern):  # type: ignore[misc]
    """A Matern kernel that looks at some columns only; ``nu=inf`` is the squared exponential.

    k(x, x') depends on ||x - x'|| over ``columns`` alone (Rasmussen and Williams 2006, eq. 4.14), so that
    a product of two has one lengthscale for the observation and one for the task.
    """

    def __init__(
        self,
        columns: Sequence[int] = (),
        length_scale: float = 1.0,
        length_scale_bounds: tuple[float, float] = LENGTHSCALE_BOUNDS,
        nu: float = np.inf,
    ) -> None:
        super().__init__(length_scale, length_scale_bounds, nu)
        self.columns = columns

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Any:
        """k(X, Y), (n, m); with its gradient by the log lengthscale where asked for."""
        columns = list(self.columns)
        other = None if Y is None else np.atleast_2d(Y)[:, columns]
        return super().__call__(np.atleast_2d(X)[:, columns], other, eval_gradient)


def product_kernel(
    family: str, num_state: int, num_task: int, state_lengthscale: float, task_lengthscale: float
) -> Kernel:
    """k((s, c), (s', c')) = k_s(s, s') k_c(c, c') with variance 1, over rows of num_state + num_task columns.

    Args:
        family: ``rbf``, ``matern12``, ``matern32`` or ``matern52``, of both factors.
        num_state: leading columns, the observation.
        num_task: the columns after them, the task's embedding; 0 leaves its factor out.
        state_lengthscale: in the unit of the observation's columns.
        task_lengthscale: in the unit of the embedding's columns.
    """
    nu = SMOOTHNESS[family]
    state = ColumnMatern(tuple(range(num_state)), state_lengthscale, nu=nu)
    if not num_task:
        return state
    return state * ColumnMatern(tuple(range(num_state, num_state + num_task)), task_lengthscale, nu=nu)


def kernel_features(kernel: Kernel, inputs: Array) -> Array:
    """Rows phi (n, r) with phi_i . phi_j = k(x_i, x_j): a Gaussian process on these inputs, in weight space.

    The Cholesky factor with complete pivoting (LAPACK's dpstrf), which stops where what is left of every
    diagonal element is rounding: r is the numerical rank, so that points that coincide or nearly do add
    nothing. What is cut off is at most n * 2^-53 * max k(x, x) per variance; no jitter is added.

    Raises:
        SelectionError: an input, or the covariance of two, is not finite.
    """
    if not len(inputs):
        return np.zeros((0, 0))
    points = np.asarray(inputs, dtype=np.float64)
    covariance = np.asarray(kernel(points))
    if not (np.isfinite(points).all() and np.isfinite(covariance).all()):
        raise SelectionError("kernel inputs are not finite; check the observations and the checkpoint")
    factor, pivots, rank, _ = dpstrf(covariance, lower=1)
    rows = np.empty((len(covariance), rank))
    rows[pivots - 1] = np.tril(factor)[:, :rank]
    return rows
