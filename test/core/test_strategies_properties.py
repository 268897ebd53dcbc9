"""What holds for every registered strategy, whatever it looks at: hypothesis over problems."""

import copy
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import AmfError, NoEmbeddings, SelectionError, UnknownName
from amf_ros.core.plugins import load, names
from amf_ros.selection.base import Problem, TaskRecord

STRATEGIES = names("strategy")
EXAMPLES = settings(max_examples=12, deadline=None)
P = 6  # features; the last two are the task's where a kernel asks


@st.composite
def problems(draw, max_tasks=6):
    """Any question that has an answer: counts, costs and outcomes as a session can have seen them."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    number = draw(st.integers(1, max_tasks))
    records = tuple(_record(f"task_{row}", rng) for row in range(number))
    ids = [record.id for record in records]
    weights = rng.uniform(0, 1, size=number) * rng.integers(0, 2, size=number)
    weights[rng.integers(number)] = 1.0
    keys = sorted(rng.choice(number, size=rng.integers(1, number + 1), replace=False).tolist())
    rows = rng.normal(size=(3, P))
    return Problem(
        tasks=records,
        candidates=tuple(ids[key] for key in keys),
        targets=dict(zip(ids, (weights / weights.sum()).tolist())),
        demonstrated=rng.normal(size=(rng.integers(0, 5), P)).astype(np.float32),
        coverage=(rows.T @ rows).astype(np.float32) if rng.integers(2) else None,
        anchors=rng.normal(size=(2, P)).astype(np.float32) if rng.integers(2) else None,
        num_tasks=draw(st.integers(1, 5)),
        seed=draw(st.integers(0, 2**31)),
        **({"task_columns": 2} if "task_columns" in {field.name for field in fields(Problem)} else {}),
    )


def _record(task_id, rng):
    shown, tried, audited = (int(n) for n in rng.integers(0, 4, size=3))
    count = int(rng.integers(1, 5))
    return TaskRecord(
        task_id,
        rng.normal(size=(count, P)).astype(np.float32),
        num_demonstrations=shown,
        num_episodes=tried,
        num_successes=int(rng.integers(0, tried + 1)),
        num_pretraining=int(rng.integers(0, 4)),
        weights=rng.uniform(0.1, 1, size=count).astype(np.float32) if rng.integers(2) else None,
        demonstration_s=float(rng.uniform(5, 90)) if rng.integers(2) else math.nan,
        loss=float(rng.uniform(0, 1)) if shown else math.nan,
        num_audited=audited,
        num_audit_successes=int(rng.integers(0, audited + 1)),
    )


def select(name, problem):
    # A kernel over inputs refuses moments: test_amf_gp has that.
    config = SelectionConfig(coverage=not name.endswith("_gp"))
    return load("strategy", name)(config).select(problem)


@pytest.mark.parametrize("name", STRATEGIES)
@EXAMPLES
@given(problems())
def test_an_answer_names_as_many_candidates_as_were_asked_for_and_scores_each_once(name, problem):
    answer = select(name, problem)
    assert len(answer.task_ids) == problem.num_tasks
    assert set(answer.task_ids) <= set(problem.candidates)
    assert sorted(score.task_id for score in answer.scores) == sorted(problem.candidates)
    values = [score.score for score in answer.scores]
    assert all(map(math.isfinite, values)) and values == sorted(values, reverse=True)
    assert answer.strategy == name and answer.reason.startswith(f"{answer.task_ids[0]}: ")
    assert all(score.reason and "\n" not in score.reason for score in answer.scores)
    if answer.gains is not None:
        assert answer.gains.shape == (len(answer.scores), len(answer.targets))


@pytest.mark.parametrize("name", STRATEGIES)
@EXAMPLES
@given(problems())
def test_the_first_choice_has_the_best_score(name, problem):
    answer = select(name, problem)
    chosen = next(score.score for score in answer.scores if score.task_id == answer.task_ids[0])
    assert chosen == pytest.approx(answer.scores[0].score, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", STRATEGIES)
@EXAMPLES
@given(problems())
def test_the_same_question_gives_the_same_answer_and_is_not_changed(name, problem):
    before = copy.deepcopy(problem)
    first = select(name, problem)
    assert repr(select(name, problem)) == repr(first) == repr(select(name, before))
    for left, right in zip(problem.tasks, before.tasks):
        np.testing.assert_array_equal(left.states, right.states)
    assert problem.targets == before.targets and problem.candidates == before.candidates
    np.testing.assert_array_equal(problem.demonstrated, before.demonstrated)


# Round-robin goes by the suite's order: that is what it is.
@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "round_robin"])
@EXAMPLES
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_tasks_candidates_and_targets_plays_no_part(name, problem, random):
    shuffled = replace(
        problem,
        tasks=tuple(random.sample(problem.tasks, len(problem.tasks))),
        candidates=tuple(random.sample(problem.candidates, len(problem.candidates))),
        targets=dict(random.sample(list(problem.targets.items()), len(problem.targets))),
    )
    first, second = select(name, problem), select(name, shuffled)
    assert first.task_ids == second.task_ids
    left, right = ({s.task_id: s.score for s in answer.scores} for answer in (first, second))
    assert left == pytest.approx(right, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", STRATEGIES)
@EXAMPLES
@given(problems())
def test_a_single_candidate_is_always_the_answer(name, problem):
    only = problem.candidates[0]
    answer = select(name, replace(problem, candidates=(only,)))
    assert answer.task_ids == (only,) * problem.num_tasks


@pytest.mark.parametrize("name", STRATEGIES)
@EXAMPLES
@given(problems(), st.sampled_from(["candidates", "num_tasks", "seed", "targets", "unknown", "width", "nan"]))
def test_a_question_without_an_answer_gets_an_error_of_its_kind(name, problem, broken):
    task = problem.tasks[0]
    change = {
        "candidates": {"candidates": ()},
        "num_tasks": {"num_tasks": 0},
        "seed": {"seed": -1},
        "targets": {"targets": {task.id: -1.0}},
        "unknown": {"candidates": (*problem.candidates, "somebody")},
        "width": {"tasks": (replace(task, states=np.zeros((1, P + 1), np.float32)), *problem.tasks[1:])},
        "nan": {"tasks": (replace(task, states=np.full((1, P), np.nan, np.float32)), *problem.tasks[1:])},
    }[broken]
    with pytest.raises(AmfError) as error:
        select(name, replace(problem, **change))
    assert isinstance(error.value, UnknownName if broken == "unknown" else SelectionError)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", STRATEGIES)
def test_who_needs_states_says_whose_are_missing_and_who_does_not_does_without(name):
    record = TaskRecord("task", np.zeros((0, P), np.float32), num_pretraining=0)
    problem = Problem((record,), ("task",), {"task": 1.0}, np.zeros((0, P), np.float32))
    if load("strategy", name).needs_states:
        with pytest.raises(NoEmbeddings, match="task"):
            select(name, problem)
    else:
        assert select(name, problem).task_ids == ("task",)


BASELINES = [name for name in STRATEGIES if not name.startswith("amf")]


@pytest.mark.parametrize("name", BASELINES)
@EXAMPLES
@given(problems())
def test_a_baseline_demonstrates_what_was_asked_for(name, problem):
    wanted = {key for key in problem.candidates if problem.targets[key] > 0}
    answer = select(name, problem)
    assert set(answer.task_ids) <= (wanted or set(problem.candidates))
    values = {score.task_id: score.score for score in answer.scores}
    others = set(values) - wanted
    if wanted and others:
        assert max(values[key] for key in others) < min(values[key] for key in wanted)
        assert {s.reason for s in answer.scores if s.task_id in others} == {"not among the targets"}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_without_any_target_among_the_candidates_chooses_from_all(name):
    rng = np.random.default_rng(0)
    records = tuple(
        replace(_record(f"task_{row}", rng), num_demonstrations=0, num_audited=0, num_audit_successes=0)
        for row in range(3)
    )
    targets = {"task_0": 1.0, "task_1": 0.0, "task_2": 0.0}
    problem = Problem(records, ("task_1", "task_2"), targets, np.zeros((0, P), np.float32), num_tasks=40)
    assert set(select(name, problem).task_ids) == {"task_1", "task_2"}
