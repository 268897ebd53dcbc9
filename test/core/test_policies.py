"""MlpPolicy, its adaptive prior and its statistics, against formulas written out in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import erf
from support.frames import spec_of, steps_of, vectors

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import CheckpointError
from amf_ros.core.frames import Frames
from amf_ros.learning.cloning import learn
from amf_ros.policies.base import F32, Inspectable, Steps
from amf_ros.policies.mlp import MlpPolicy
from amf_ros.policies.network import FarAndNear, Standardise
from amf_ros.policies.prior import AdaptivePrior

D, K, A, H = 5, 4, 3, 2
CONFIG = TrainingConfig(hidden=(16, 12), chunk=H)
SPEC = spec_of(
    tuple(f"o{i}" for i in range(D)),
    action_names=tuple(f"a{i}" for i in range(A)),
    task_names=tuple(f"t{i}" for i in range(K)),
    contract_hash="hash",
    fps=20.0,
    chunk=H,
)
SIGMOID_OF_MINUS_3 = 1.0 / (1.0 + np.exp(3.0))


def make_steps(task: int = 0, seed: int = 0, rows: int = 40) -> Steps:
    rng = np.random.default_rng(seed)
    tasks = np.tile(np.eye(K)[task], (rows, 1))
    arrays = (rng.normal(1.0, 2.0, (rows, D)), tasks, rng.normal(size=(rows, H, A)), np.ones((rows, H)))
    return steps_of(*arrays)


def make_policy(seed: int = 0) -> MlpPolicy:
    return MlpPolicy.create(SPEC, make_steps(), CONFIG, seed)


def perturb(policy: MlpPolicy) -> MlpPolicy:
    """The same policy with another pi_ft, as if it had been trained."""
    tensors = dict(policy.tensors())
    rng = np.random.default_rng(8)
    for name, value in tensors.items():
        if name.startswith("network."):
            tensors[name] = value + 0.3 * rng.normal(size=value.shape).astype(np.float32)
    return MlpPolicy.restore(SPEC, tensors, policy.settings())


def gelu(x: F32) -> F32:
    return (0.5 * x * (1 + erf(x / np.sqrt(2)))).astype(np.float32)


def forward(policy: MlpPolicy, prefix: str, frames: Frames, tasks: F32) -> tuple[F32, F32]:
    """Last hidden layer and actions of one of the two networks, in numpy."""
    t, observations = policy.tensors(), frames.flat()
    z = np.clip((observations - t["inputs.mean"]) / t["inputs.std"], -5, 5)
    h = np.concatenate([z, np.tanh(observations / 0.03), tasks], axis=1)
    for i in range(2):
        h = gelu(h @ t[f"{prefix}.layers.{i}.weight"].T + t[f"{prefix}.layers.{i}.bias"])
    flat = h @ t[f"{prefix}.head.weight"].T + t[f"{prefix}.head.bias"]
    return h, flat.reshape(-1, H, A) * t["outputs.std"] + t["outputs.mean"]


def test_inference_is_the_network_between_the_two_normalisers() -> None:
    policy, steps = make_policy(), make_steps(seed=3)
    _, wanted = forward(policy, "network", steps.observations, steps.tasks)
    got = policy.infer(steps.observations, steps.tasks)
    assert got.shape == (40, H, A) and got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_embedding_is_the_last_hidden_layer_with_a_one_scaled_to_unit_norm() -> None:
    policy, steps = make_policy(), make_steps(seed=3)
    h, _ = forward(policy, "network", steps.observations, steps.tasks)
    phi = np.concatenate([h, np.ones((len(h), 1), np.float32)], axis=1)
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    np.testing.assert_allclose(policy.embed(steps.observations, steps.tasks), phi, rtol=1e-4, atol=1e-6)


def test_before_any_training_a_fine_tunable_copy_acts_as_the_pretrained_policy() -> None:
    policy, steps = make_policy(), make_steps(task=1)
    copy = policy.fine_tunable(steps, CONFIG)
    np.testing.assert_allclose(
        copy.infer(steps.observations, steps.tasks), policy.infer(steps.observations, steps.tasks), atol=1e-6
    )


def test_output_mixes_the_two_networks_by_alpha_of_the_task() -> None:
    trained = perturb(make_policy().fine_tunable(make_steps(task=1), CONFIG))
    tensors = dict(trained.tensors())
    tensors["prior.logits"] = np.array([0.7], np.float32)  # of task 1
    policy = MlpPolicy.restore(SPEC, tensors, trained.settings())
    for task, alpha in ((1, 1 / (1 + np.exp(-0.7))), (2, 0.0)):
        steps = make_steps(task=task, seed=5)
        _, fine_tuned = forward(policy, "network", steps.observations, steps.tasks)
        _, frozen = forward(policy, "frozen", steps.observations, steps.tasks)
        got = policy.infer(steps.observations, steps.tasks)
        np.testing.assert_allclose(got, alpha * fine_tuned + (1 - alpha) * frozen, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(policy.alphas(steps.tasks), alpha, rtol=1e-5)


def test_loss_is_l1_of_the_mix_plus_half_of_the_fine_tuned_plus_the_pull() -> None:
    steps = make_steps(task=1)
    steps.valid[3:, 1] = 0.0
    policy = perturb(make_policy().fine_tunable(steps, CONFIG))
    t = policy.tensors()
    _, fine_tuned = forward(policy, "network", steps.observations, steps.tasks)
    _, frozen = forward(policy, "frozen", steps.observations, steps.tasks)
    mixed = SIGMOID_OF_MINUS_3 * fine_tuned + (1 - SIGMOID_OF_MINUS_3) * frozen
    valid = steps.valid.astype(bool)

    def l1(actions: F32) -> float:
        return float(np.abs((actions - steps.chunks) / t["outputs.std"])[valid].mean())

    wanted = l1(mixed) + 0.5 * l1(fine_tuned) + CONFIG.prior_pull * SIGMOID_OF_MINUS_3
    got = policy.objective(steps, CONFIG).loss(torch.arange(len(steps)))
    assert got.item() == pytest.approx(wanted, rel=1e-4)


def test_pull_of_a_task_is_divided_by_its_number_of_demonstrations() -> None:
    parts = [make_steps(task=task, seed=task) for task in (1, 2)]
    names = ("tasks", "chunks", "valid")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    seen = Frames.joined([part.observations for part in parts])
    rows = len(parts[0])
    numbers = np.concatenate([np.arange(rows) // 10, np.full(rows, 7)])  # four of task 1, one of task 2
    for of, per_task in ((numbers, (4, 1)), (None, (1, 1))):
        steps = Steps(seen, *columns, demonstrations=of)
        policy = perturb(make_policy().fine_tunable(steps, CONFIG))
        for task, count in enumerate(per_task):
            batch = torch.arange(rows) + task * rows
            pulled, free = (
                policy.objective(steps, CONFIG.model_copy(update={"prior_pull": pull})).loss(batch).item()
                for pull in (0.6, 0.0)
            )
            assert pulled - free == pytest.approx(0.6 / count * SIGMOID_OF_MINUS_3, rel=1e-3)


def test_without_prior_the_output_is_the_fine_tuned_network() -> None:
    config = CONFIG.model_copy(update={"prior": False})
    steps = make_steps(task=1)
    policy = perturb(make_policy().fine_tunable(steps, config))
    _, fine_tuned = forward(policy, "network", steps.observations, steps.tasks)
    np.testing.assert_allclose(
        policy.infer(steps.observations, steps.tasks), fine_tuned, rtol=1e-4, atol=1e-5
    )
    assert policy.alphas(steps.tasks).tolist() == [1.0] * len(steps)


def test_prior_has_one_logit_per_task_and_none_for_others() -> None:
    eye = torch.eye(3)
    prior = AdaptivePrior(eye[[0, 2, 2, 0]])
    assert prior.logits.tolist() == [-3.0, -3.0]
    alphas = prior.alphas(prior.rows(eye)).tolist()
    np.testing.assert_allclose(alphas, [SIGMOID_OF_MINUS_3, 0.0, SIGMOID_OF_MINUS_3], rtol=1e-5)
    with torch.no_grad():
        prior.logits[prior.rows(eye[2:])] = 0.0
    alphas = prior.alphas(prior.rows(eye)).tolist()
    np.testing.assert_allclose(alphas, [SIGMOID_OF_MINUS_3, 0.0, 0.5], rtol=1e-5)


def test_unseen_task_elements_have_no_weight_after_pretraining() -> None:
    policy, steps = make_policy(), make_steps(task=1)
    policy.finish_pretraining(steps)
    weight = policy.tensors()["network.layers.0.weight"]
    assert not weight[:, [2 * D, 2 * D + 2, 2 * D + 3]].any()
    assert weight[:, 2 * D + 1].all()
    unseen = (np.tile(np.eye(K, dtype=np.float32)[task], (40, 1)) for task in (0, 2))
    one, other = (policy.infer(steps.observations, tasks) for tasks in unseen)
    assert np.array_equal(one, other)


def test_an_observation_that_was_zero_in_all_of_pretraining_changes_nothing_until_it_is_learned() -> None:
    absent = make_steps(task=1).observations.flat().copy()
    absent[:, 1] = 0.0
    present = absent.copy()
    present[:, 1] = np.linspace(-0.4, 0.7, len(present))
    steps = replace(make_steps(task=1), observations=vectors(absent))
    policy = MlpPolicy.create(SPEC, steps, CONFIG, seed=0)
    assert not np.array_equal(*(policy.infer(vectors(rows), steps.tasks) for rows in (absent, present)))
    policy.finish_pretraining(steps)
    np.testing.assert_array_equal(*(policy.infer(vectors(rows), steps.tasks) for rows in (absent, present)))
    tuned = policy.fine_tunable(steps, CONFIG)
    learn(tuned, replace(steps, observations=vectors(present)), CONFIG, num_steps=20, seed=0)
    assert tuned.tensors()["network.layers.0.weight"][:, [1, D + 1]].any()


def test_standardise_has_a_floor_and_inverts() -> None:
    values = torch.tensor([[0.0, 1.0], [2.0, 1.0001]])
    module = Standardise(2)
    module.fit(values, floor=0.02)
    np.testing.assert_allclose(module(values).numpy(), [[-1, -0.0025], [1, 0.0025]], atol=1e-5)
    np.testing.assert_allclose(module.invert(module(values)).numpy(), values.numpy(), atol=1e-6)


def test_inputs_are_bounded_z_scores_beside_a_near_view() -> None:
    module = FarAndNear(2, clip=5.0, near=0.03)
    got = module(torch.tensor([[100.0, 0.03]]))
    np.testing.assert_allclose(got.numpy(), [[5.0, 0.03, 1.0, np.tanh(1.0)]], rtol=1e-5)


def test_absent_features_are_zero_and_count_in_no_statistic() -> None:
    module = FarAndNear(3, clip=5.0, near=0.03, presence=(None, 0, None))
    values = torch.tensor([[1.0, 0.5, 2.0], [0.0, 0.0, 4.0], [1.0, 0.7, 6.0], [0.0, 0.0, 8.0]])
    module.fit(values, floor=0.02)
    np.testing.assert_allclose(module.mean.numpy(), [0.5, 0.6, 5.0], rtol=1e-6)
    np.testing.assert_allclose(module.std.numpy()[:2], [0.5, 0.1], rtol=1e-6)
    far, near = module(values).numpy()[:, 1], module(values).numpy()[:, 4]
    np.testing.assert_allclose(far, [-1.0, 0.0, 1.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(near, np.tanh([0.5 / 0.03, 0.0, 0.7 / 0.03, 0.0]), rtol=1e-5)
    module.fit(values * torch.tensor([0.0, 0.0, 1.0]), floor=0.02)  # never there
    assert (module.mean[1], module.std[1]) == (0.0, pytest.approx(0.02))


@pytest.mark.parametrize("broken", ["missing", "shape"])
def test_tensors_that_do_not_fit_are_refused(broken: str) -> None:
    policy = make_policy()
    tensors = dict(policy.tensors())
    if broken == "missing":
        del tensors["network.head.bias"]
    else:
        tensors["network.head.bias"] = np.zeros(7, np.float32)
    with pytest.raises(CheckpointError, match="head.bias"):
        MlpPolicy.restore(SPEC, tensors, policy.settings())


def test_pretrained_outputs_are_those_of_the_head_on_the_last_hidden_layer() -> None:
    policy, steps = perturb(make_policy().fine_tunable(make_steps(task=1), CONFIG)), make_steps(seed=3)
    h, actions = forward(policy, "frozen", steps.observations, steps.tasks)
    t = policy.tensors()
    np.testing.assert_allclose(policy.hidden(steps.observations, steps.tasks), h, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(policy.head(), t["frozen.head.weight"])
    outputs = policy.predict(steps.observations, steps.tasks)
    np.testing.assert_allclose(outputs, h @ policy.head().T + t["frozen.head.bias"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(policy.standardise(actions), outputs, rtol=1e-3, atol=1e-4)
    assert isinstance(policy, Inspectable)


def test_layer_gradients_are_those_of_autograd_row_by_row() -> None:
    policy, steps = make_policy(), make_steps(seed=3, rows=5)
    cotangents = np.random.default_rng(0).normal(size=(5, H * A)).astype(np.float32)
    pairs = policy.layer_gradients(steps.observations, steps.tasks, cotangents)
    network = policy.pretrained
    x = policy._inputs(torch.from_numpy(steps.observations.flat()))
    for row in range(5):
        network.zero_grad()
        out = network(x[row : row + 1], torch.from_numpy(steps.tasks[row : row + 1])).flatten()
        (out * torch.from_numpy(cotangents[row])).sum().backward()
        for layer, (delta, inputs) in zip((*network.layers, network.head), pairs, strict=True):
            outer = np.outer(delta[row], inputs[row])
            np.testing.assert_allclose(outer[:, :-1], layer.weight.grad.numpy(), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(outer[:, -1], layer.bias.grad.numpy(), rtol=1e-4, atol=1e-6)
