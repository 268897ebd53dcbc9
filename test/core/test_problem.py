"""The question to a strategy, from checkpoint, demonstrations and roll-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.frames import spec_of, vectors

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import CheckpointError, SelectionError, UnknownName
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, CheckpointInfo, Demonstration, Outcome, Rollout, Task
from amf_ros.knowledge.anchors import HALF_KNOWN, anchor_demonstrations
from amf_ros.knowledge.cover import cover
from amf_ros.knowledge.evaluations import evaluations_of, standing
from amf_ros.knowledge.problem import ProblemBuilder, build_problem
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.coverage import Coverage
from amf_ros.policies.base import F32
from amf_ros.selection.base import Problem
from amf_ros.selection.costs import demonstration_seconds
from amf_ros.selection.strategies.amf import Amf

IDS = ("wipe", "pour", "stir")
CONFIG = SelectionConfig(
    states_per_trajectory=3, trajectories_per_task=2, task_weight=0.0, anchors=False, noise_variance=0.1
)


class Plain:
    """Features are [observation, task] themselves, so that every row tells where it comes from."""

    spec = spec_of(("x",), ("u",), IDS, "", 20.0, 1)

    def embed(self, observations: Frames, tasks: F32) -> F32:
        return np.concatenate([observations.flat(), tasks], axis=1).astype(np.float32)

    def infer(self, observations: Frames, tasks: F32) -> F32:
        return observations.flat()[:, None]

    def tensors(self) -> Mapping[str, Any]:
        return {}

    def settings(self) -> Mapping[str, Any]:
        return {}


class Counting(Plain):
    rows = 0  # embedded by all of them

    def embed(self, observations: Frames, tasks: F32) -> F32:
        Counting.rows += len(observations)
        return super().embed(observations, tasks)


class Kitchen:
    name = "kitchen"
    tasks = tuple(Task(task_id, task_id, {}) for task_id in IDS)
    embedding_names = IDS

    def embedding(self, task_id: str) -> Array:
        return np.eye(3)[IDS.index(task_id)]


def demo(task_id: str, *states: float) -> Demonstration:
    column = np.array(states, dtype=np.float64).reshape(-1, 1)
    stamps = np.arange(len(states), dtype=np.int64) * 10**9
    return Demonstration(f"d_{task_id}", task_id, vectors(column), column, stamps)


def rollout(
    id: str, task_id: str, checkpoint_id: str, *states: float, outcome: Outcome = Outcome.FAILURE
) -> Rollout:
    column = np.array(states, dtype=np.float64).reshape(-1, 1)
    return Rollout(id, task_id, vectors(column), outcome, checkpoint_id, len(states))


SEEN = {"features": Coverage(np.diag(np.arange(1.0, 8.0)))}  # of [observation, task, task / |task|]
CHECKPOINT = Checkpoint(CheckpointInfo("r2", "", "", 2, 0), Plain(), SEEN, {"wipe": 5})  # type: ignore[arg-type]

BARE = replace(CHECKPOINT, coverage={})


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
    covered = replace(CHECKPOINT, coverage=cover(Plain(), shown, Kitchen()))  # type: ignore[arg-type]
    for share in (0.0, 0.3):
        config = CONFIG.model_copy(update={"task_weight": share})
        problem = build(shown, [], checkpoint=covered, config=config)
        assert problem.coverage is not None
        since = problem.demonstrated.astype(np.float64)
        np.testing.assert_allclose(problem.coverage, since.T @ since, rtol=1e-5, atol=1e-6)


def test_coverage_of_demonstrations_is_the_sum_of_their_mean_squares() -> None:
    got = cover(Plain(), [demo("wipe", 1, 3), demo("pour", 2)], Kitchen())["features"]  # type: ignore[arg-type]
    wipe = np.array([[5, 2, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    pour = np.array([[4, 0, 2, 0], [0, 0, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(got.moments[:4, :4], wipe + pour)
    np.testing.assert_allclose(got.moments[4:, 4:], np.diag([1, 1, 0]))  # the task part: e e^T of each
    np.testing.assert_allclose(got.moments[0, 4:], [2, 2, 0])


def test_pretraining_counts_are_known_only_where_the_checkpoint_says_so() -> None:
    assert [task.num_pretraining for task in build([], []).tasks] == [5, 0, 0]
    silent = replace(CHECKPOINT, pretraining={}, coverage={})
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


def test_roll_outs_of_a_checkpoint_that_was_replaced_count_for_nothing() -> None:
    old, kept = rollout("a", "wipe", "r2", 1), replace(rollout("b", "wipe", "r2", 1), fingerprint="now")
    gone = replace(rollout("c", "wipe", "r2", 1, outcome=Outcome.SUCCESS), fingerprint="before")
    away = replace(rollout("d", "pour", "r1", 1), fingerprint="before")
    left = standing([old, gone, kept, away], {"r2": "now"})
    assert left == [old, kept, away]
    assert evaluations_of(left, "r2") == {"wipe": (2, 0)}


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


def test_task_weight_is_the_share_that_the_embedding_has_of_the_kernel() -> None:
    shown = [demo("pour", 1, 2), demo("wipe", 3)]
    plain = build(shown, [])
    mixed = build(shown, [], config=CONFIG.model_copy(update={"task_weight": 0.25}), checkpoint=BARE)
    # Mean |phi|^2 over the tasks' states: pour (1 + 1 + 4 + 1) / 2, wipe 9 + 1.
    scale = np.sqrt((3.5 + 10) / 2)
    for one, other in zip(plain.tasks[:2], mixed.tasks[:2]):
        np.testing.assert_allclose(other.states[:, :4], one.states * np.sqrt(0.75) / scale, rtol=1e-6)
        np.testing.assert_allclose(np.square(other.states[:, 4:]).sum(axis=1), 0.25, rtol=1e-6)
    wiped, poured = mixed.tasks[0].states[:, 4:], mixed.tasks[1].states[:, 4:]
    assert np.array_equal(wiped @ poured.T, np.zeros((1, 2)))  # of different tasks: unrelated
    squares = [np.square(task.states, dtype=np.float64).sum(axis=1).mean() for task in mixed.tasks[:2]]
    assert np.mean(squares) == pytest.approx(1)


def test_old_coverage_without_a_task_part_is_refused_with_a_task_weight() -> None:
    old = replace(CHECKPOINT, coverage={"features": Coverage(np.eye(4))})
    assert build([], [], checkpoint=old).coverage is not None
    with pytest.raises(CheckpointError, match="no moments of the task embedding.*task_weight"):
        build([], [], checkpoint=old, config=CONFIG.model_copy(update={"task_weight": 0.1}))


def test_coverage_can_be_left_out_and_must_be_there_for_the_model_otherwise() -> None:
    assert build([], [], config=CONFIG.model_copy(update={"coverage": False})).coverage is None
    other = replace(CHECKPOINT, coverage={"ensemble": Coverage(np.eye(4))})
    with pytest.raises(CheckpointError, match="no coverage of 'features', only of ensemble"):
        build([], [], checkpoint=other)
    config = CONFIG.model_copy(update={"coverage": False})
    assert build([], [], checkpoint=other, config=config).coverage is None


def test_anchors_are_states_of_the_first_checkpoints_successes() -> None:
    made = [
        rollout("a", "pour", "lab", *range(7), outcome=Outcome.SUCCESS),
        rollout("b", "wipe", "lab", 50),
        rollout("c", "wipe", "round_0001", 60, outcome=Outcome.SUCCESS),
    ]
    assert build([], made).anchors is None
    config = CONFIG.model_copy(update={"anchors": True})
    for problem in (
        build([], made, config=config),
        build([], made, config=config, first_checkpoint_id="lab"),
    ):
        assert problem.anchors is not None
        states = np.array([[0, 0, 1, 0], [3, 0, 1, 0], [6, 0, 1, 0]])
        np.testing.assert_allclose(problem.anchors, np.sqrt(HALF_KNOWN) * states, rtol=1e-6)
        assert [(t.num_audited, t.num_audit_successes) for t in problem.tasks] == [(1, 0), (1, 1), (0, 0)]
    none = build([], made, config=config, first_checkpoint_id="other")
    assert none.anchors is not None and none.anchors.shape == (0, 4)


def audit(**outcomes: tuple[int, int]) -> list[Rollout]:
    """(successes, failures) of each task."""
    return [
        rollout(f"{task_id}_{i:02d}", task_id, "lab", *range(i, i + 3), outcome=outcome)
        for task_id, (successes, failures) in outcomes.items()
        for i, outcome in enumerate([Outcome.SUCCESS] * successes + [Outcome.FAILURE] * failures)
    ]


def test_anchors_of_a_task_count_for_its_rate_and_not_for_its_successes() -> None:
    config = CONFIG.model_copy(update={"anchors": True})
    problem = build([], audit(wipe=(4, 6), pour=(2, 0), stir=(0, 10)), config=config)
    assert problem.anchors is not None
    squared = np.square(problem.anchors[:, 1:], dtype=np.float64).sum(axis=0) / config.states_per_trajectory
    wanted = [anchor_demonstrations(4, 6), anchor_demonstrations(2, 0), 0]
    np.testing.assert_allclose(squared, wanted, rtol=1e-6)
    # All successes of a task count alike, with their own states.
    scale = np.sqrt(wanted[0] / 4)
    wiped = problem.anchors[problem.anchors[:, 1] > 0]
    np.testing.assert_allclose(wiped[:, 0] / scale, [i + j for i in range(4) for j in range(3)], rtol=1e-6)


@pytest.mark.parametrize("episodes", [2, 4, 10, 40])
def test_a_task_that_half_works_comes_before_one_that_works_and_after_one_that_does_not(
    episodes: int,
) -> None:
    config = CONFIG.model_copy(update={"anchors": True, "coverage": False})
    half = episodes // 2
    tried = audit(wipe=(2, 0), pour=(half, half), stir=(0, 2))
    at_rest = [replace(r, observations=vectors(np.zeros((3, 1)))) for r in tried]  # states tell nothing
    chosen = Amf(config).select(build([], at_rest, config=config, num_tasks=3))
    assert [score.task_id for score in chosen.scores] == ["stir", "pour", "wipe"]


def test_anchors_stay_the_same_object_until_an_audit_episode_comes_in() -> None:
    config = CONFIG.model_copy(update={"anchors": True})
    builder = ProblemBuilder(Kitchen(), config)  # type: ignore[arg-type]
    tried = audit(wipe=(3, 1), pour=(1, 1))
    first, again = (builder.build(CHECKPOINT, [], tried, {}) for _ in range(2))
    assert first.anchors is not None and first.anchors is again.anchors
    assert not first.anchors.flags.writeable
    failed = rollout("wipe_99", "wipe", "lab", 7, outcome=Outcome.FAILURE)
    less = builder.build(CHECKPOINT, [], [*tried, failed], {}).anchors
    assert less is not None and np.linalg.norm(less) < np.linalg.norm(first.anchors)


def test_demonstrations_cost_their_time_with_resets_and_failed_attempts() -> None:
    shown = [demo("pour", *range(11))]  # 10 s
    config = CONFIG.model_copy(update={"reset_s": 5.0})
    tried = {"pour": [(10.0, True), (20.0, False)], "stir": [(10.0, True)]}
    for problem, attempts in (
        (build(shown, [], config=config), {"pour": [(10.0, True)]}),
        (build(shown, [], config=config, attempts=tried), tried),
    ):
        wanted = demonstration_seconds({key: attempts.get(key, ()) for key in IDS}, 5.0)
        assert {task.id: task.demonstration_s for task in problem.tasks} == pytest.approx(wanted)
    assert all(np.isnan(task.demonstration_s) for task in build([], []).tasks)


def test_loss_is_the_mean_error_of_the_current_policy_on_the_tasks_own_demonstrations() -> None:
    # Plain answers with the observation: shown actions are off by 1, 2 and by 4.
    first = replace(demo("pour", 1, 2), actions=np.array([[2.0], [4.0]]))
    second = replace(demo("pour", 5), id="second", actions=np.array([[9.0]]))
    problem = build([first, second], [])
    assert problem.tasks[1].loss == pytest.approx((1 + 2 + 4) / 3)
    assert np.isnan(problem.tasks[0].loss)


def test_what_did_not_change_is_the_same_array_again_and_only_what_is_new_is_embedded() -> None:
    builder = ProblemBuilder(Kitchen(), CONFIG)  # type: ignore[arg-type]
    made, shown = [rollout("a", "stir", "r1", 4, 5)], [demo("pour", 1, 2)]

    def ask(checkpoint_id: str) -> Problem:
        info = CheckpointInfo(checkpoint_id, "", "", 2, 0)
        return builder.build(replace(CHECKPOINT, info=info, policy=Counting()), shown, made, {})  # type: ignore[arg-type]

    first = ask("r2")
    Counting.rows = 0
    again = ask("r3")  # another policy of the same pi_0
    assert Counting.rows == 2 * 8  # only to find out that it is the same
    assert all(a.states is b.states for a, b in zip(first.tasks, again.tasks))
    assert again.demonstrated is first.demonstrated and again.coverage is first.coverage
    with pytest.raises(ValueError, match="read-only"):
        again.demonstrated[0, 0] = 1

    shown.append(replace(demo("pour", 7), id="new"))
    Counting.rows = 0
    third = ask("r3")
    assert Counting.rows == 2 * 8 + 1
    assert third.tasks[2].states is first.tasks[2].states
    assert third.demonstrated[:, 0].tolist() == [1, 2, 7] == visited(third, "pour")

    shown[0] = demo("pour", 3, 2)  # recorded again under its id
    assert ask("r3").demonstrated[:, 0].tolist() == [3, 2, 7]


def test_only_a_new_audit_episode_is_embedded_where_anchors_and_task_part_are_made_of_all() -> None:
    config = CONFIG.model_copy(update={"anchors": True, "task_weight": 0.5})
    builder = ProblemBuilder(Kitchen(), config)  # type: ignore[arg-type]
    checkpoint = replace(CHECKPOINT, policy=Counting())  # type: ignore[arg-type]
    tried = audit(wipe=(3, 1), pour=(1, 1))
    for _ in range(3):  # what was made of them is at hand, and no longer asks for the parts
        builder.build(checkpoint, [], tried, {})
    Counting.rows = 0
    new = rollout("wipe_99", "wipe", "lab", 7, 8, outcome=Outcome.SUCCESS)
    moved = builder.build(checkpoint, [], [*tried, new], {})
    assert Counting.rows == 2
    anew = ProblemBuilder(Kitchen(), config).build(checkpoint, [], [*tried, new], {})  # type: ignore[arg-type]
    assert moved.anchors is not None and np.array_equal(moved.anchors, np.asarray(anew.anchors))


def test_another_pi_0_embeds_everything_anew() -> None:
    class Doubled(Plain):
        def embed(self, observations: Frames, tasks: F32) -> F32:
            return 2 * super().embed(observations, tasks)

    builder = ProblemBuilder(Kitchen(), CONFIG)  # type: ignore[arg-type]
    shown = [demo("pour", 1, 2)]
    before = builder.build(CHECKPOINT, shown, [], {})
    after = builder.build(replace(CHECKPOINT, policy=Doubled()), shown, [], {})  # type: ignore[arg-type]
    assert np.array_equal(after.demonstrated, 2 * before.demonstrated)
    scratch = builder.build(replace(CHECKPOINT, policy=Doubled()), shown, [], {}, frozen=Plain())  # type: ignore[arg-type]
    assert np.array_equal(scratch.demonstrated, before.demonstrated)


def test_a_builder_that_ran_long_gives_what_a_new_one_gives() -> None:
    rng = np.random.default_rng(0)
    builder = ProblemBuilder(Kitchen(), CONFIG)  # type: ignore[arg-type]
    shown: list[Demonstration] = []
    for number in range(6):
        shown.append(replace(demo(IDS[number % 3], *rng.normal(size=5)), id=f"d{number}"))
        kept = builder.build(CHECKPOINT, shown, [], {})
    fresh = build(shown, [])
    assert np.array_equal(kept.demonstrated, fresh.demonstrated)
    for one, other in zip(kept.tasks, fresh.tasks):
        assert np.array_equal(one.states, other.states)
        assert (one.loss, one.demonstration_s) == (other.loss, other.demonstration_s)
