"""What a strategy keeps between calls: never another answer than a new instance's, whatever arrives."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import IllConditioned, NoEmbeddings
from amf_ros.selection import scaled_problem
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.engine import blocked
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.scaled_problem import ScaledProblem
from amf_ros.selection.strategies.amf import Amf

CONFIG = SelectionConfig(states_per_trajectory=4)
P = 12
EVENTS = (
    "demonstration",
    "several",
    "anchor",
    "occupancy",
    "longer",
    "weights",
    "all_occupancies",
    "forgotten",
    "coverage",
    "candidates",
    "targets",
    "mu",
    "batch",
    "nothing",
)


class AmfSingle(Amf):
    """Scores in float32 however small the problem."""

    float64_entries = 0


def rows(rng, n):
    made = rng.normal(size=(n, P)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def make_problem(rng, num_tasks=7, num_states=4):
    records = tuple(TaskRecord(f"task_{i}", rows(rng, num_states)) for i in range(num_tasks))
    ids = tuple(record.id for record in records)
    return Problem(
        records, ids, target_weights(ids), rows(rng, 8), np.eye(P, dtype=np.float32), anchors=rows(rng, 2)
    )


def with_task(problem, index, **changes):
    tasks = list(problem.tasks)
    tasks[index] = replace(tasks[index], **changes)
    return replace(problem, tasks=tuple(tasks))


def happen(event, problem, rng):
    """The problem after something happened to it."""
    index, ids = int(rng.integers(len(problem.tasks))), [task.id for task in problem.tasks]
    states = problem.tasks[index].states
    some = tuple(key for key in ids if rng.random() < 0.7) or (ids[0],)
    if event in ("demonstration", "several"):
        more = rows(rng, 4 if event == "demonstration" else 11)
        return replace(problem, demonstrated=np.concatenate([problem.demonstrated, more]))
    if event == "anchor":
        return replace(problem, anchors=np.concatenate([problem.anchors, rows(rng, 3)]))
    if event == "occupancy":
        return with_task(problem, index, states=rows(rng, len(states)), weights=None)
    if event == "longer":
        return with_task(problem, index, states=rows(rng, int(rng.integers(1, 9))), weights=None)
    if event == "weights":
        return with_task(problem, index, weights=rng.gamma(0.3, size=len(states)).astype(np.float32) + 1e-3)
    if event == "all_occupancies":
        return replace(
            problem, tasks=tuple(replace(t, states=rows(rng, 4), weights=None) for t in problem.tasks)
        )
    if event == "forgotten":
        return replace(problem, demonstrated=problem.demonstrated[4:])
    if event == "coverage":
        return replace(problem, coverage=problem.coverage * np.float32(1.5))
    if event == "candidates":
        return replace(problem, candidates=some)
    if event == "targets":
        return replace(problem, targets=target_weights(ids, some))
    if event == "mu":
        return replace(problem, targets=target_weights(ids, ids, rng.uniform(0.1, 1, size=len(ids)).tolist()))
    return replace(problem, num_tasks=3 if event == "batch" else 1)


def assert_alike(kept, new, information=1e-6):
    assert kept.task_ids == new.task_ids
    assert kept.worthwhile == new.worthwhile and kept.targets == new.targets
    left, right = ({s.task_id: s for s in answer.scores} for answer in (kept, new))
    assert left.keys() == right.keys()
    for key, score in left.items():
        assert score.score == pytest.approx(right[key].score, rel=1e-4, abs=information)
        assert score.posterior_std == pytest.approx(right[key].posterior_std, rel=1e-4)


@pytest.mark.parametrize("kind", [Amf, AmfSingle])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), events=st.lists(st.sampled_from(EVENTS), max_size=8))
def test_a_kept_instance_answers_as_a_new_one(kind, seed, events):
    rng = np.random.default_rng(seed)
    problem, kept = make_problem(rng), kind(CONFIG)
    assert_alike(kept.select(problem), kind(CONFIG).select(problem))
    for event in events:
        problem = happen(event, problem, rng)
        assert_alike(kept.select(problem), kind(CONFIG).select(problem))


@pytest.mark.parametrize("kind", [Amf, AmfSingle])
@pytest.mark.parametrize(
    ("event", "followed"),
    [
        ("demonstration", True),
        ("anchor", True),
        ("occupancy", True),
        ("weights", True),
        ("all_occupancies", True),
        ("candidates", True),
        ("mu", True),
        ("nothing", True),
        ("forgotten", False),
        ("coverage", False),
    ],
)
def test_what_is_followed_and_what_is_solved_again(kind, event, followed):
    rng = np.random.default_rng(0)
    problem, strategy = make_problem(rng), kind(CONFIG)
    strategy.select(problem)
    assert not strategy.last.followed
    changed = happen(event, problem, rng)
    assert_alike(strategy.select(changed), kind(CONFIG).select(changed))
    assert strategy.last.followed is followed


def test_equal_arrays_are_as_good_as_the_same_arrays():
    problem, strategy = make_problem(np.random.default_rng(0)), Amf(CONFIG)
    first = strategy.select(problem)
    copied = replace(
        problem,
        tasks=tuple(replace(task, states=task.states.copy()) for task in problem.tasks),
        demonstrated=problem.demonstrated.copy(),
        coverage=problem.coverage.copy(),
    )
    assert strategy.select(copied).task_ids == first.task_ids
    assert strategy.last.followed


@pytest.mark.parametrize("kind", [Amf, AmfSingle])
def test_a_long_session_is_followed_and_folded_in_now_and_then(kind):
    rng = np.random.default_rng(1)
    problem, kept, followed = make_problem(rng), kind(CONFIG), []
    for _ in range(40):
        problem = happen("demonstration", problem, rng)
        assert_alike(kept.select(problem), kind(CONFIG).select(problem))
        followed.append(kept.last.followed)
    assert followed.count(False) == 3  # the first, and each time more than 64 states have come


def large_problem(num_tasks=40, num_states=30):
    rng = np.random.default_rng(2)
    problem = make_problem(rng, num_tasks, num_states)
    wide = [np.repeat(task.states, 10, axis=1) / np.float32(np.sqrt(10)) for task in problem.tasks]
    return replace(
        problem,
        tasks=tuple(replace(task, states=states) for task, states in zip(problem.tasks, wide)),
        demonstrated=rng.normal(size=(20, 10 * P)).astype(np.float32),
        coverage=None,
        anchors=None,
        num_tasks=2,
    )


@pytest.mark.parametrize("memory_mb", [1, 3, 5, 8])
def test_short_memory_keeps_less_and_answers_alike(memory_mb):
    problem = large_problem()
    short, ample = (AmfSingle(CONFIG.model_copy(update={"memory_mb": size})) for size in (memory_mb, 1000))
    for _ in range(3):
        assert_alike(short.select(problem), ample.select(problem))
        more = np.random.default_rng(3).normal(size=(4, 10 * P)).astype(np.float32)
        problem = replace(problem, demonstrated=np.concatenate([problem.demonstrated, more]))
    assert ample.last.streamed == 0 and ample.last.kept_bytes > 7e6
    assert short.last.streamed > 0 or memory_mb == 8
    assert short._scorer is None or short._scorer.nbytes <= memory_mb * 1e6


def test_blocks_of_any_size_hold_what_each_candidate_would_alone(monkeypatch):
    rng = np.random.default_rng(4)
    problem = make_problem(rng, 9)
    problem = replace(
        problem, tasks=tuple(replace(t, states=rows(rng, 3 + i // 6)) for i, t in enumerate(problem.tasks))
    )
    answers = []
    for size, blocks in ((1, 9), (3 << 20, 2)):
        monkeypatch.setattr(blocked, "BLOCK_BYTES", size)
        asked, kept = problem, AmfSingle(CONFIG)
        answers.append([kept.select(asked)])
        assert len(kept._scorer._blocks) == blocks
        for event in ("demonstration", "longer", "candidates", "occupancy", "batch"):
            asked = happen(event, asked, np.random.default_rng(5))
            answers[-1].append(kept.select(asked))
    for alone, together in zip(*answers):
        assert_alike(together, alone)


def test_concurrent_callers_get_their_own_answers():
    rng = np.random.default_rng(4)
    problem = make_problem(rng)
    asked = [happen(event, problem, rng) for event in EVENTS]
    expected = [Amf(CONFIG).select(problem).task_ids for problem in asked]
    strategy, found = Amf(CONFIG), [None] * len(asked)

    def ask(number):
        for _ in range(5):
            found[number] = strategy.select(asked[number]).task_ids

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(len(asked))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == expected


@pytest.mark.parametrize("event", ["states", "coverage"])
def test_after_a_refusal_the_instance_answers_as_before(event):
    problem, strategy = make_problem(np.random.default_rng(5)), Amf(CONFIG)
    expected = strategy.select(problem)
    with pytest.raises(NoEmbeddings if event == "states" else IllConditioned):
        if event == "states":
            strategy.select(with_task(problem, 2, states=np.zeros((0, P), np.float32)))
        else:
            strategy.select(replace(problem, coverage=-100 * problem.coverage))
    assert_alike(strategy.select(problem), expected)


def test_too_many_evaluation_states_are_thinned_to_the_same_number_for_each_target(monkeypatch):
    monkeypatch.setattr(scaled_problem, "EVALUATION_STATES", 40)
    rng = np.random.default_rng(6)
    problem = make_problem(rng, num_tasks=4, num_states=5)
    full = ScaledProblem.of(problem, CONFIG)
    assert full.thinned == 0 and full.evaluation("task_0")[0].shape == (5, P)
    # Each state ten times: ten of fifty at even steps are each state twice.
    often = replace(
        problem, tasks=tuple(replace(t, states=np.repeat(t.states, 10, axis=0)) for t in problem.tasks)
    )
    assert ScaledProblem.of(often, CONFIG).thinned == 10
    assert_alike(Amf(CONFIG).select(often), Amf(CONFIG).select(problem))


def test_thinning_follows_the_weights_and_leaves_each_target_a_state(monkeypatch):
    monkeypatch.setattr(scaled_problem, "EVALUATION_STATES", 3)
    problem = make_problem(np.random.default_rng(7), num_tasks=4, num_states=5)
    weights = np.array([0, 0, 1, 8, 0], np.float32)
    scaled = ScaledProblem.of(with_task(problem, 1, weights=weights), CONFIG)
    assert scaled.thinned == 1
    states, counts = scaled.evaluation("task_1")
    np.testing.assert_allclose(states, problem.tasks[1].states[3:4] * scaled.scale)
    assert counts.tolist() == [1.0]


def test_scale_stays_put_while_the_mean_square_moves_a_little():
    problem = make_problem(np.random.default_rng(8))
    for factor in (0.98, 1.0, 1.02):
        states = problem.tasks[0].states * np.float32(factor)
        assert ScaledProblem.of(with_task(problem, 0, states=states), CONFIG).scale == 1.0
    doubled = replace(problem, tasks=tuple(replace(t, states=t.states * 2) for t in problem.tasks))
    assert ScaledProblem.of(doubled, CONFIG).scale == 0.5


@pytest.mark.parametrize("kind", [Amf, AmfSingle])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), events=st.lists(st.sampled_from(EVENTS), max_size=5))
def test_thinned_targets_are_followed_beside_whole_ones(monkeypatch, kind, seed, events):
    monkeypatch.setattr(scaled_problem, "EVALUATION_STATES", 21)
    rng = np.random.default_rng(seed)
    problem = make_problem(rng, num_states=6)  # thinned to 3 states each
    for index in (0, 3):
        problem = with_task(problem, index, states=rows(rng, 2))
    kept = kind(CONFIG)
    assert_alike(kept.select(problem), kind(CONFIG).select(problem))
    for event in events:
        problem = happen(event, problem, rng)
        assert_alike(kept.select(problem), kind(CONFIG).select(problem))


def test_a_target_that_comes_to_be_thinned_no_longer_stands_whole(monkeypatch):
    monkeypatch.setattr(scaled_problem, "EVALUATION_STATES", 21)
    rng = np.random.default_rng(9)
    problem, kept = make_problem(rng, num_states=6), Amf(CONFIG)
    for length in (3, 6, 3):
        problem = with_task(problem, 0, states=rows(rng, length))
        assert_alike(kept.select(problem), Amf(CONFIG).select(problem))
