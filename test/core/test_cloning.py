"""Behavioural cloning on a linear expert whose actions are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from support.frames import spec_of, vectors

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import DataError, TrainingDiverged
from amf_ros.core.values import Array, CheckpointInfo, Demonstration, Task
from amf_ros.learning.batches import make_steps
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.cloning import Progress, fine_tune, pretrain, train_anew
from amf_ros.policies.base import Trainable
from amf_ros.tasks.base import Suite

NUM_TASKS, D, A = 3, 4, 2
CONFIG = TrainingConfig(hidden=(64, 64), chunk=2, pretrain_steps=600, batch_size=64)
SPEC = spec_of(
    tuple(f"o{i}" for i in range(D)),
    action_names=tuple(f"a{i}" for i in range(A)),
    task_names=tuple(f"t{i}" for i in range(NUM_TASKS)),
    contract_hash="hash",
    fps=20.0,
    chunk=2,
)


class LinearSuite:
    """Each task's expert is a = K_task (o - goal_task); tasks are told apart by a one-hot."""

    name = "linear"

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.gains = rng.normal(size=(NUM_TASKS, A, D))
        self.tasks = tuple(Task(f"task{i}", f"task {i}", {}) for i in range(NUM_TASKS))

    def embedding(self, task_id: str) -> Array:
        return np.eye(NUM_TASKS)[int(task_id[4:])]

    def actions(self, task_id: str, observations: Array) -> Array:
        return observations @ self.gains[int(task_id[4:])].T

    def demonstration(self, task_id: str, seed: int, steps: int = 60) -> Demonstration:
        observations = np.random.default_rng(seed).normal(size=(steps, D))
        actions = self.actions(task_id, observations)
        stamps = np.arange(steps, dtype=np.int64) * 50_000_000
        return Demonstration(f"{task_id}_{seed}", task_id, vectors(observations), actions, stamps)


@pytest.fixture(scope="module")
def suite() -> Suite:
    return LinearSuite()  # type: ignore[return-value]


@pytest.fixture(scope="module")
def pretrained(suite: LinearSuite) -> Checkpoint:
    demos = [suite.demonstration(f"task{t}", seed) for t in (0, 1) for seed in range(12)]
    policy = pretrain(SPEC, demos, suite, CONFIG, seed=0)  # type: ignore[arg-type]
    return Checkpoint(CheckpointInfo("pre", "", "mlp", 0, 0), policy)


def error(suite: LinearSuite, policy: Trainable, task_id: str) -> float:
    """Mean absolute error of the first action on states nobody demonstrated, relative to its size."""
    observations = np.random.default_rng(99).normal(size=(200, D))
    tasks = np.tile(suite.embedding(task_id), (200, 1)).astype(np.float32)
    wanted = suite.actions(task_id, observations)
    got = policy.infer(vectors(observations).float32(), tasks)[:, 0]
    return float(np.abs(got - wanted).mean() / np.abs(wanted).mean())


def tensors_equal(one: Trainable, other: Trainable) -> bool:
    a, b = one.tensors(), other.tensors()
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_pretraining_learns_a_linear_expert(suite: LinearSuite, pretrained: Checkpoint) -> None:
    assert error(suite, pretrained.policy, "task0") < 0.2
    assert error(suite, pretrained.policy, "task1") < 0.2
    assert error(suite, pretrained.policy, "task2") > 0.6


def test_fine_tuning_teaches_a_new_task_and_keeps_old_ones(
    suite: LinearSuite, pretrained: Checkpoint
) -> None:
    before = error(suite, pretrained.policy, "task0")
    demos = [suite.demonstration("task2", seed) for seed in range(12)]
    tuned = fine_tune(pretrained, demos, suite, CONFIG, 600, seed=1)  # type: ignore[arg-type]
    assert error(suite, tuned, "task2") < 0.3
    assert error(suite, tuned, "task0") < before + 0.05
    without = CONFIG.model_copy(update={"prior": False})
    forgetful = fine_tune(pretrained, demos, suite, without, 600, seed=1)  # type: ignore[arg-type]
    assert error(suite, forgetful, "task0") > before + 0.2  # so the test above is about the prior


def test_second_fine_tuning_keeps_what_the_first_taught(suite: LinearSuite, pretrained: Checkpoint) -> None:
    demos = [suite.demonstration("task2", seed) for seed in range(12)]
    first = fine_tune(pretrained, demos, suite, CONFIG, 600, seed=1)  # type: ignore[arg-type]
    checkpoint = Checkpoint(pretrained.info, first)
    demos += [suite.demonstration("task0", seed) for seed in range(50, 53)]
    second = fine_tune(checkpoint, demos, suite, CONFIG, 600, seed=2)  # type: ignore[arg-type]
    assert error(suite, second, "task2") < 0.3
    assert error(suite, second, "task0") < 0.3
    assert error(suite, second, "task1") < error(suite, pretrained.policy, "task1") + 0.05


def test_fine_tuning_is_deterministic_by_seed(suite: LinearSuite, pretrained: Checkpoint) -> None:
    demos = [suite.demonstration("task2", 0)]
    one, same, other = (
        fine_tune(pretrained, demos, suite, CONFIG, 40, seed=s)  # type: ignore[arg-type]
        for s in (5, 5, 6)
    )
    assert tensors_equal(one, same)
    assert not tensors_equal(one, other)


