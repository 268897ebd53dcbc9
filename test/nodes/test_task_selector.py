"""The next-task service: answers, and a code for every wrong question."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.deadline import DEADLINE_S
from support.nodes import Bench, bench

from amf_msgs.msg import TaskScores
from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.core.defaults import STRATEGY
from amf_ros.core.errors import UnknownName
from amf_ros.core.frames import Frames
from amf_ros.core.plugins import names as registered
from amf_ros.core.values import Array, Outcome, Rollout
from amf_ros.learning.checkpoints import load, save
from amf_ros.learning.coverage import Coverage
from amf_ros.nodes.task_selector import TaskSelectorNode
from amf_ros.ros import names
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.strategies.uniform import Uniform
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

Code = NextTask.Response
TASKS = [task.id for task in TabletopSuite().tasks]
WATCH = {"watch_s": 0.05}


class Waiting(Uniform):
    """An outsider's strategy that takes its time."""

    may_answer = threading.Event()
    asked = threading.Event()

    def select(self, problem: Problem) -> Selection:
        self.asked.set()
        assert self.may_answer.wait(DEADLINE_S)
        return super().select(problem)


class Broken(Uniform):
    """An outsider's strategy with a mistake in it."""

    def select(self, problem: Problem) -> Selection:
        raise ZeroDivisionError("no states")


@pytest.fixture
def run(tmp_path: Path, pretrained: Path) -> RunDirectory:
    """A checkpoint and one roll-out of each task; the first one succeeded."""
    run = RunDirectory(tmp_path)
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    width = len(load_contract("panda_tabletop").layout.elements)
    rng = np.random.default_rng(0)
    for task_id in TASKS:
        visit(run, task_id, rng.normal(size=(12, width)))
    return run


def visit(run: RunDirectory, task_id: str, states: np.ndarray, episode: int = 0) -> None:
    outcome = Outcome.SUCCESS if task_id == TASKS[0] else Outcome.FAILURE
    name = f"pretrained_e{episode:02d}_{task_id}"
    RolloutStore(run.rollouts).save(
        Rollout(name, task_id, Frames.of_vectors(states), outcome, "pretrained", len(states))
    )


@pytest.fixture
def selector(run: RunDirectory) -> Iterator[Bench]:
    allowed = [f"{__name__}:Broken", f"{__name__}:Waiting", "no_such_package:Choose"]
    with bench(session_directory=str(run.root), allowed_strategies=allowed) as made:
        made.add(TaskSelectorNode)
        yield made


def ask(on: Bench, **fields: Any) -> NextTask.Response:
    return on.call(NextTask, names.NEXT_TASK, NextTask.Request(**fields))


def test_the_answer_has_scores_and_reasons(selector: Bench) -> None:
    answer = ask(selector, num_tasks=3)
    assert answer.error_code == Code.NONE and answer.error_msg == ""
    assert len(answer.task_ids) == 3 and answer.strategy == STRATEGY and answer.policy_id == "pretrained"
    assert sorted(score.task_id for score in answer.scores) == sorted(TASKS)
    scores = [score.score for score in answer.scores]
    assert scores == sorted(scores, reverse=True) and answer.scores[0].task_id == answer.task_ids[0]
    assert all(score.reason and math.isfinite(score.information_gain) for score in answer.scores)
    counts = {score.task_id: (score.num_episodes, score.num_successes) for score in answer.scores}
    assert counts == {task_id: (1, int(task_id == TASKS[0])) for task_id in TASKS}


def test_asking_twice_changes_nothing(selector: Bench) -> None:
    request = {"num_tasks": 2, "strategy": "amf", "seed": 5}
    assert str(ask(selector, **request)) == str(ask(selector, **request))  # NaN equals NaN in print only


