"""Rows that are inputs: from policy and checkpoint to the question that AMF-GP is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.frames import vectors

from amf_ros.core.config import GpConfig, PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.core.errors import SelectionError
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.values import CheckpointInfo, Outcome, Rollout
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.checkpoints import load
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.session.local import run_local
from amf_ros.session.memory import run_in_memory
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.tasks.integrator import GOALS, IntegratorSuite

SUITE = IntegratorSuite()
KNOWN = {"goal_000": 2, "goal_030": 1}
TRAINING = TrainingConfig(
    chunk=1, hidden=(16,), pretrain_steps=20, gp=GpConfig(state_lengthscale=2.0, noise_variance=1e-3)
)
CONFIG = SelectionConfig(uncertainty="inputs", states_per_trajectory=5, anchors=False)


def pretrained(policy: str, out: Path) -> CheckpointInfo:
    config = PretrainConfig(
        suite="integrator",
        policy=policy,
        demonstrations=KNOWN,
        training=TRAINING,
        uncertainty=("inputs",),
    )
    return pretrain_checkpoint(config, out, processes=1)


@pytest.mark.parametrize("policy", ["gp", "mlp"])
def test_a_question_over_inputs_has_those_of_pretraining_for_anchors(policy: str, tmp_path: Path) -> None:
    checkpoint = load(pretrained(policy, tmp_path).uri)
    environment = make_environment(SUITE)
    demo = demonstrate(environment, "goal_030", 0, "shown")
    rollouts = [
        run_policy(environment, checkpoint.policy, key, 1, f"run_{key}", checkpoint.info.id) for key in GOALS
    ]
    builder = ProblemBuilder(SUITE, CONFIG)
    problem = builder.build(checkpoint, [demo], rollouts, {})
    assert problem.coverage is None and problem.task_columns == 2
    assert problem.anchors is not None and problem.anchors.shape == (3 * 15, 4)
    assert problem.demonstrated.shape == (5, 4)
    np.testing.assert_allclose(problem.demonstrated[:, 2:], np.tile(GOALS["goal_030"], (5, 1)), atol=1e-6)
    assert builder.build(checkpoint, [demo], rollouts, {}).anchors is problem.anchors

    chosen = load_registered("strategy", "amf_gp")(CONFIG).select(problem)
    taught = {score.task_id: score.score for score in chosen.scores}
    assert taught["goal_180"] > 2 * taught["goal_000"]
    bare = ProblemBuilder(SUITE, CONFIG.model_copy(update={"coverage": False}))
    assert bare.build(checkpoint, [demo], rollouts, {}).anchors is None


def test_inputs_cannot_be_scaled_so_as_many_successes_stand_as_the_rate_is_worth(tmp_path: Path) -> None:
    checkpoint = load(pretrained("gp", tmp_path).uri)
    config = CONFIG.model_copy(update={"anchors": True, "coverage": False})
    tried = [
        Rollout(f"{key}_{i}", key, vectors(np.full((5, 2), float(i))), outcome, checkpoint.info.id, 5)
        for key, successes, failures in [("goal_000", 1, 9), ("goal_030", 4, 6), ("goal_060", 1, 0)]
        for i, outcome in enumerate([Outcome.SUCCESS] * successes + [Outcome.FAILURE] * failures)
    ]
    anchors = ProblemBuilder(SUITE, config).build(checkpoint, [], tried, {}).anchors
    assert anchors is not None
    # Worth 3/10, 12/7 and 3 demonstrations, of which there is one: none, two, and one roll-out.
    wanted = np.repeat([GOALS["goal_030"], GOALS["goal_030"], GOALS["goal_060"]], 5, axis=0)
    np.testing.assert_allclose(anchors[:, 2:], wanted, atol=1e-6)
    assert len(np.unique(anchors[:10, 0])) == 2


def test_observations_of_a_network_are_z_scores_over_pretraining(tmp_path: Path) -> None:
    checkpoint = load(pretrained("mlp", tmp_path).uri)
    environment = make_environment(SUITE)
    shown = [demonstrate(environment, "goal_000", 0, "shown")]
    problem = ProblemBuilder(SUITE, CONFIG).build(checkpoint, shown, [], {})
    assert problem.anchors is not None
    np.testing.assert_allclose(problem.anchors[:, :2].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(problem.anchors[:, :2].std(axis=0), 1, atol=1e-5)


def test_features_with_moments_are_refused_with_what_to_set(tmp_path: Path) -> None:
    config = PretrainConfig(suite="integrator", policy="mlp", demonstrations=KNOWN, training=TRAINING)
    info = pretrain_checkpoint(config, tmp_path, processes=1)
    plan = Plan(suite="integrator", strategy="amf_gp", num_rounds=1)
    with pytest.raises(SelectionError, match="set uncertainty to 'inputs'"):
        run_local(plan, info.uri, tmp_path / "run", training=TRAINING)


def test_a_session_with_a_gaussian_process_learns_goals_it_did_not_know(tmp_path: Path) -> None:
    info = pretrained("gp", tmp_path / "pretrained")
    plan = Plan(
        suite="integrator", strategy="amf_gp", num_rounds=3, demonstrations_per_round=4, final_episodes=2
    )
    result, _ = run_in_memory(plan, load(info.uri), CONFIG, TRAINING)
    assert not {"goal_000", "goal_030"} & set(result.demonstrations[:8])
    policy, environment = load(info.uri).policy, make_environment(SUITE)
    knew = sum(run_policy(environment, policy, key, 9, "r").outcome is Outcome.SUCCESS for key in GOALS)
    knows = sum(successes for _, successes in result.evaluations.values())
    assert knew <= 3 and knows >= 16, (knew, knows)  # of 12, and of 24
