"""Occupancies: which states stand for a task, and what they weigh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.frames import spec_of, steps_of, vectors

from amf_ros.core.config import SelectionConfig, TrainingConfig
from amf_ros.core.errors import ConfigError, UnknownName
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, CheckpointInfo, Demonstration, Outcome, Rollout, Task
from amf_ros.knowledge import occupancy
from amf_ros.knowledge.occupancy import Evidence, Occupied
from amf_ros.knowledge.problem import build_problem
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.policies.base import F32
from amf_ros.policies.mlp import MlpPolicy
from amf_ros.selection.base import Problem

IDS = ("wipe", "pour", "stir")
SPEC = spec_of(("x", "y"), ("u",), IDS, "", 20.0, 2)


class Kitchen:
    name = "kitchen"
    tasks = tuple(Task(task_id, task_id, {}) for task_id in IDS)
    embedding_names = IDS

    def embedding(self, task_id: str) -> Array:
        return np.eye(3)[IDS.index(task_id)]


def make_policy() -> MlpPolicy:
    rng = np.random.default_rng(0)
    arrays = (
        rng.normal(size=(9, 2)),
        np.eye(3)[np.arange(9) % 3],
        rng.normal(size=(9, 2, 1)),
        np.ones((9, 2)),
    )
    steps = steps_of(*arrays)
    return MlpPolicy.create(SPEC, steps, TrainingConfig(hidden=(8,), chunk=2), seed=0)


POLICY = make_policy()
CHECKPOINT = Checkpoint(CheckpointInfo("r2", "", "", 2, 0), POLICY)


def demo(id: str, task_id: str, steps: int = 4) -> Demonstration:
    rng = np.random.default_rng(sum(id.encode()))
    return Demonstration(
        id, task_id, vectors(rng.normal(size=(steps, 2))), rng.normal(size=(steps, 1)), np.arange(steps)
    )


def rollout(id: str, task_id: str, checkpoint_id: str = "r2") -> Rollout:
    states = np.random.default_rng(sum(id.encode())).normal(size=(3, 2))
    return Rollout(id, task_id, vectors(states), Outcome.FAILURE, checkpoint_id, 3)


def of(
    rule: Any, task_id: str, demos: list[Demonstration], rollouts: list[Rollout], **config: Any
) -> Occupied:
    settings = SelectionConfig(trajectories_per_task=2, task_weight=0.0, anchors=False, **config)
    found: Occupied = rule(
        Evidence(Kitchen(), CHECKPOINT, tuple(demos), tuple(rollouts), settings)  # type: ignore[arg-type]
    ).of(task_id)
    return found


def ids(occupied: Occupied) -> list[str]:
    return [trajectory.id for trajectory in occupied.trajectories]


DEMOS = [demo("d1", "pour"), demo("d2", "wipe"), demo("d3", "pour"), demo("d4", "pour")]
VISITED = [rollout("e1", "pour", "r1"), rollout("e2", "pour"), rollout("e0", "stir", "r1")]


@pytest.mark.parametrize(
    ("rule", "pour", "wipe", "stir"),
    [
        (occupancy.OwnDemonstrations, ["d3", "d4"], ["d2"], ["e0"]),
        (occupancy.Visited, ["e2"], ["d2"], ["e0"]),
        (occupancy.Mixture, ["d3", "d4", "e2"], ["d2"], ["e0"]),
    ],
)
def test_which_trajectories_stand_for_a_task(
    rule: Any, pour: list[str], wipe: list[str], stir: list[str]
) -> None:
    for task_id, wanted in (("pour", pour), ("wipe", wipe), ("stir", stir)):
        assert ids(of(rule, task_id, DEMOS, VISITED)) == wanted
    assert ids(of(rule, "stir", DEMOS, [])) == []


def test_a_mixture_gives_each_kind_half_the_weight() -> None:
    assert of(occupancy.Mixture, "pour", DEMOS, VISITED).masses == (0.25, 0.25, 0.5)
    assert of(occupancy.Mixture, "stir", DEMOS, VISITED).masses is None


def log_density(demonstration: Demonstration, task_id: str, variance: float) -> float:
    """Of the shown actions under pi(. | s, task), in standardised units, up to a constant."""
    observations = demonstration.observations.float32()
    tasks: F32 = np.tile(Kitchen().embedding(task_id), (len(observations), 1)).astype(np.float32)
    std = POLICY.tensors()["outputs.std"]
    error = (POLICY.infer(observations, tasks)[:, 0] - demonstration.actions) / std
    return float(-np.square(error).sum() / (2 * variance))


def test_importance_weights_are_likelihood_ratios_of_the_current_policy() -> None:
    variance = 3.0
    for task_id in IDS:
        ratios = np.array(
            [log_density(d, task_id, variance) - log_density(d, d.task_id, variance) for d in DEMOS]
        )
        weights = np.exp(ratios) / np.exp(ratios).sum()
        got = of(occupancy.Importance, task_id, DEMOS, VISITED, importance_variance=variance)
        assert ids(got) == ["d1", "d2", "d3", "d4"]
        assert got.masses == pytest.approx(tuple(weights), rel=1e-3)
        assert got.effective == pytest.approx(1 / np.square(weights).sum(), rel=1e-3)


def test_collapsed_importance_falls_back_to_own_demonstrations_and_says_how_many_counted() -> None:
    got = of(occupancy.Importance, "stir", DEMOS[:1], VISITED)
    assert ids(got) == ["e0"] and got.masses is None and got.effective == 1.0
    sharp = of(occupancy.Importance, "pour", DEMOS, VISITED, importance_variance=1e-6)
    assert sharp.effective >= 1.0
    nothing = of(occupancy.Importance, "stir", [], VISITED)
    assert ids(nothing) == ["e0"] and nothing.effective == 0.0


def test_ratios_are_remembered_until_a_demonstration_is_recorded_again() -> None:
    evidence = Evidence(Kitchen(), CHECKPOINT, tuple(DEMOS), (), SelectionConfig())  # type: ignore[arg-type]
    first = occupancy.Importance(evidence).of("wipe")
    kept = dict(evidence.memory)
    assert len(kept) == 4
    again = occupancy.Importance(evidence).of("wipe")
    assert again == first and all(evidence.memory[key] is value for key, value in kept.items())
    changed = replace(evidence, demonstrations=(replace(demo("x", "pour"), id="d1"), *DEMOS[1:]))
    assert occupancy.Importance(changed).of("wipe").masses != first.masses


def build(name: str, checkpoint: Checkpoint = CHECKPOINT) -> Problem:
    config = SelectionConfig(
        task_weight=0.0, occupancy=name, states_per_trajectory=2, importance_variance=3.0
    )
    return build_problem(Kitchen(), checkpoint, DEMOS, VISITED, {}, config=config)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["demonstrations", "rollouts", "mixture", "importance"])
def test_each_is_found_by_name_and_gives_a_problem_with_states_of_all_tasks(name: str) -> None:
    problem = build(name)
    for task in problem.tasks:
        assert len(task.states) and (task.weights is None or len(task.weights) == len(task.states))
        assert np.isnan(task.effective_sample_size) == (name != "importance")


def test_weights_are_shared_among_the_states_of_a_trajectory() -> None:
    pour = build("mixture").tasks[1]
    assert pour.weights is not None  # three demonstrations and one roll-out, of two states each
    np.testing.assert_allclose(pour.weights, [1 / 12] * 6 + [1 / 4] * 2, rtol=1e-6)
    stir = build("importance").tasks[2]
    assert stir.weights is not None and stir.weights.sum() == pytest.approx(1, abs=1e-2)
    # Others' demonstrations are embedded as this task's: what the policy would feel there.
    tasks = np.tile(Kitchen().embedding("stir"), (2, 1)).astype(np.float32)
    first = POLICY.embed(DEMOS[0].observations[np.array([0, 3])].float32(), tasks)
    np.testing.assert_array_equal(stir.states[:2], first)


class Plain:
    spec = SPEC

    def embed(self, observations: Frames, tasks: F32) -> F32:
        return observations.flat()

    def infer(self, observations: Frames, tasks: F32) -> F32:
        return np.zeros((len(observations), 2, 1), np.float32)


def test_importance_needs_a_policy_that_says_its_units_and_names_are_checked() -> None:
    with pytest.raises(ConfigError, match="'importance' needs.*standardise.*Plain"):
        build("importance", replace(CHECKPOINT, policy=Plain()))  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="occupancy 'mixtur'.*did you mean 'mixture'"):
        build("mixtur")