def test_fine_tuning_starts_over_from_the_pretrained_policy(
    suite: LinearSuite, pretrained: Checkpoint
) -> None:
    """The result depends on pi_0, the demonstrations and the seed, not on the rounds before."""
    demos = [suite.demonstration("task2", 0)]
    first = Checkpoint(pretrained.info, fine_tune(pretrained, demos, suite, CONFIG, 30, seed=1))  # type: ignore[arg-type]
    demos.append(suite.demonstration("task0", 50))
    again = fine_tune(first, demos, suite, CONFIG, 30, seed=2)  # type: ignore[arg-type]
    direct = fine_tune(pretrained, demos, suite, CONFIG, 30, seed=2)  # type: ignore[arg-type]
    assert tensors_equal(again, direct)


def test_fine_tuning_leaves_the_checkpoint_as_it_was(suite: LinearSuite, pretrained: Checkpoint) -> None:
    before = {name: value.copy() for name, value in pretrained.policy.tensors().items()}
    fine_tune(pretrained, [suite.demonstration("task2", 0)], suite, CONFIG, 20, seed=0)  # type: ignore[arg-type]
    assert all(np.array_equal(value, before[name]) for name, value in pretrained.policy.tensors().items())


def test_cancel_keeps_what_was_reached(suite: LinearSuite, pretrained: Checkpoint) -> None:
    demos = [suite.demonstration("task2", seed) for seed in range(8)]
    seen: list[Progress] = []
    stopped = fine_tune(
        pretrained, demos, suite, CONFIG, 600, seed=1,  # type: ignore[arg-type]
        progress=seen.append, should_stop=lambda: len(seen) == 4,
    )  # fmt: skip
    assert [p.step for p in seen] == [50, 100, 150, 200]
    assert error(suite, stopped, "task2") < 0.8 * error(suite, pretrained.policy, "task2")


def test_progress_counts_up_to_the_end_with_falling_loss(suite: LinearSuite, pretrained: Checkpoint) -> None:
    seen: list[Progress] = []
    demos = [suite.demonstration("task2", seed) for seed in range(4)]
    fine_tune(pretrained, demos, suite, CONFIG, 320, seed=1, progress=seen.append)  # type: ignore[arg-type]
    assert seen[-1].step == seen[-1].num_steps == 320
    assert seen[-1].loss < 0.8 * seen[0].loss
    assert all(a.seconds <= b.seconds for a, b in zip(seen, seen[1:], strict=False))


def test_divergence_is_an_error_that_says_when(suite: LinearSuite, pretrained: Checkpoint) -> None:
    wild = CONFIG.model_copy(update={"learning_rate": 1e38})
    with pytest.raises(TrainingDiverged, match=r"at step \d+ of 50.*learning_rate"):
        fine_tune(pretrained, [suite.demonstration("task2", 0)], suite, wild, 50, seed=0)  # type: ignore[arg-type]


def test_each_kind_of_training_has_its_own_rate(suite: LinearSuite, pretrained: Checkpoint) -> None:
    demos = [suite.demonstration("task2", 0)]
    wild = CONFIG.model_copy(update={"pretrain_learning_rate": 1e38})
    tuned = fine_tune(pretrained, demos, suite, wild, 50, seed=0)  # type: ignore[arg-type]
    assert tensors_equal(tuned, fine_tune(pretrained, demos, suite, CONFIG, 50, seed=0))  # type: ignore[arg-type]
    with pytest.raises(TrainingDiverged, match="pretrain_learning_rate"):
        pretrain(SPEC, demos, suite, wild, seed=0)  # type: ignore[arg-type]
    with pytest.raises(TrainingDiverged, match="pretrain_learning_rate"):
        train_anew(pretrained, demos, suite, wild, 50, seed=0)  # type: ignore[arg-type]


def test_steps_say_which_demonstration_they_are_of(suite: LinearSuite) -> None:
    demos = [suite.demonstration("task2", seed, steps) for seed, steps in enumerate((3, 0, 1, 2))]
    steps = make_steps(demos, suite.embedding, chunk=1)
    assert steps.demonstrations is not None
    assert steps.demonstrations.tolist() == [0, 0, 0, 1, 2, 2]  # the empty one is none


def test_demonstrations_without_steps_or_with_nan_raise(suite: LinearSuite, pretrained: Checkpoint) -> None:
    empty = suite.demonstration("task2", 0, steps=0)
    with pytest.raises(DataError, match="no steps"):
        fine_tune(pretrained, [empty], suite, CONFIG, 10, seed=0)  # type: ignore[arg-type]
    broken = suite.demonstration("task2", 7)
    broken.observations.flat()[3, 1] = np.nan
    with pytest.raises(DataError, match="task2_7"):
        fine_tune(pretrained, [broken], suite, CONFIG, 10, seed=0)  # type: ignore[arg-type]


def test_embedding_stays_frozen_and_has_unit_norm(suite: LinearSuite, pretrained: Checkpoint) -> None:
    observations = vectors(np.random.default_rng(1).normal(size=(50, D))).float32()
    tasks = np.eye(NUM_TASKS, dtype=np.float32)[np.arange(50) % NUM_TASKS]
    before = pretrained.policy.embed(observations, tasks)
    assert before.shape == (50, CONFIG.hidden[-1] + 1)
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1.0, rtol=1e-5)
    demos = [suite.demonstration("task2", 0)]
    tuned = fine_tune(pretrained, demos, suite, CONFIG, 100, seed=0)  # type: ignore[arg-type]
    again = fine_tune(Checkpoint(pretrained.info, tuned), demos, suite, CONFIG, 100, seed=0)  # type: ignore[arg-type]
    assert np.array_equal(before, tuned.embed(observations, tasks))
    assert np.array_equal(before, again.embed(observations, tasks))
    assert not np.array_equal(pretrained.policy.infer(observations, tasks), again.infer(observations, tasks))
