"""GpPolicy against Gaussian-process regression written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from support.frames import spec_of, steps_of

from amf_ros.core.config import GpConfig, TrainingConfig
from amf_ros.core.errors import CheckpointError, TrainingDiverged
from amf_ros.core.frames import Frames
from amf_ros.learning.cloning import Progress, learn
from amf_ros.policies.base import F32, ClosedForm, InputEmbedding, Steps
from amf_ros.policies.gp import GpPolicy

D, K, A, H = 3, 2, 2, 2
SPEC = spec_of(("x", "y", "z"), ("u", "v"), ("g", "h"), "hash", 10.0, H)
CONFIG = TrainingConfig(
    chunk=H, gp=GpConfig(state_lengthscale=1.3, task_lengthscale=0.6, noise_variance=0.02)
)


def make_steps(seed: int, rows: int = 30, goal: tuple[float, float] = (1.0, 0.0)) -> Steps:
    """Actions that are smooth functions of state and goal."""
    rng = np.random.default_rng(seed)
    observations = rng.normal([0.5, -1.0, 2.0], [1.0, 0.3, 4.0], (rows, D))
    tasks = np.tile(goal, (rows, 1))
    first = np.stack(
        [np.sin(observations[:, 0]) + tasks[:, 0], observations[:, 1] * (1 + tasks[:, 1])], axis=1
    )
    first += 0.02 * rng.normal(size=first.shape)
    chunks = np.stack([first, 2 * first], axis=1)
    return steps_of(observations, tasks, chunks, np.ones((rows, H)))


def joined(*parts: Steps) -> Steps:
    names = ("tasks", "chunks", "valid")
    rest = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Steps(Frames.joined([part.observations for part in parts]), *rest)


def pretrained(config: TrainingConfig = CONFIG, steps: Steps | None = None) -> GpPolicy:
    steps = steps or make_steps(0)
    policy = GpPolicy.create(SPEC, steps, config, seed=0)
    policy.fit(steps, config)
    policy.finish_pretraining(steps)
    return policy


def written_out(first: Steps, all_of_them: Steps, asked: Steps) -> F32:
    """Rasmussen and Williams 2006, eq. 2.23, with the statistics of the first steps."""
    mean, std = first.observations.flat().mean(0), first.observations.flat().std(0)
    action_mean, action_std = first.chunks[:, 0].mean(0), first.chunks[:, 0].std(0)

    def k(one: Steps, other: Steps) -> F32:
        state = cdist(
            (one.observations.flat() - mean) / std / 1.3, (other.observations.flat() - mean) / std / 1.3
        )
        task = cdist(one.tasks / 0.6, other.tasks / 0.6)
        return np.exp(-(state**2) / 2 - task**2 / 2)

    y = ((all_of_them.chunks - action_mean) / action_std).reshape(len(all_of_them), -1)
    weights = np.linalg.solve(k(all_of_them, all_of_them) + 0.02 * np.eye(len(all_of_them)), y)
    return (k(asked, all_of_them) @ weights).reshape(-1, H, A) * action_std + action_mean


def test_actions_are_the_posterior_mean_given_pretraining() -> None:
    asked = make_steps(7, goal=(0.8, 0.3))
    got = pretrained().infer(asked.observations, asked.tasks)
    assert got.shape == (30, H, A) and got.dtype == np.float32
    np.testing.assert_allclose(got, written_out(make_steps(0), make_steps(0), asked), rtol=1e-4, atol=1e-4)


def test_fine_tuning_conditions_on_pretraining_and_demonstrations_together() -> None:
    base, new, asked = pretrained(), make_steps(1, goal=(-1.0, 0.5)), make_steps(7, goal=(-0.9, 0.5))
    before = base.infer(asked.observations, asked.tasks)
    tuned = base.fine_tunable(new, CONFIG)
    loss = tuned.fit(new, CONFIG)
    wanted = written_out(make_steps(0), joined(make_steps(0), new), asked)
    np.testing.assert_allclose(tuned.infer(asked.observations, asked.tasks), wanted, rtol=1e-4, atol=1e-4)
    error = tuned.infer(new.observations, new.tasks) - new.chunks
    assert loss == pytest.approx(float(np.abs(error / make_steps(0).chunks[:, 0].std(0)).mean()), rel=1e-4)
    np.testing.assert_array_equal(base.infer(asked.observations, asked.tasks), before)


def test_fine_tuning_again_starts_over_from_pretraining() -> None:
    base, one, other, asked = pretrained(), make_steps(1), make_steps(2), make_steps(3)
    policies = [base.fine_tunable(one, CONFIG)]
    policies[0].fit(one, CONFIG)
    policies = [policies[0].fine_tunable(other, CONFIG), base.fine_tunable(other, CONFIG)]
    answers = []
    for policy in policies:
        policy.fit(other, CONFIG)
        answers.append(policy.infer(asked.observations, asked.tasks))
    np.testing.assert_array_equal(*answers)


def test_embeddings_are_inputs_in_units_of_their_lengthscales() -> None:
    policy, steps = pretrained(), make_steps(4)
    first = make_steps(0)
    z = (steps.observations.flat() - first.observations.flat().mean(0)) / first.observations.flat().std(0)
    wanted = np.concatenate([z / 1.3, steps.tasks / 0.6], axis=1)
    np.testing.assert_allclose(policy.embed(steps.observations, steps.tasks), wanted, rtol=1e-4)
    np.testing.assert_allclose(
        policy.pretraining_inputs(), policy.embed(first.observations, first.tasks), rtol=1e-6
    )
    assert policy.task_columns == K
    assert isinstance(policy, ClosedForm) and isinstance(policy, InputEmbedding)


def test_before_any_step_it_acts_as_the_mean_action() -> None:
    steps = make_steps(0)
    policy = GpPolicy.create(SPEC, steps, CONFIG, seed=0)
    wanted = np.tile(steps.chunks[:, 0].mean(0), (30, H, 1))
    np.testing.assert_allclose(policy.infer(steps.observations, steps.tasks), wanted, rtol=1e-5)


def test_it_survives_its_tensors_and_settings() -> None:
    policy = pretrained().fine_tunable(make_steps(1), CONFIG)
    policy.fit(make_steps(1), CONFIG)
    again = GpPolicy.restore(SPEC, policy.tensors(), policy.settings())
    asked = make_steps(5)
    for call in ("infer", "embed"):
        np.testing.assert_array_equal(
            getattr(again, call)(asked.observations, asked.tasks),
            getattr(policy, call)(asked.observations, asked.tasks),
        )
    base, tuned = (p.fine_tunable(asked, CONFIG) for p in (again, policy))
    np.testing.assert_array_equal(
        base.infer(asked.observations, asked.tasks), tuned.infer(asked.observations, asked.tasks)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"action_std": None}, "action_std"),
        ({"action_mean": np.zeros(5, np.float32)}, "action_mean"),
        ({"collected_rows": np.zeros((4, D + K), np.float32)}, "collected_chunks"),
        ({"pretraining_rows": np.zeros((30, D), np.float32)}, "pretraining_rows"),
        ({"surplus": np.zeros(1, np.float32)}, "surplus"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change: dict[str, F32 | None], named: str) -> None:
    policy = pretrained()
    tensors = {k: v for k, v in {**policy.tensors(), **change}.items() if v is not None}
    with pytest.raises(CheckpointError, match=named):
        GpPolicy.restore(SPEC, tensors, policy.settings())


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CheckpointError, match="family"):
        GpPolicy.restore(SPEC, pretrained().tensors(), {"family": "cubic"})


def test_lengthscales_and_noise_are_fitted_to_pretraining_and_stay() -> None:
    rng = np.random.default_rng(0)
    steps = joined(*(make_steps(i, goal=tuple(rng.uniform(-1, 1, 2))) for i in range(8)))
    fitting = CONFIG.model_copy(update={"gp": CONFIG.gp.model_copy(update={"fit": True})})
    policy, given = pretrained(fitting, steps), pretrained(CONFIG, steps)
    asked = make_steps(99, goal=(0.2, -0.4))

    def error(which: GpPolicy) -> float:
        return float(np.abs(which.infer(asked.observations, asked.tasks) - asked.chunks).mean())

    assert policy.config.noise_variance < CONFIG.gp.noise_variance  # the data have 0.001
    assert error(policy) < 0.7 * error(given)
    tuned = policy.fine_tunable(asked, fitting)
    tuned.fit(asked, fitting)
    assert tuned.config == policy.config


def test_more_steps_than_allowed_are_thinned_evenly() -> None:
    config = CONFIG.model_copy(update={"gp": CONFIG.gp.model_copy(update={"max_points": 8})})
    steps = make_steps(0, rows=30)
    rows = pretrained(config, steps).pretraining_inputs()
    whole = pretrained(CONFIG, steps).pretraining_inputs()
    np.testing.assert_allclose(rows, whole[::4], rtol=1e-6)


def test_steps_that_contradict_each_other_without_noise_are_refused() -> None:
    config = CONFIG.model_copy(update={"gp": GpConfig(noise_variance=1e-30)})
    twice = joined(*[make_steps(0)] * 3)
    with pytest.raises(TrainingDiverged, match="noise_variance"):
        pretrained(config, twice)


def test_cloning_solves_it_and_reports_once() -> None:
    steps, heard = make_steps(0), []
    policy = GpPolicy.create(SPEC, steps, CONFIG, seed=0)
    learn(policy, steps, CONFIG, 70, 0, heard.append)
    (report,) = heard
    assert isinstance(report, Progress) and report.step == report.num_steps == 70 and report.loss < 0.2
    stopped = GpPolicy.create(SPEC, steps, CONFIG, seed=0)
    learn(stopped, steps, CONFIG, 70, 0, heard.append, lambda: True)
    assert len(heard) == 1 and not len(stopped.pretraining_inputs())
