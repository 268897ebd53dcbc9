"""Goals proposed from the plane, not from the list: on the integrator, with a Gaussian process."""

from __future__ import annotations

import numpy as np
import pytest
from support.frames import spec_of, vectors

from amf_ros.core.config import GpConfig, SelectionConfig, TrainingConfig
from amf_ros.core.errors import NoEmbeddings
from amf_ros.core.values import Array, CheckpointInfo
from amf_ros.knowledge.parametric_tasks import Nearest, ParametricSuite, propose_task, rows_of
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.batches import make_steps
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.policies.gp import GpPolicy
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.selection.base import Problem
from amf_ros.selection.parametric import gains_of
from amf_ros.selection.strategies.amf_gp import AmfGp
from amf_ros.tasks.integrator import GOALS, IntegratorSuite

SUITE = IntegratorSuite()
TRAINING = TrainingConfig(chunk=1, gp=GpConfig(task_lengthscale=0.5, noise_variance=1e-3))
CONFIG = SelectionConfig(uncertainty="inputs", states_per_trajectory=4)
KNOWN = ("goal_000", "goal_030", "goal_060", "goal_150", "goal_240")


@pytest.fixture(scope="module")
def asked() -> tuple[GpPolicy, Problem, Nearest]:
    """A policy that knows five goals, the question, and the states that roll-outs of it visit."""
    environment = make_environment(SUITE)
    shown = [demonstrate(environment, key, i, key) for i, key in enumerate(KNOWN)]
    steps = make_steps(shown, SUITE.embedding, 1)
    names = SUITE.observation_names, SUITE.action_names, SUITE.embedding_names
    policy = GpPolicy.create(spec_of(*names, "hash", SUITE.fps, 1), steps, TRAINING, seed=0)
    policy.fit(steps, TRAINING)
    rollouts = [run_policy(environment, policy, key, 7, f"run_{key}", "pretrained") for key in GOALS]
    checkpoint = Checkpoint(CheckpointInfo("pretrained", "", "gp", 0, 0), policy)
    problem = ProblemBuilder(SUITE, CONFIG).build(checkpoint, [], rollouts, {})
    return policy, problem, Nearest(SUITE, {r.task_id: r.observations.flat() for r in rollouts}, count=4)


def gains(asked: tuple[GpPolicy, Problem, Nearest], goals: Array) -> Array:
    policy, problem, states = asked
    return gains_of(AmfGp(CONFIG), problem, rows_of(SUITE, policy, states, goals))


def test_the_proposed_goal_teaches_at_least_as_much_as_any_listed_one(
    asked: tuple[GpPolicy, Problem, Nearest],
) -> None:
    policy, problem, states = asked
    found = propose_task(SUITE, AmfGp(CONFIG), problem, policy, states, seed=0, population=8, generations=20)
    listed = gains(asked, np.array(list(GOALS.values())))
    assert found.score >= listed.max()
    assert (np.abs(found.parameters) <= 1).all()
    # Between goals nobody has shown, not beside one that is known.
    apart = np.linalg.norm(found.parameters - np.array([GOALS[key] for key in KNOWN]), axis=1)
    assert apart.min() > 0.5


def test_the_proposed_goal_is_the_best_of_a_fine_grid(asked: tuple[GpPolicy, Problem, Nearest]) -> None:
    policy, problem, states = asked
    found = propose_task(SUITE, AmfGp(CONFIG), problem, policy, states, seed=1, population=8, generations=20)
    axis = np.linspace(-1, 1, 17)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert found.score >= gains(asked, grid).max() * 0.995
    assert found.score == pytest.approx(gains(asked, found.parameters[None])[0], rel=1e-6)


def test_rows_are_expected_states_beside_the_new_embedding(asked: tuple[GpPolicy, Problem, Nearest]) -> None:
    policy, _, states = asked
    goals = np.array([[0.9, 0.1], [-0.2, 0.8]])
    rows = rows_of(SUITE, policy, states, goals)
    nearest = [states(np.array([GOALS[key]]))[0] for key in ("goal_000", "goal_090")]
    for got, where, goal in zip(rows, nearest, goals, strict=True):
        tasks = np.tile(goal, (4, 1)).astype(np.float32)
        np.testing.assert_allclose(got, policy.embed(vectors(where).float32(), tasks), rtol=1e-6)


def test_without_any_states_nothing_can_be_expected() -> None:
    assert isinstance(SUITE, ParametricSuite)
    with pytest.raises(NoEmbeddings, match="no task has states"):
        Nearest(SUITE, {"goal_000": np.zeros((0, 2))})
