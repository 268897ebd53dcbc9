"""The weight-space posterior against a Gaussian process in closed form on kernel matrices."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.errors import IllConditioned
from amf_ros.selection.engine.blocked import half_log
from amf_ros.selection.information_gain import information, known_share, removed_variance
from amf_ros.selection.posterior import Posterior

NOISES = st.floats(0.01, 10.0)


def variance(psi):
    """Of whitened rows, where nothing came since."""
    return np.square(psi).sum(axis=1)


def information_gain(psi_candidate, psi_evaluation, noise, form="exact"):
    """What one candidate's whitened states tell about each whitened evaluation state."""
    cross, gram = psi_candidate @ psi_evaluation.T, psi_candidate @ psi_candidate.T
    v = variance(psi_evaluation)
    return information(removed_variance(cross[None], gram[None], v, noise), v, noise, form)[0]


def naive_variance(x, data, noise):
    """Posterior variance of each row of x after noisy looks at the rows of data, by kernel matrices."""
    prior = np.einsum("ij,ij->i", x, x)
    if not len(data):
        return prior
    cross = x @ data.T
    return prior - np.einsum(
        "ij,ij->i", cross, np.linalg.solve(data @ data.T + noise * np.eye(len(data)), cross.T).T
    )


def naive_gain(x, candidate, data, noise):
    before = naive_variance(x, data, noise)
    after = naive_variance(x, np.concatenate([data, candidate]), noise)
    return 0.5 * np.log(before + noise) - 0.5 * np.log(after + noise)