def test_candidates_targets_and_weights_are_heeded(selector: Bench) -> None:
    answer = ask(selector, candidate_ids=TASKS[2:4], target_ids=TASKS[:2], target_weights=[3.0, 1.0])
    assert answer.error_code == Code.NONE
    assert {score.task_id for score in answer.scores} == set(TASKS[2:4])


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"candidate_ids": ["open_drawr"]}, Code.UNKNOWN_TASK, "did you mean 'open_drawer'"),
        ({"target_ids": ["open_drawr"]}, Code.UNKNOWN_TASK, "did you mean 'open_drawer'"),
        ({"strategy": "unifrom"}, Code.UNKNOWN_STRATEGY, "did you mean 'uniform'"),
        ({"strategy": f"{__name__}:Broken"}, Code.UNKNOWN, "ZeroDivisionError: no states"),
        ({"strategy": "no_such_package:Choose"}, Code.UNKNOWN_STRATEGY, "no_such_package"),
        ({"strategy": "builtins:exec"}, Code.UNKNOWN_STRATEGY, "allowed_strategies"),
        ({"strategy": "os:system"}, Code.UNKNOWN_STRATEGY, "allowed_strategies"),
        ({"strategy": f"{__name__}:Uniform"}, Code.UNKNOWN_STRATEGY, "allowed_strategies"),
        ({"strategy": "x" * 1_000_000}, Code.BAD_REQUEST, "1000000 characters"),
        ({"candidate_ids": ["x\n" * 500_000]}, Code.BAD_REQUEST, "1000000 characters"),
        ({"candidate_ids": ["x\n" * 100]}, Code.UNKNOWN_TASK, "200 characters"),
        ({"candidate_ids": [""]}, Code.BAD_REQUEST, "candidate_ids is empty"),
        ({"target_ids": ["x"] * 50_000}, Code.BAD_REQUEST, "50000 entries and the suite 16 tasks"),
        ({"target_ids": ["x"] * 200_000}, Code.BAD_REQUEST, "200000 ids"),
        ({"target_weights": [1.0] * 200_000}, Code.BAD_REQUEST, "200000 entries"),
        ({"target_weights": [math.inf] * len(TASKS)}, Code.BAD_WEIGHTS, "finite"),
        ({"target_weights": [1e308] * len(TASKS)}, Code.BAD_WEIGHTS, ""),
        ({"num_tasks": 100_000}, Code.BAD_REQUEST, "at most 1000"),
        ({"target_weights": [1.0]}, Code.BAD_WEIGHTS, "1 target weights for"),
        ({"target_ids": TASKS[:1], "target_weights": [-1.0]}, Code.BAD_WEIGHTS, "not negative"),
        ({"target_ids": TASKS[:1], "target_weights": [math.nan]}, Code.BAD_WEIGHTS, "finite"),
        ({"target_ids": TASKS[:1], "target_weights": [0.0]}, Code.BAD_WEIGHTS, "above 0"),
        ({"num_tasks": 0}, Code.BAD_REQUEST, "at least 1"),
        ({"candidate_ids": [TASKS[0], TASKS[0]]}, Code.BAD_REQUEST, "twice"),
    ],
)
def test_a_wrong_question_is_answered_with_its_code(
    selector: Bench, fields: dict[str, Any], code: int, text: str
) -> None:
    answer = ask(selector, **fields)
    assert answer.error_code == code and text in answer.error_msg and "\n" not in answer.error_msg
    assert list(answer.task_ids) == [] and len(answer.error_msg) < 1000
    assert ask(selector).error_code == Code.NONE


def test_before_there_is_a_checkpoint_it_chooses_by_counts_and_says_so(tmp_path: Path) -> None:
    with bench(session_directory=str(tmp_path)) as made:
        made.add(TaskSelectorNode)
        answer, again = ask(made, num_tasks=20), ask(made, num_tasks=20)
        counted = ask(made, strategy="uniform")
        explained = ask(made, explain=True)
        wrong = ask(made, candidate_ids=["open_drawr"])
    assert answer.error_code == Code.NONE and str(answer) == str(again)
    assert answer.strategy == "least_demonstrated" and answer.policy_id == "" and answer.worthwhile
    assert set(answer.task_ids[:16]) == set(TASKS) and len(answer.scores) == len(TASKS)
    assert "amf" in answer.reason and "amf pretrain" in answer.reason and "\n" not in answer.reason
    assert (
        counted.error_code == Code.NONE and counted.strategy == "uniform" and "pretrain" not in counted.reason
    )
    assert explained.error_code == Code.NO_EMBEDDINGS and "amf pretrain" in explained.error_msg
    assert not explained.task_ids and not explained.scores
    assert wrong.error_code == Code.UNKNOWN_TASK


def test_before_the_policy_has_tried_a_task_pretraining_counts(run: RunDirectory) -> None:
    for path in run.rollouts.glob("*open_drawer*"):
        path.unlink()
    with bench(session_directory=str(run.root)) as made:
        made.add(TaskSelectorNode)
        answer = ask(made, num_tasks=3)
        assert answer.error_code == Code.NONE and answer.strategy == "rebalancing"
        assert answer.policy_id == "pretrained" and answer.worthwhile
        assert "press_button" not in answer.task_ids  # the one task that pre-training knew
        assert "1 of 16 tasks" in answer.reason and "amf evaluate" in answer.reason
        assert ask(made, explain=True).error_code == Code.NO_EMBEDDINGS
        others = [task_id for task_id in TASKS if task_id != "open_drawer"]
        asked = ask(made, candidate_ids=others, target_ids=others)
        assert asked.error_code == Code.NONE and asked.strategy == STRATEGY
        assert ask(made, strategy="uniform").error_code == Code.NONE
        visit(run, "open_drawer", np.ones((5, len(load_contract("panda_tabletop").layout.elements))))
        assert ask(made).strategy == STRATEGY


