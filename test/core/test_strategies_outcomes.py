"""Information gain that looks at outcomes: what a success and a failure tell, given what was believed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.selection import outcome_correction
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.strategies.amf import Amf
from amf_ros.selection.strategies.amf_outcomes import AmfOutcomes

NOISE, T = 0.1, 8
CONFIG = SelectionConfig(noise_variance=NOISE, states_per_trajectory=T)
IDS = tuple(f"task_{i}" for i in range(5))
# What stands at 0, 1, ... below: the first two tasks are covered, the third was demonstrated once.


def make_problem(seed=0, batch=1, coverage=True, **columns):
    """Tasks of one state each, along axes of their own but for a part that all share."""
    rng = np.random.default_rng(seed)
    axes = np.eye(8)[:5] + 0.05 * rng.normal(size=(5, 8))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    records = tuple(
        TaskRecord(
            key,
            axes[row : row + 1].astype(np.float32),
            **{
                name: values[row]
                for name, values in {"num_demonstrations": (0, 0, 1, 0, 0), **columns}.items()
            },
        )
        for row, key in enumerate(IDS)
    )
    covered = axes[:2] * np.sqrt(10 * T)
    return Problem(
        records,
        IDS,
        target_weights(IDS),
        np.repeat(axes[2:3], T, axis=0).astype(np.float32),
        (covered.T @ covered).astype(np.float32) if coverage else None,
        num_tasks=batch,
        seed=seed,
    )


def believed(problem, demonstrated=True):
    """p0 = v / (v + sigma^2) of each task by kernel matrices."""
    known = [problem.demonstrated.astype(np.float64)] if demonstrated else [np.zeros((0, 8))]
    if problem.coverage is not None:
        values, vectors = np.linalg.eigh(problem.coverage.astype(np.float64))
        known.append(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)
    data = np.concatenate(known)
    shares = []
    for task in problem.tasks:
        x = task.states.astype(np.float64)
        solved = np.linalg.solve(data @ data.T + NOISE * np.eye(len(data)), data @ x.T)
        v = float(np.square(x).sum() - (x @ data.T @ solved)[0, 0])
        shares.append(v / (v + NOISE))
    return np.array(shares)


def expected_scores(problem, rates, prior):
    """Eq. 2 by kernel matrices, with the rows of each task multiplied by a_c = sqrt(odds(p) / odds(p0))."""
    odds = rates / (1 - rates) * (1 - prior) / prior
    rows = np.concatenate([task.states for task in problem.tasks]).astype(np.float64) * np.sqrt(odds)[:, None]
    values, vectors = np.linalg.eigh(problem.coverage.astype(np.float64))
    known = np.concatenate([np.sqrt(np.maximum(values, 0))[:, None] * vectors.T, problem.demonstrated])

    def predictive(data):
        solved = np.linalg.solve(data @ data.T + NOISE * np.eye(len(data)), data @ rows.T)
        return np.square(rows).sum(axis=1) - np.einsum("it,ti->i", rows @ data.T, solved) + NOISE

    before = predictive(known)
    return {
        key: float(
            np.mean(0.5 * np.log(before / predictive(np.concatenate([known, np.sqrt(T) * rows[[i]]]))))
        )
        for i, key in enumerate(IDS)
    }


def scores(problem):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome_correction, "STEPS", 1 << 30)  # the equations as they stand
        return {score.task_id: score.score for score in AmfOutcomes(CONFIG).select(problem).scores}


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=5)
)
def test_variances_are_brought_to_the_observed_rate_of_failing(seed, outcomes):
    episodes = np.array([max(pair) for pair in outcomes])
    failures = np.array([abs(a - b) for a, b in outcomes])
    problem = make_problem(
        seed, num_episodes=tuple(episodes.tolist()), num_successes=tuple((episodes - failures).tolist())
    )
    prior = believed(problem)
    rates = np.where(episodes > 0, (prior + failures) / (1 + episodes), prior)
    assert scores(problem) == pytest.approx(expected_scores(problem, rates, prior), rel=1e-3, abs=1e-7)


def test_an_audit_is_judged_by_what_was_known_then_and_later_demonstrations_count_as_successes():
    problem = make_problem(num_audited=(4,) * 5, num_audit_successes=(4, 0, 0, 0, 2))
    prior = believed(problem, demonstrated=False)
    rates = (prior + [0, 4, 4, 4, 2]) / (1 + 4 + np.array([0, 0, 1, 0, 0]))
    assert scores(problem) == pytest.approx(expected_scores(problem, rates, prior), rel=1e-3)


def test_episodes_of_the_current_policy_count_more_than_the_audit():
    told = {"num_episodes": (2,) * 5, "num_successes": (2, 1, 2, 0, 0)}
    audited = make_problem(num_audited=(4,) * 5, num_audit_successes=(0,) * 5, **told)
    assert scores(audited) == scores(make_problem(**told))


def test_a_covered_task_that_fails_is_demonstrated_and_one_that_works_is_not():
    problem = make_problem(num_episodes=(4,) * 5, num_successes=(4, 0, 4, 4, 4))
    assert Amf(CONFIG).select(problem).task_ids[0] in {"task_3", "task_4"}
    assert AmfOutcomes(CONFIG).select(problem).task_ids == ("task_1",)


def test_a_failure_where_nothing_was_known_tells_less_than_one_where_much_was():
    plain = scores(make_problem())
    surprise = {}
    for row in (0, 3):
        problem = make_problem(num_episodes=tuple(4 * (i == row) for i in range(5)), num_successes=(0,) * 5)
        surprise[row] = scores(problem)[IDS[row]] / plain[IDS[row]]
    assert 1 < surprise[3] < 2 and surprise[0] > 20


@pytest.mark.parametrize("coverage", [True, False])
def test_without_rollouts_it_is_amf(coverage):
    problem = make_problem(batch=4, coverage=coverage)
    problem = replace(problem, tasks=tuple(replace(t, states=37 * t.states) for t in problem.tasks))
    outcomes, plain = AmfOutcomes(CONFIG).select(problem), Amf(CONFIG).select(problem)
    assert outcomes.task_ids == plain.task_ids
    assert [s.score for s in outcomes.scores] == pytest.approx([s.score for s in plain.scores], rel=1e-5)


def test_where_everything_works_nothing_is_worth_it_any_more():
    config = CONFIG.model_copy(update={"stop_below": 0.02})
    works = make_problem(num_episodes=(20,) * 5, num_successes=(20,) * 5)
    assert Amf(config).select(works).worthwhile and not AmfOutcomes(config).select(works).worthwhile
    assert AmfOutcomes(config).select(make_problem(num_episodes=(20,) * 5)).worthwhile


def test_the_problem_is_not_changed():
    problem = make_problem(num_episodes=(4,) * 5, num_successes=(1,) * 5)
    before = [task.states.copy() for task in problem.tasks]
    AmfOutcomes(CONFIG).select(problem)
    for task, states in zip(problem.tasks, before):
        np.testing.assert_array_equal(task.states, states)


def test_rounding_moves_scores_by_less_than_its_step_and_lets_a_kept_instance_follow():
    told = {"num_episodes": (4,) * 5, "num_successes": (4, 0, 3, 2, 1)}
    problem, kept = make_problem(**told), AmfOutcomes(CONFIG)
    rounded = {score.task_id: score.score for score in kept.select(problem).scores}
    for key, score in scores(problem).items():
        assert rounded[key] == pytest.approx(score, rel=2 ** (1 / 8) - 1)
    more = replace(problem, demonstrated=np.concatenate([problem.demonstrated, problem.tasks[4].states]))
    assert kept.select(more).task_ids == AmfOutcomes(CONFIG).select(more).task_ids
    assert kept.last is not None and kept.last.followed


def test_what_the_configuration_leaves_out_is_not_believed_either():
    problem = make_problem(num_episodes=(4,) * 5, num_successes=(0,) * 5)
    blind = AmfOutcomes(CONFIG.model_copy(update={"coverage": False})).select(problem)
    assert [s.score for s in blind.scores] == pytest.approx(
        [s.score for s in AmfOutcomes(CONFIG).select(replace(problem, coverage=None)).scores]
    )


def test_a_kept_instance_answers_as_a_new_one():
    kept = AmfOutcomes(CONFIG)
    for successes in range(4):
        problem = make_problem(
            batch=3, num_episodes=(4,) * 5, num_successes=(successes, 3, 2, 4 - successes, 0)
        )
        new = AmfOutcomes(CONFIG).select(problem)
        assert kept.select(problem).task_ids == new.task_ids


@pytest.mark.parametrize(
    "columns",
    [
        {"num_episodes": (1,) * 5, "num_successes": (0, 2, 0, 0, 0)},
        {"num_audited": (1,) * 5, "num_audit_successes": (0, -1, 0, 0, 0)},
        {"num_demonstrations": (0, -1, 0, 0, 0)},
    ],
)
def test_counts_that_contradict_each_other_are_refused(columns):
    with pytest.raises(SelectionError, match="'task_1'"):
        AmfOutcomes(CONFIG).select(make_problem(**columns))