@st.composite
def settings_of_rows(draw):
    """Random rows of any shape, some repeated, some confined to a subspace: (data, candidate, evaluation)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p, rank = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    basis = rng.normal(size=(min(rank, p), p))

    def rows(low):
        n = draw(st.integers(low, 15))
        made = rng.normal(size=(n, len(basis))) @ basis * 10 ** draw(st.floats(-2, 1))
        return made[rng.integers(n, size=n)] if n and draw(st.booleans()) else made

    return rows(0), rows(1), rows(1)


@settings(max_examples=150, deadline=None)
@given(settings_of_rows(), NOISES)
def test_variance_and_gain_agree_with_kernel_matrices(rows, noise):
    data, candidate, evaluation = rows
    psi = Posterior.fit(data, noise).whiten(np.concatenate([candidate, evaluation]))
    psi_c, psi_e = psi[: len(candidate)], psi[len(candidate) :]
    size = max(1.0, float(np.square(evaluation).sum(axis=1).max()))
    np.testing.assert_allclose(variance(psi_e), naive_variance(evaluation, data, noise), atol=1e-7 * size)
    expected = naive_gain(evaluation, candidate, data, noise)
    np.testing.assert_allclose(information_gain(psi_c, psi_e, noise), expected, atol=1e-6 * size / noise)


@settings(max_examples=100, deadline=None)
@given(settings_of_rows(), NOISES)
def test_gain_is_never_negative_and_never_more_than_there_is_to_know(rows, noise):
    data, candidate, evaluation = rows
    posterior = Posterior.fit(data, noise)
    psi_e = posterior.whiten(evaluation)
    gain = information_gain(posterior.whiten(candidate), psi_e, noise)
    assert (gain >= 0).all()
    assert (gain <= 0.5 * np.log1p(variance(psi_e) / noise) + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(settings_of_rows(), NOISES)
def test_more_data_never_raises_the_variance(rows, noise):
    data, more, evaluation = rows
    before = variance(Posterior.fit(data, noise).whiten(evaluation))
    after = variance(Posterior.fit(np.concatenate([data, more]), noise).whiten(evaluation))
    assert (after <= before * (1 + 1e-9) + 1e-12).all()


@settings(max_examples=50, deadline=None)
@given(settings_of_rows(), NOISES)
def test_moments_count_as_the_data_they_come_from(rows, noise):
    data, seen, evaluation = rows
    together = Posterior.fit(np.concatenate([data, seen]), noise).whiten(evaluation)
    shipped = Posterior.fit(data, noise, coverage=seen.T @ seen).whiten(evaluation)
    np.testing.assert_allclose(together, shipped, atol=1e-6 * max(1.0, float(np.abs(evaluation).max())))


def test_gain_of_one_state_about_itself_is_the_channel_capacity():
    psi = np.array([[2.0, 0.0]])
    # 1/2 log((v + s) / (v' + s)) with v' = v s / (v + s)
    v, s = 4.0, 0.5
    expected = 0.5 * np.log((v + s) / (v * s / (v + s) + s))
    assert information_gain(psi, psi, s)[0] == pytest.approx(expected, rel=1e-12)


def test_a_coverage_that_is_no_sum_of_squares_is_refused():
    with pytest.raises(IllConditioned, match="noise_variance 0.1"):
        Posterior.fit(np.zeros((0, 2)), 0.1, coverage=np.diag([1.0, -5.0]))


@settings(max_examples=150, deadline=None)
@given(settings_of_rows(), NOISES)
def test_looks_one_after_the_other_agree_with_fitting_again(rows, noise):
    data, first, second = rows
    posterior = Posterior.fit(data, noise)
    for more in (first, second):
        posterior = posterior.after(posterior.whiten(more))
    psi = posterior.whiten(second)
    again = Posterior.fit(np.concatenate([data, first, second]), noise).whiten(second)
    size = max(1.0, float(np.square(second).sum(axis=1).max()))
    # The rows differ by a rotation; what they mean, all covariances, must not.
    np.testing.assert_allclose(posterior.unseen(psi) @ psi.T, again @ again.T, atol=1e-7 * size)
    np.testing.assert_allclose(posterior.variance(psi), variance(again), atol=1e-7 * size)


@settings(max_examples=100, deadline=None)
@given(settings_of_rows(), NOISES)
def test_linear_and_variance_forms_bound_the_exact_gain(rows, noise):
    data, candidate, evaluation = rows
    psi = Posterior.fit(data, noise).whiten(np.concatenate([candidate, evaluation]))
    psi_c, psi_e = psi[: len(candidate)], psi[len(candidate) :]
    exact, linear, removed = (
        information_gain(psi_c, psi_e, noise, form) for form in ("exact", "linear", "variance")
    )
    assert (linear <= exact * (1 + 1e-12) + 1e-300).all()  # -log(1 - y) >= y
    np.testing.assert_allclose(linear, removed / (variance(psi_e) + noise) / 2, rtol=1e-12)
    expected = naive_variance(evaluation, data, noise)
    expected -= naive_variance(evaluation, np.concatenate([data, candidate]), noise)
    size = max(1.0, float(np.square(evaluation).sum(axis=1).max()))
    np.testing.assert_allclose(removed, expected, atol=1e-6 * size)


def test_float32_gains_are_as_exact_for_small_shares_as_for_large_ones():
    rng = np.random.default_rng(0)
    psi_c, psi_e = rng.normal(size=(3, 5)), rng.normal(size=(400, 5)) * 10.0 ** rng.uniform(-6, 0, (400, 1))
    # Evaluation states of one size whose share in the candidate's rows spans twelve decades.
    cross, gram, v = psi_c @ psi_e.T, psi_c @ psi_c.T, np.full(400, 60.0)
    shares = []
    for kind in (np.float64, np.float32):
        prior = v.astype(kind)
        removed = removed_variance(cross.astype(kind)[None], gram[None], prior, 0.1)
        shares.append(known_share(removed, prior, 0.1))
    assert shares[1].dtype == np.float32
    np.testing.assert_allclose(half_log(shares[1]), -0.5 * np.log1p(-shares[0]), rtol=1e-5)


def test_states_whose_squares_drown_the_noise_still_have_a_gain():
    rows = np.repeat(np.array([[1e9, 0.0], [1e9, 1.0]]), 2, axis=0)
    gain = information_gain(rows, rows, 1e-3)
    assert np.isfinite(gain).all() and (gain > 0).all()
    posterior = replace(Posterior.fit(rows[:0], 1e-3), root=np.asfortranarray(np.eye(2)))
    assert np.isfinite(posterior.after(rows).variance(rows)).all()


@pytest.mark.parametrize("scale", [1e3, 1e9, 1e12])
def test_data_that_drown_the_prior_leave_what_they_did_not_see(scale):
    rng = np.random.default_rng(0)
    seen, other = rng.normal(size=(2, 6)) * scale, rng.normal(size=(3, 6))
    coverage = (seen.T @ seen).astype(np.float32)  # rounded as a checkpoint's is
    for posterior in (Posterior.fit(seen, 0.1), Posterior.fit(seen[:0], 0.1, coverage)):
        left = variance(posterior.whiten(other))
        assert (left > 0).all() and (left <= variance(other)).all()
        assert (variance(posterior.whiten(seen)) <= 0.2 * (1 + 1e-6 * scale**2)).all()


def test_further_states_that_no_number_describes_are_ill_conditioned():
    with pytest.raises(IllConditioned, match="not finite"):
        Posterior.fit(np.zeros((0, 3)), 0.1).after(np.full((2, 3), np.nan))