def test_a_damaged_file_is_named(selector: Bench, run: RunDirectory) -> None:
    (run.rollouts / "broken.safetensors").write_bytes(b"not a roll-out")
    answer = ask(selector)
    assert answer.error_code == Code.UNKNOWN and "broken.safetensors" in answer.error_msg


def test_the_suite_is_listed_in_its_order(selector: Bench) -> None:
    tasks = selector.call(GetTasks, names.GET_TASKS, GetTasks.Request()).tasks
    assert [task.id for task in tasks] == TASKS
    assert all(task.instruction and task.time_limit.sec > 0 for task in tasks)


def test_gains_are_told_to_those_who_ask_for_them(selector: Bench) -> None:
    plain, explained = ask(selector), ask(selector, explain=True)
    assert plain.worthwhile and list(plain.gains) == [] and list(plain.target_ids) == []
    assert list(explained.target_ids) == TASKS and explained.scores[0].task_id == plain.scores[0].task_id
    gains = np.array(explained.gains).reshape(len(explained.scores), len(TASKS))
    assert (gains >= 0).all() and gains.max() > 0
    told = [score.information_gain for score in explained.scores]
    np.testing.assert_allclose(gains.mean(axis=1), told, rtol=1e-3)


def test_a_strategy_without_gains_is_explained_by_its_scores_alone(selector: Bench) -> None:
    answer = ask(selector, strategy="uniform", explain=True)
    assert answer.error_code == Code.NONE and answer.scores
    assert list(answer.gains) == [] and list(answer.target_ids) == []


def test_eight_callers_at_once_get_what_each_would_get_alone(selector: Bench) -> None:
    questions = [
        NextTask.Request(strategy=strategy, num_tasks=count, seed=3, explain=True, target_ids=targets)
        for strategy in ("amf", "uniform")
        for count in (1, 4)
        for targets in ([], TASKS[2:5])
    ]
    assert len(questions) == 8
    clients = [selector.client.create_client(NextTask, names.NEXT_TASK) for _ in questions]
    selector.until(lambda: all(client.service_is_ready() for client in clients), "all clients")
    waiting = [client.call_async(question) for client, question in zip(clients, questions)]
    together = [str(selector.result(future)) for future in waiting]
    alone = [str(selector.call(NextTask, names.NEXT_TASK, question)) for question in questions]
    assert together == alone and all("error_code=0" in answer for answer in alone)


def test_who_asks_something_quick_does_not_wait_for_a_slow_strategy(selector: Bench) -> None:
    Waiting.may_answer.clear()
    client = selector.client.create_client(NextTask, names.NEXT_TASK)
    selector.until(client.service_is_ready)
    slow = client.call_async(NextTask.Request(strategy=f"{__name__}:Waiting"))
    try:
        selector.until(Waiting.asked.is_set, "the slow strategy to begin")
        assert ask(selector).error_code == Code.NONE
        assert len(selector.call(GetTasks, names.GET_TASKS, GetTasks.Request()).tasks) == len(TASKS)
        assert not slow.done()
    finally:
        Waiting.may_answer.set()
    assert selector.result(slow).error_code == Code.NONE


def test_a_strategy_that_takes_too_long_is_told_and_others_are_answered(run: RunDirectory) -> None:
    Waiting.may_answer.clear()
    allowed = [f"{__name__}:Waiting"]
    with bench(session_directory=str(run.root), allowed_strategies=allowed, answer_s=0.3) as made:
        made.add(TaskSelectorNode)
        try:
            late = ask(made, strategy=f"{__name__}:Waiting")
            assert late.error_code == Code.OUT_OF_TIME and "answer_s" in late.error_msg
            assert ask(made, strategy="uniform").error_code == Code.NONE
        finally:
            Waiting.may_answer.set()


def test_a_selector_that_is_started_again_answers_the_same(run: RunDirectory) -> None:
    answers = []
    for _ in range(2):
        with bench(session_directory=str(run.root)) as made:
            made.add(TaskSelectorNode)
            answers.append(str(ask(made, num_tasks=3, explain=True)))
    assert answers[0] == answers[1]


