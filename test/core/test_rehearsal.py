"""Rehearsal: which roll-outs are lessons, with whose labels, and that they keep what was known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amf_ros.policies.base import Policy
from amf_ros.training.checkpoints import Checkpoint, load, save
from amf_ros.training.cloning import fine_tune, pretrain
from amf_ros.training.rehearsal import lessons
from amf_ros.training.tuning import tune
from amf_ros.types import Outcome, Rollout
from test.core.test_cloning import CONFIG, SPEC, A, D, LinearSuite, error


@pytest.fixture(scope="module")
def suite() -> LinearSuite:
    return LinearSuite()


@pytest.fixture(scope="module")
def root(suite: LinearSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose pre-trained policy knows tasks 0 and 1, and whose first round learned task 2 too."""
    folder = tmp_path_factory.mktemp("run")
    known = [suite.demonstration(f"task{t}", seed) for t in (0, 1) for seed in range(12)]
    policy = pretrain(SPEC, known, suite, CONFIG, seed=0)  # type: ignore[arg-type]
    save(folder, "pretrained", policy, round=0, num_demonstrations=24)
    tuned = fine_tune(load(folder / "pretrained"), [suite.demonstration("task2", 0)], suite, CONFIG, 50, 1)  # type: ignore[arg-type]
    save(folder, "round_0001", tuned, round=1, num_demonstrations=1)
    return folder


def rollout(name: str, task_id: str, checkpoint_id: str, outcome: Outcome = Outcome.SUCCESS) -> Rollout:
    observations = np.random.default_rng(len(name) + ord(name[-1])).normal(size=(30, D))
    return Rollout(name, task_id, observations, outcome, checkpoint_id, len(observations))


def labels(policy: Policy, suite: LinearSuite, made: Rollout) -> np.ndarray:
    tasks = np.tile(suite.embedding(made.task_id), (len(made.observations), 1)).astype(np.float32)
    return policy.infer(made.observations.astype(np.float32), tasks)


def test_lessons_are_successes_labelled_by_the_policy_that_made_them(suite: LinearSuite, root: Path) -> None:
    old, new = rollout("a", "task0", "pretrained"), rollout("b", "task2", "round_0001")
    failed = rollout("c", "task1", "pretrained", Outcome.FAILURE)
    steps = lessons([new, failed, old], load(root / "round_0001"), root, suite, per_task=4)  # type: ignore[arg-type]
    assert steps is not None and len(steps) == 60 and steps.chunks.shape == (60, SPEC.chunk, A)
    assert np.array_equal(steps.chunks[:30], labels(load(root / "pretrained").policy, suite, old))
    assert np.array_equal(steps.chunks[30:], labels(load(root / "round_0001").policy, suite, new))
    assert steps.valid.all() and np.array_equal(steps.tasks[0], suite.embedding("task0"))


def test_the_newest_of_each_task_are_taken_and_later_rounds_left_out(suite: LinearSuite, root: Path) -> None:
    made = [rollout(name, "task0", "pretrained") for name in "abc"] + [rollout("0", "task0", "round_0001")]
    after_one = lessons(made, load(root / "round_0001"), root, suite, per_task=2)  # type: ignore[arg-type]
    assert after_one is not None and len(after_one) == 60
    assert np.array_equal(after_one.observations[:30], made[2].observations.astype(np.float32))
    assert np.array_equal(after_one.observations[30:], made[3].observations.astype(np.float32))
    again = lessons(made, load(root / "pretrained"), root, suite, per_task=2)  # type: ignore[arg-type]
    assert again is not None
    assert np.array_equal(again.observations[30:], made[2].observations.astype(np.float32))


@pytest.mark.parametrize("per_task", [0, 4])
def test_no_lessons_without_usable_rollouts(suite: LinearSuite, root: Path, per_task: int) -> None:
    useless = [
        rollout("a", "task0", "pretrained", Outcome.FAILURE if per_task else Outcome.SUCCESS),
        rollout("b", "task0", "of_another_run"),
        rollout("c", "task9", "pretrained"),
    ]
    assert lessons(useless, load(root / "pretrained"), root, suite, per_task) is None  # type: ignore[arg-type]


def test_rehearsal_keeps_a_task_that_one_new_demonstration_would_spoil(
    suite: LinearSuite, root: Path, tmp_path: Path
) -> None:
    pretrained = load(root / "pretrained")
    demos = [suite.demonstration("task0", 77, steps=8), suite.demonstration("task2", 78)]
    made = [rollout(name, "task0", "pretrained") for name in "abcd"]

    def after(rollouts: list[Rollout]) -> Checkpoint:
        at = tmp_path / str(len(rollouts))
        save(at, "pretrained", pretrained.policy, round=0, num_demonstrations=24)
        tuned = tune(pretrained, demos, suite, CONFIG, at, round=1, seed=0, num_steps=400, rollouts=rollouts)  # type: ignore[arg-type]
        return load(tuned.checkpoint.uri)

    alone, rehearsed = after([]).policy, after(made).policy
    before = error(suite, pretrained.policy, "task0")
    assert error(suite, rehearsed, "task0") - before < 0.5 * (error(suite, alone, "task0") - before)
    assert error(suite, rehearsed, "task2") < 0.6 * error(suite, pretrained.policy, "task2")
