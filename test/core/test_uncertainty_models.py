"""Uncertainty models against closed forms, sampling, and written-out gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.frames import spec_of, steps_of, vectors

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import CheckpointError, ConfigError
from amf_ros.core.frames import Frames
from amf_ros.core.plugins import names
from amf_ros.core.values import Array
from amf_ros.knowledge.uncertainty.base import States
from amf_ros.knowledge.uncertainty.ensemble import NOISE, Ensemble
from amf_ros.knowledge.uncertainty.gradients import LossGradient, LossGradientPredictive
from amf_ros.knowledge.uncertainty.loading import fit_model, make_model
from amf_ros.knowledge.uncertainty.projection import project
from amf_ros.policies.base import F32, Steps
from amf_ros.policies.mlp import MlpPolicy

D, K, A, H = 4, 3, 2, 2
CONFIG = TrainingConfig(hidden=(24, 20), chunk=H)
SPEC = spec_of(tuple("abcd"), ("u", "v"), ("x", "y", "z"), "", 20.0, H)


def make_steps(rows: int = 30, seed: int = 0, centre: float = 0.0) -> Steps:
    rng = np.random.default_rng(seed)
    tasks = np.eye(K)[rng.integers(0, K, rows)]
    observations, chunks = rng.normal(centre, 1.0, (rows, D)), rng.normal(size=(rows, H, A))
    valid = np.ones((rows, H))
    valid[-1, 1] = 0
    return steps_of(observations, tasks, chunks, valid)


def labelled(steps: Steps, seed: int = 0) -> States:
    return States(steps.observations, steps.tasks, steps.chunks, steps.valid, seed)


def bare(steps: Steps, seed: int = 0) -> States:
    return States(steps.observations, steps.tasks, seed=seed)


@pytest.fixture(scope="module")
def policy() -> MlpPolicy:
    return MlpPolicy.create(SPEC, make_steps(), CONFIG, seed=0)


def model(name: str, policy: MlpPolicy) -> Any:
    return make_model(name, policy, fit_model(name, policy, make_steps()))


@pytest.mark.parametrize("name", names("uncertainty"))
def test_every_model_embeds_each_state_by_itself_and_alike_in_every_process(
    policy: MlpPolicy, name: str
) -> None:
    one, other = model(name, policy), model(name, policy)
    steps = make_steps(seed=1)
    for states in (labelled(steps), bare(steps)):
        phi = one.embed(states)
        assert phi.dtype == np.float32 and phi.shape[0] == 30 and np.isfinite(phi).all()
        assert np.linalg.norm(phi, axis=1).min() > 0
        assert np.array_equal(phi, other.embed(states))
    none = one.embed(States(vectors(np.zeros((0, D), np.float32)), np.zeros((0, K), np.float32)))
    assert none.shape == (0, phi.shape[1])


@pytest.mark.parametrize("name", names("uncertainty"))
def test_fine_tuning_changes_no_features(policy: MlpPolicy, name: str) -> None:
    steps = make_steps(seed=1)
    fitted = fit_model(name, policy, make_steps())
    tuned = policy.fine_tunable(steps, CONFIG)
    tensors = {n: v * (2 if n.startswith("network.") else 1) for n, v in tuned.tensors().items()}
    tuned = MlpPolicy.restore(SPEC, tensors, tuned.settings())
    before, after = make_model(name, policy, fitted), make_model(name, tuned, fitted)
    assert np.array_equal(before.embed(labelled(steps)), after.embed(labelled(steps)))


class OnlyEmbeds:
    spec = SPEC

    def embed(self, observations: Frames, tasks: F32) -> F32:
        return observations.flat()


@pytest.mark.parametrize(
    "name", ["loss_gradient", "loss_gradient_predictive", "full_gradient", "dropout", "ensemble"]
)
def test_a_policy_that_lacks_what_a_model_needs_is_told_what(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*needs hidden, head, predict.*OnlyEmbeds.*'features'"):
        make_model(name, OnlyEmbeds(), {"std": np.array(1.0)} | dict.fromkeys(ENSEMBLE, np.zeros(1)))  # type: ignore[arg-type]


ENSEMBLE = ("mean", "std", "weights", "biases", "heads")


@pytest.mark.parametrize("name", ["loss_gradient", "ensemble", "inputs"])
def test_a_checkpoint_without_what_the_model_fitted_is_refused(policy: MlpPolicy, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"'{name}'.*uncertainty in the pre-training file"):
        make_model(name, policy, {})


def test_small_projections_keep_inner_products_and_exact_norms() -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(60, n)), rng.normal(size=(60, m))) for n, m in ((9, 40), (30, 20))]
    pairs[1][0][:5] = pairs[1][0][5:10] + 0.1  # some of them alike
    factors = [(a.astype(np.float32), b.astype(np.float32)) for a, b in pairs]
    exact = sum((a @ a.T) * (b @ b.T) for a, b in pairs)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    errors, size = [], 512
    for key in ("one", "two", "three"):
        z = project(factors, key, size).astype(np.float64)
        np.testing.assert_allclose(np.diag(z @ z.T), np.diag(exact), rtol=1e-4)
        errors.append((z @ z.T - exact) / scale)
    off = np.array(errors)[:, ~np.eye(60, dtype=bool)]
    assert off.std() < 1.5 / np.sqrt(size)
    assert abs(off.mean()) < 0.2 / np.sqrt(size)  # unbiased
    assert np.array_equal(project(factors, "one"), project(factors, "one"))
    assert not np.array_equal(project(factors, "one"), project(factors, "two"))


def kernel(phi: F32) -> Array:
    wide = phi.astype(np.float64)
    product: Array = wide @ wide.T
    return product


def test_loss_gradient_is_the_residual_times_the_hidden_layer(policy: MlpPolicy) -> None:
    steps, shown = make_steps(seed=2), model("loss_gradient", policy)
    residual = policy.predict(steps.observations, steps.tasks) - policy.standardise(steps.chunks)
    residual *= np.repeat(steps.valid, A, axis=1)
    h = policy.hidden(steps.observations, steps.tasks)
    h = np.concatenate([h, np.ones((30, 1), np.float32)], axis=1)
    exact = kernel(residual) * kernel(h)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    error = (kernel(shown.embed(labelled(steps))) - exact) / scale
    assert np.abs(np.diag(error)).max() < 1e-4 and error.std() < 0.1


def test_labels_are_drawn_with_the_deviation_that_pretraining_left(policy: MlpPolicy) -> None:
    steps = make_steps()
    residual = policy.predict(*inputs(steps)) - policy.standardise(steps.chunks)
    known = np.repeat(steps.valid, A, axis=1).astype(bool)
    fitted = LossGradient.fit(policy, steps, 0)
    assert float(fitted["std"]) == pytest.approx(np.sqrt(np.square(residual[known]).mean()), rel=1e-5)


def inputs(steps: Steps) -> tuple[F32, F32]:
    return steps.observations, steps.tasks


def test_drawn_labels_have_the_predictive_deviation_and_follow_the_states_seed(policy: MlpPolicy) -> None:
    steps = make_steps(3000, seed=4)
    h = policy.hidden(*inputs(steps)).astype(np.float64)
    squared = np.square(h).sum(axis=1) + 1
    for found, std in (
        (LossGradientPredictive(policy, {}), 1.0),
        (LossGradient(policy, {"std": np.array(0.3)}), 0.3),
    ):
        phi = found.embed(bare(steps, seed=7)).astype(np.float64)
        drawn = np.square(phi).sum(axis=1) / squared  # |f - y|^2, a sum over H A outputs
        assert drawn.mean() == pytest.approx(H * A * std**2, rel=0.1)
        assert np.array_equal(phi.astype(np.float32), found.embed(bare(steps, seed=7)))
        assert not np.array_equal(phi.astype(np.float32), found.embed(bare(steps, seed=8)))


def test_full_gradient_approximates_the_tangent_kernel_in_its_direction(policy: MlpPolicy) -> None:
    import torch

    steps, full = make_steps(12, seed=3), model("full_gradient", policy)
    network = policy.pretrained
    x, c = policy._inputs(torch.from_numpy(steps.observations.flat())), torch.from_numpy(steps.tasks)
    direction = torch.from_numpy(full._direction)
    rows = []
    for row in range(12):
        network.zero_grad()
        (network(x[row : row + 1], c[row : row + 1]).flatten() * direction).sum().backward()
        rows.append(np.concatenate([p.grad.numpy().ravel() for p in network.parameters()]))
    exact = kernel(np.array(rows))
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    error = (kernel(full.embed(bare(steps))) - exact) / scale
    assert np.abs(np.diag(error)).max() < 1e-4
    assert np.abs(error).max() < 0.25 and np.abs(error.mean()) < 0.05


def test_dropout_features_are_what_many_masks_converge_to(policy: MlpPolicy) -> None:
    steps = make_steps(6, seed=3)
    h, head = policy.hidden(*inputs(steps)).astype(np.float64), policy.head().astype(np.float64)
    masks = (np.random.default_rng(0).random((40_000, h.shape[1])) > 0.1) / 0.9
    outputs = np.einsum("mi,ni,oi->mno", masks, h, head, optimize=True)
    centred = outputs - outputs.mean(axis=0)
    sampled = np.einsum("mno,mko->nk", centred, centred) / len(masks)
    np.testing.assert_allclose(
        kernel(model("dropout", policy).embed(bare(steps))), sampled, rtol=0.05, atol=0.02 * sampled.max()
    )


def test_heads_agree_on_what_they_were_shown_and_not_far_from_it(policy: MlpPolicy) -> None:
    seen, far = make_steps(800, seed=6), make_steps(100, seed=7, centre=4.0)
    moves = np.repeat(0.5 * seen.observations.flat()[:, None, :A], H, axis=1)
    seen = Steps(seen.observations, seen.tasks, moves, seen.valid)
    ensemble = Ensemble(policy, Ensemble.fit(policy, seen, 0))
    inside, outside = ensemble.spread(labelled(seen)), ensemble.spread(labelled(far))
    assert np.median(inside) < NOISE
    assert np.median(outside) > 3 * np.median(inside)
    phi = ensemble.embed(labelled(far))
    np.testing.assert_allclose(np.linalg.norm(phi, axis=1), outside, rtol=1e-5)


def test_heads_are_draws_of_the_posterior_of_their_own_linear_model(policy: MlpPolicy) -> None:
    """With the labels' noise and the prior's weights drawn, their mean is the ridge solution."""
    seen = make_steps(300, seed=6)
    fitted = Ensemble.fit(policy, seen, 0)
    hidden = policy.hidden(*inputs(seen)).astype(np.float64)
    z = (hidden - fitted["mean"]) / fitted["std"] / np.sqrt(hidden.shape[1])
    labels = policy.standardise(seen.chunks)
    for w, c, head in zip(fitted["weights"], fitted["biases"], fitted["heads"], strict=True):
        u = np.concatenate([z, np.tanh(z @ w + c) / np.sqrt(w.shape[1]), np.ones((300, 1))], axis=1)
        covariance = np.linalg.inv(u.T @ u / NOISE**2 + np.eye(u.shape[1]))
        ridge = covariance @ u.T @ labels / NOISE**2
        residual = np.linalg.solve(np.linalg.cholesky(covariance), head - ridge)  # standard normal
        assert abs(residual.mean()) < 0.2 and 0.85 < residual.std() < 1.15