def test_displays_that_come_late_see_the_newest_scores(run: RunDirectory) -> None:
    with bench(session_directory=str(run.root), **WATCH) as made:
        made.add(TaskSelectorNode)
        answer = ask(made, explain=True)
        heard: list[TaskScores] = made.listen(TaskScores, names.SCORES, latched=True)
        made.until(lambda: bool(heard), "latched scores")
        told = heard[-1]
        assert [s.task_id for s in told.scores] == [s.task_id for s in answer.scores]
        assert (told.strategy, told.policy_id, told.reason) == (STRATEGY, "pretrained", answer.reason)
        assert list(told.gains) == list(answer.gains) and list(told.target_ids) == TASKS
        assert told.header.stamp.sec > 0 and told.worthwhile and told.error_code == 0


def test_scores_are_published_when_something_new_is_stored(run: RunDirectory) -> None:
    with bench(session_directory=str(run.root), **WATCH) as made:
        heard: list[TaskScores] = made.listen(TaskScores, names.SCORES, latched=True)
        made.add(TaskSelectorNode)
        made.until(lambda: bool(heard), "the first scores")
        visit(run, TASKS[1], np.ones((5, len(load_contract("panda_tabletop").layout.elements))), 1)

        def episodes() -> int:
            return next(score.num_episodes for score in heard[-1].scores if score.task_id == TASKS[1])

        made.until(lambda: episodes() == 2, "scores after the roll-out")


def test_scores_say_what_is_missing_until_it_is_there(run: RunDirectory) -> None:
    (run.checkpoints / "pretrained").rename(run.root / "elsewhere")
    with bench(session_directory=str(run.root), **WATCH) as made:
        heard: list[TaskScores] = made.listen(TaskScores, names.SCORES, latched=True)
        made.add(TaskSelectorNode)
        made.until(lambda: bool(heard), "the first scores")
        assert heard[-1].strategy == "least_demonstrated" and "amf pretrain" in heard[-1].reason
        assert heard[-1].error_code == Code.NONE and len(heard[-1].scores) == len(TASKS)
        (run.root / "elsewhere").rename(run.checkpoints / "pretrained")
        made.until(lambda: heard[-1].strategy == STRATEGY, "scores by information gain")
        assert heard[-1].scores and heard[-1].policy_id == "pretrained"


def spoil(run: RunDirectory, weights: float, moments: Callable[[Array], Array]) -> Path:
    """A newer checkpoint whose weights are multiplied by this, and whose coverage is changed like that."""
    made = load(run.checkpoints / "pretrained")
    tensors = {name: value * weights for name, value in made.policy.tensors().items()}
    policy = type(made.policy).restore(made.policy.spec, tensors, made.policy.settings())
    covered = {name: Coverage(moments(one.moments), one.fitted) for name, one in made.coverage.items()}
    save(run.checkpoints, "spoilt", policy, round=0, num_demonstrations=0, coverage=covered)
    return run.checkpoints / "spoilt"


@pytest.mark.parametrize(
    ("weights", "moments", "code", "text"),
    [
        (3e38, np.copy, Code.BAD_FEATURES, "not finite"),
        (math.nan, np.copy, Code.NO_EMBEDDINGS, "holds NaN or infinity"),
        (1.0, lambda before: np.full_like(before, np.inf), Code.NO_EMBEDDINGS, "coverage.features holds NaN"),
        (1.0, np.negative, Code.ILL_CONDITIONED, "noise_variance"),
    ],
)
def test_a_checkpoint_with_numbers_that_cannot_be(
    selector: Bench,
    run: RunDirectory,
    weights: float,
    moments: Callable[[Array], Array],
    code: int,
    text: str,
) -> None:
    spoilt = spoil(run, weights, moments)
    answer = ask(selector)
    assert answer.error_code == code and text in answer.error_msg and "\n" not in answer.error_msg
    shutil.rmtree(spoilt)
    assert ask(selector).error_code == Code.NONE


@pytest.mark.parametrize("kind", ["strategy", "uncertainty", "occupancy"])
def test_an_unknown_name_is_refused_at_the_start(run: RunDirectory, kind: str) -> None:
    known = registered(kind)[0]
    wrong, text = {f"selection__{kind}": known + "s"}, f"unknown {kind} '{known}s': did you mean"
    with (
        bench(session_directory=str(run.root), **wrong) as made,
        pytest.raises(UnknownName, match=text) as error,
    ):
        made.add(TaskSelectorNode)
    assert "\n" not in str(error.value)
