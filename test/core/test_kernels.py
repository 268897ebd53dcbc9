"""Covariances against their formulas, and feature rows against the covariances they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor

from amf_ros.core.covariance import SMOOTHNESS, kernel_features, product_kernel
from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array


def written_out(family: str, distance: Array) -> Array:
    """Rasmussen and Williams 2006, eqs. 4.9, 4.17 and exp(-r)."""
    r = distance
    return {
        "rbf": np.exp(-(r**2) / 2),
        "matern12": np.exp(-r),
        "matern32": (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
        "matern52": (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r),
    }[family]


@pytest.mark.parametrize("family", SMOOTHNESS)
def test_the_kernel_is_a_product_of_a_state_and_a_task_part(family: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 7, 5))
    got = product_kernel(family, 3, 2, 0.7, 1.9)(x, y)
    state, task = cdist(x[:, :3], y[:, :3]) / 0.7, cdist(x[:, 3:], y[:, 3:]) / 1.9
    np.testing.assert_allclose(got, written_out(family, state) * written_out(family, task), rtol=1e-9)


def test_without_task_columns_there_is_no_task_part() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    got = product_kernel("rbf", 3, 0, 0.7, 1.9)(x)
    np.testing.assert_allclose(got, np.exp(-((cdist(x, x) / 0.7) ** 2) / 2), rtol=1e-9)


def test_gradients_for_a_fit_are_those_of_finite_differences() -> None:
    x = np.random.default_rng(1).normal(size=(5, 4))
    kernel = product_kernel("matern52", 2, 2, 0.8, 1.3)
    _, gradient = kernel(x, eval_gradient=True)
    for i in range(2):
        step = np.eye(2)[i] * 1e-6
        after, before = (kernel.clone_with_theta(kernel.theta + s * step)(x) for s in (1, -1))
        np.testing.assert_allclose(gradient[:, :, i], (after - before) / 2e-6, atol=1e-6)


def test_marginal_likelihood_finds_both_lengthscales() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, size=(150, 4))
    truth = product_kernel("rbf", 2, 2, 0.6, 2.5)
    y = kernel_features(truth, x) @ rng.normal(size=(kernel_features(truth, x).shape[1], 20))
    start = clone(product_kernel("rbf", 2, 2, 1.0, 1.0))
    fitted = GaussianProcessRegressor(start, alpha=1e-6).fit(x, y).kernel_
    np.testing.assert_allclose(np.exp(fitted.theta), [0.6, 2.5], rtol=0.1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    points=st.integers(1, 40),
    copies=st.integers(1, 3),
    log_scale=st.floats(-8, 4),
    family=st.sampled_from(sorted(SMOOTHNESS)),
)
def test_rows_have_the_covariances_as_inner_products(
    seed: int, points: int, copies: int, log_scale: float, family: str
) -> None:
    rng = np.random.default_rng(seed)
    x = np.tile(rng.normal(size=(points, 3)) * 10.0**log_scale, (copies, 1))
    x = x[rng.permutation(len(x))]
    kernel = product_kernel(family, 2, 1, 1.0, 1.0)
    phi = kernel_features(kernel, x)
    assert phi.shape[1] <= points  # copies add no dimension
    np.testing.assert_allclose(phi @ phi.T, kernel(x), atol=1e-12)


def test_points_that_coincide_share_one_dimension() -> None:
    assert kernel_features(product_kernel("rbf", 2, 1, 1.0, 1.0), np.zeros((50, 3))).shape == (50, 1)


def test_no_points_have_no_rows() -> None:
    assert kernel_features(product_kernel("rbf", 2, 1, 1.0, 1.0), np.zeros((0, 3))).shape == (0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(value: float) -> None:
    x = np.zeros((3, 3))
    x[1, 0] = value
    with pytest.raises(SelectionError, match="not finite"):
        kernel_features(product_kernel("rbf", 2, 1, 1.0, 1.0), x)


def test_a_point_however_far_away_has_nothing_in_common_with_the_others() -> None:
    x = np.array([[0.0, 0.0], [1e200, 0.0]])
    phi = kernel_features(product_kernel("rbf", 1, 1, 1.0, 1.0), x)
    np.testing.assert_allclose(phi @ phi.T, np.eye(2), atol=1e-15)
