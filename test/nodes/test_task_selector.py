"""The next-task service: answers, and a code for every wrong question."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.nodes import Bench, bench

from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.nodes.task_selector import TaskSelectorNode
from amf_ros.ros import names
from amf_ros.tasks.tabletop import TabletopSuite
from amf_ros.types import Outcome, Rollout

Code = NextTask.Response
TASKS = [task.id for task in TabletopSuite().tasks]


@pytest.fixture
def run(tmp_path: Path, pretrained: Path) -> RunDirectory:
    """A checkpoint and one roll-out of each task; the first one succeeded."""
    run = RunDirectory(tmp_path)
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    width = len(load_contract("panda_tabletop").observation_names)
    rng = np.random.default_rng(0)
    for task_id in TASKS:
        states = rng.normal(size=(12, width))
        outcome = Outcome.SUCCESS if task_id == TASKS[0] else Outcome.FAILURE
        rollout = Rollout(f"pretrained_e00_{task_id}", task_id, states, outcome, "pretrained", len(states))
        RolloutStore(run.rollouts).save(rollout)
    return run


@pytest.fixture
def selector(run: RunDirectory) -> Iterator[Bench]:
    with bench(session_directory=str(run.root)) as made:
        made.add(TaskSelectorNode)
        yield made


def ask(on: Bench, **fields: Any) -> NextTask.Response:
    return on.call(NextTask, names.NEXT_TASK, NextTask.Request(**fields))


def test_the_answer_has_scores_and_reasons(selector: Bench) -> None:
    answer = ask(selector, num_tasks=3)
    assert answer.error_code == Code.NONE and answer.error_msg == ""
    assert len(answer.task_ids) == 3 and answer.strategy == "amf" and answer.policy_id == "pretrained"
    assert sorted(score.task_id for score in answer.scores) == sorted(TASKS)
    scores = [score.score for score in answer.scores]
    assert scores == sorted(scores, reverse=True) and answer.scores[0].task_id == answer.task_ids[0]
    assert all(score.reason and math.isfinite(score.information_gain) for score in answer.scores)
    counts = {score.task_id: (score.num_episodes, score.num_successes) for score in answer.scores}
    assert counts == {task_id: (1, int(task_id == TASKS[0])) for task_id in TASKS}


def test_asking_twice_changes_nothing(selector: Bench) -> None:
    request = {"num_tasks": 2, "strategy": "amf", "seed": 5}
    assert ask(selector, **request) == ask(selector, **request)


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
        ({"strategy": "no_such_package:Choose"}, Code.UNKNOWN_STRATEGY, "no_such_package"),
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
    assert list(answer.task_ids) == []
    assert ask(selector).error_code == Code.NONE


def test_before_there_is_a_checkpoint(tmp_path: Path) -> None:
    with bench(session_directory=str(tmp_path)) as made:
        made.add(TaskSelectorNode)
        answer = ask(made)
    assert answer.error_code == Code.NO_EMBEDDINGS and "amf pretrain" in answer.error_msg


def test_before_the_policy_has_seen_a_task(run: RunDirectory) -> None:
    for path in run.rollouts.glob("*open_drawer*"):
        path.unlink()
    with bench(session_directory=str(run.root)) as made:
        made.add(TaskSelectorNode)
        answer = ask(made)
        assert answer.error_code == Code.NO_EMBEDDINGS and "open_drawer" in answer.error_msg
        assert ask(made, strategy="uniform").error_code == Code.NONE


def test_a_noise_variance_that_is_far_too_small(run: RunDirectory) -> None:
    with bench(session_directory=str(run.root), selection__noise_variance=1e-300) as made:
        made.add(TaskSelectorNode)
        answer = ask(made)
    assert answer.error_code == Code.ILL_CONDITIONED and "noise_variance" in answer.error_msg


def test_a_damaged_file_is_named(selector: Bench, run: RunDirectory) -> None:
    (run.rollouts / "broken.safetensors").write_bytes(b"not a roll-out")
    answer = ask(selector)
    assert answer.error_code == Code.UNKNOWN and "broken.safetensors" in answer.error_msg


def test_the_suite_is_listed_in_its_order(selector: Bench) -> None:
    tasks = selector.call(GetTasks, names.GET_TASKS, GetTasks.Request()).tasks
    assert [task.id for task in tasks] == TASKS
    assert all(task.instruction and task.time_limit.sec > 0 for task in tasks)
