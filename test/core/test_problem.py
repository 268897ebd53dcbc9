"""The question to a strategy, from checkpoint, demonstrations and roll-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from amf_ros.config import SelectionConfig
from amf_ros.errors import SelectionError, UnknownName
from amf_ros.policies.base import F32, PolicySpec
from amf_ros.selection.base import Problem
from amf_ros.training.checkpoints import Checkpoint
from amf_ros.training.problem import build_problem, coverage, evaluations_of
from amf_ros.types import Array, CheckpointInfo, Demonstration, Outcome, Rollout, Task

IDS = ("wipe", "pour", "stir")
CONFIG = SelectionConfig(states_per_trajectory=3, trajectories_per_task=2)


class Plain:
    """Features are [observation, task] themselves, so that every row tells where it comes from."""

    spec = PolicySpec(("x",), ("u",), IDS, "", 20.0, 1)

    def embed(self, observations: F32, tasks: F32) -> F32:
        return np.concatenate([observations, tasks], axis=1).astype(np.float32)

    def infer(self, observations: F32, tasks: F32) -> F32:
        return observations[:, None]

    def tensors(self) -> Mapping[str, Any]:
        return {}

    def settings(self) -> Mapping[str, Any]:
        return {}


class Kitchen:
    name = "kitchen"
    tasks = tuple(Task(task_id, task_id, {}) for task_id in IDS)
    embedding_names = IDS

    def embedding(self, task_id: str) -> Array:
        return np.eye(3)[IDS.index(task_id)]


def demo(task_id: str, *states: float) -> Demonstration:
    column = np.array(states, dtype=np.float64).reshape(-1, 1)
    return Demonstration(f"d_{task_id}", task_id, column, column, np.arange(len(states), dtype=np.int64))


def rollout(id: str, task_id: str, checkpoint_id: str, *states: float) -> Rollout:
    column = np.array(states, dtype=np.float64).reshape(-1, 1)
    return Rollout(id, task_id, column, Outcome.FAILURE, checkpoint_id, len(states))


CHECKPOINT = Checkpoint(CheckpointInfo("r2", "", "", 2, 0), Plain(), np.eye(4), {"wipe": 5})  # type: ignore[arg-type]


def build(demos: list[Demonstration], rollouts: list[Rollout], **changes: Any) -> Problem:
    arguments: dict[str, Any] = {"evaluations": {}, "config": CONFIG, **changes}
    checkpoint = arguments.pop("checkpoint", CHECKPOINT)
    evaluations = arguments.pop("evaluations")
    return build_problem(Kitchen(), checkpoint, demos, rollouts, evaluations, **arguments)  # type: ignore[arg-type]


def visited(problem: Problem, task_id: str) -> list[float]:
    (record,) = (task for task in problem.tasks if task.id == task_id)
    return record.states[:, 0].tolist()


def test_states_are_embedded_with_their_own_task() -> None:
    problem = build([demo("pour", 1, 2)], [])
    assert problem.tasks[1].states.tolist() == [[1, 0, 1, 0], [2, 0, 1, 0]]
    assert problem.demonstrated.tolist() == [[1, 0, 1, 0], [2, 0, 1, 0]]
    assert problem.tasks[0].states.shape == (0, 4)


def test_trajectories_are_thinned_evenly_from_first_to_last() -> None:
    problem = build([demo("pour", *range(7))], [])
    assert visited(problem, "pour") == [0, 3, 6]


def test_occupancy_is_the_newest_own_demonstrations_and_all_of_them_are_in_d() -> None:
    demos = [demo("pour", 1), demo("pour", 2), demo("wipe", 9), demo("pour", 3)]
    problem = build(demos, [rollout("e0", "pour", "r2", 77)])
    assert visited(problem, "pour") == [2, 3]
    assert problem.demonstrated[:, 0].tolist() == [1, 2, 9, 3]
    assert [task.num_demonstrations for task in problem.tasks] == [1, 3, 0]


def test_without_demonstrations_roll_outs_of_this_checkpoint_stand_in() -> None:
    made = [
        rollout("r1_e0", "pour", "r1", 1),
        rollout("r2_e0", "pour", "r2", 2),
        rollout("r3_e0", "pour", "r3", 3),
    ]
    assert visited(build([], made), "pour") == [2]


def test_else_those_of_the_newest_checkpoint_that_visited_the_task() -> None:
    made = [
        rollout("r1_e1", "stir", "r1", 11),
        rollout("r0_e0", "stir", "r0", 0),
        rollout("r1_e0", "stir", "r1", 10),
    ]
    assert visited(build([], made), "stir") == [10, 11]
    assert visited(build([], list(reversed(made))), "stir") == [10, 11]


def test_coverage_weighs_a_pretraining_demonstration_like_one_collected_since() -> None:
    shown = [demo("pour", 1, 2, 3)]
    covered = replace(CHECKPOINT, coverage=coverage(Plain(), shown, Kitchen()))  # type: ignore[arg-type]
    told = build([], [], checkpoint=covered).coverage
    since = build(shown, []).demonstrated
    assert told is not None
    np.testing.assert_allclose(told, since.T @ since, rtol=1e-6)


def test_coverage_of_demonstrations_is_the_sum_of_their_mean_squares() -> None:
    got = coverage(Plain(), [demo("wipe", 1, 3), demo("pour", 2)], Kitchen())  # type: ignore[arg-type]
    wipe = np.array([[5, 2, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    pour = np.array([[4, 0, 2, 0], [0, 0, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(got, wipe + pour)


def test_pretraining_counts_are_known_only_where_the_checkpoint_says_so() -> None:
    assert [task.num_pretraining for task in build([], []).tasks] == [5, 0, 0]
    silent = replace(CHECKPOINT, pretraining={}, coverage=None)
    problem = build([], [], checkpoint=silent)
    assert [task.num_pretraining for task in problem.tasks] == [None] * 3
    assert problem.coverage is None


def test_candidates_targets_and_evaluations_are_passed_on_in_the_suites_order() -> None:
    problem = build(
        [], [], candidates=("stir", "wipe"), targets=("pour", "wipe"), weights=(3, 1), num_tasks=2, seed=5,
        evaluations={"pour": (4, 1)},
    )  # fmt: skip
    assert problem.candidates == ("wipe", "stir")
    assert problem.targets == {"wipe": 0.25, "pour": 0.75}
    assert (problem.num_tasks, problem.seed) == (2, 5)
    assert (problem.tasks[1].num_episodes, problem.tasks[1].num_successes) == (4, 1)


def test_evaluations_count_one_checkpoints_roll_outs() -> None:
    made = [rollout("a", "pour", "r2", 1), rollout("b", "pour", "r1", 1), rollout("c", "wipe", "r2", 1)]
    made.append(replace(made[0], id="d", outcome=Outcome.SUCCESS))
    assert evaluations_of(made, "r2") == {"pour": (2, 1), "wipe": (1, 0)}


@pytest.mark.parametrize("where", ["candidates", "targets", "demonstrations", "rollouts"])
def test_a_task_outside_the_suite_is_named(where: str) -> None:
    with pytest.raises(UnknownName, match="'stirr'.*did you mean 'stir'"):
        if where == "demonstrations":
            build([demo("stirr", 1)], [])
        elif where == "rollouts":
            build([], [rollout("e", "stirr", "r2", 1)])
        else:
            build([], [], **{where: ("stirr",)})


def test_num_tasks_below_one_is_refused() -> None:
    with pytest.raises(SelectionError, match="num_tasks is 0"):
        build([], [], num_tasks=0)
