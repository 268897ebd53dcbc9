"""Whatever the uncertainty model: a task that pre-training did not show is the one to demonstrate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.frames import spec_of, vectors

from amf_ros.core.config import SelectionConfig, TrainingConfig
from amf_ros.core.values import Array, CheckpointInfo, Demonstration, Outcome, Rollout, Task
from amf_ros.knowledge.cover import cover
from amf_ros.knowledge.problem import build_problem
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.cloning import pretrain
from amf_ros.selection.strategies.amf import Amf

IDS = ("wipe", "pour", "stir")  # the last one is unseen
MODELS = ("features", "loss_gradient", "loss_gradient_predictive", "full_gradient", "dropout", "ensemble")
SPEC = spec_of(tuple("abcd"), ("u", "v"), IDS, "", 20.0, 2)
MOVES = np.random.default_rng(0).normal(size=(3, 4, 2))


class Kitchen:
    name = "kitchen"
    tasks = tuple(Task(task_id, task_id, {}) for task_id in IDS)
    embedding_names = IDS

    def embedding(self, task_id: str) -> Array:
        return np.eye(3)[IDS.index(task_id)]


def demo(rng: np.random.Generator, number: int, task_id: str) -> Demonstration:
    states, stamps = rng.normal(size=(40, 4)), np.arange(40) * 10**8
    return Demonstration(
        f"{task_id}{number}", task_id, vectors(states), states @ MOVES[IDS.index(task_id)], stamps
    )


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    rng = np.random.default_rng(1)
    demos = [demo(rng, number, task_id) for task_id in IDS[:2] for number in range(6)]
    config = TrainingConfig(hidden=(32, 32), chunk=2, pretrain_steps=300)
    policy = pretrain(SPEC, demos, Kitchen(), config, 0)  # type: ignore[arg-type]
    covered = cover(policy, demos, Kitchen(), MODELS)  # type: ignore[arg-type]
    return Checkpoint(CheckpointInfo("pretrained", "", "", 0, 0), policy, covered, {"wipe": 6, "pour": 6})


def scores(checkpoint: Checkpoint, **settings: Any) -> dict[str, float]:
    rng = np.random.default_rng(2)
    tried = [
        Rollout(
            f"e{number}_{task_id}",
            task_id,
            vectors(rng.normal(size=(30, 4))),
            Outcome.FAILURE if task_id == "stir" else Outcome.SUCCESS,
            "pretrained",
            30,
        )
        for task_id in IDS
        for number in range(2)
    ]
    plain = {"task_weight": 0.0, "anchors": False, "noise_variance": 0.1}
    config = SelectionConfig(**{**plain, **settings})
    problem = build_problem(Kitchen(), checkpoint, [], tried, {}, config=config)  # type: ignore[arg-type]
    return {score.task_id: score.score for score in Amf(config).select(problem).scores}


@pytest.mark.parametrize("model", MODELS)
def test_coverage_or_anchors_tell_the_unseen_task(checkpoint: Checkpoint, model: str) -> None:
    # Drawn labels are noise in the features, and dropout's have no bias: those need a task part to be sure.
    task_weight = 0.0 if model in ("features", "full_gradient", "ensemble") else 0.3
    for known in ({"coverage": True}, {"coverage": False, "anchors": True}):
        found = scores(checkpoint, uncertainty=model, task_weight=task_weight, **known)
        assert max(found, key=found.__getitem__) == "stir"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("known", [{"coverage": True}, {"coverage": False, "anchors": True}])
def test_a_task_part_sets_it_further_apart(checkpoint: Checkpoint, model: str, known: dict[str, Any]) -> None:
    def margin(task_weight: float) -> float:
        found = scores(checkpoint, uncertainty=model, task_weight=task_weight, **known)
        return found["stir"] / max(found["wipe"], found["pour"])

    assert margin(0.3) > 1.5 * margin(0.0)


def test_without_coverage_and_anchors_nothing_tells_what_was_learned_before(checkpoint: Checkpoint) -> None:
    """The trial's finding, and why the paper's embedding alone only ties uniform."""
    found = scores(checkpoint, coverage=False)
    assert found["stir"] < 2 * min(found.values())
