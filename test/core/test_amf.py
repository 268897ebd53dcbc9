"""Information gain as a strategy: against a naive implementation, its invariances, and its refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import IllConditioned, NoEmbeddings, SelectionError
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.strategies.amf import Amf

CONFIG = SelectionConfig(noise_variance=0.1, states_per_trajectory=4)


class AmfSingle(Amf):
    """Scores in float32 however small the problem."""

    float64_entries = 0


def make_problem(
    seed=0, num_tasks=6, p=10, num_demonstrated=2, batch=1, states=4, weighted=False, anchored=False
):
    rng = np.random.default_rng(seed)

    def features(centre, n):
        rows = centre + 0.3 * rng.normal(size=(n, p))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    centres = rng.normal(size=(num_tasks, p))
    records = tuple(TaskRecord(f"task_{i}", features(centre, states)) for i, centre in enumerate(centres))
    ids = tuple(record.id for record in records)
    demonstrated = np.concatenate(
        [features(centres[i], 4) for i in range(num_demonstrated)] + [np.zeros((0, p), np.float32)]
    )
    covered = features(centres[-1], 12).astype(np.float64)
    weights = rng.uniform(0.5, 2, size=num_tasks)
    if weighted:
        own = [rng.gamma(0.5, size=states).astype(np.float32) + np.float32(1e-3) for _ in records]
        records = tuple(replace(record, weights=w) for record, w in zip(records, own))
    return Problem(
        tasks=records,
        candidates=ids,
        targets=dict(zip(ids, (weights / weights.sum()).tolist())),
        demonstrated=demonstrated,
        coverage=(covered.T @ covered).astype(np.float32),
        num_tasks=batch,
        anchors=features(centres[0], 5) if anchored else None,
    )


def normalised(task):
    weights = np.ones(len(task.states)) if task.weights is None else task.weights.astype(np.float64)
    return weights / weights.sum()


def expected_trajectory(task):
    """States of a task as rows that together weigh as much as one demonstration."""
    return task.states.astype(np.float64) * np.sqrt(CONFIG.states_per_trajectory * normalised(task))[:, None]


def naive_scores(problem, extra=(), information="exact"):
    """Eq. 2 by kernel matrices; D = (square root of the coverage, demonstrations, anchors, extra)."""
    noise = CONFIG.noise_variance
    coverage = (
        np.zeros((problem.demonstrated.shape[1],) * 2) if problem.coverage is None else problem.coverage
    )
    values, vectors = np.linalg.eigh(coverage.astype(np.float64))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    anchors = problem.demonstrated[:0] if problem.anchors is None else problem.anchors
    data = np.concatenate([root, problem.demonstrated, anchors, *extra]).astype(np.float64)

    def variance(x, rows):
        cross = x @ rows.T
        solved = np.linalg.solve(rows @ rows.T + noise * np.eye(len(rows)), cross.T)
        return np.einsum("ij,ij->i", x, x) - np.einsum("ij,ji->i", cross, solved)

    def information_of(before, after):
        if information == "exact":
            return 0.5 * np.log((before + noise) / (after + noise))
        return (before - after) * (1 if information == "variance" else 0.5 / (before + noise))

    records = {task.id: task for task in problem.tasks}
    scores = {}
    for candidate in problem.candidates:
        after = np.concatenate([data, expected_trajectory(records[candidate])])
        scores[candidate] = 0.0
        for target, mu in problem.targets.items():
            rows = records[target].states.astype(np.float64)
            gain = information_of(variance(rows, data), variance(rows, after))
            scores[candidate] += mu * float(gain @ normalised(records[target]))
    return scores


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_scores_are_equation_2_by_kernel_matrices(seed):
    problem = make_problem(seed)
    selection = Amf(CONFIG).select(problem)
    expected = naive_scores(problem)
    for score in selection.scores:
        assert score.score == pytest.approx(expected[score.task_id], rel=1e-4, abs=1e-6)
        assert score.information_gain == score.score >= 0
        assert score.posterior_std > 0
    assert [s.score for s in selection.scores] == sorted((s.score for s in selection.scores), reverse=True)
    assert selection.task_ids == (max(expected, key=expected.__getitem__),)


@pytest.mark.parametrize("information", ["exact", "linear", "variance"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), weighted=st.booleans(), anchored=st.booleans(), single=st.booleans())
def test_weights_of_states_anchors_and_each_form_of_information(
    information, seed, weighted, anchored, single
):
    problem = make_problem(seed, weighted=weighted, anchored=anchored)
    config = CONFIG.model_copy(update={"information": information})
    selection = (AmfSingle if single else Amf)(config).select(problem)
    expected = naive_scores(problem, information=information)
    assert {s.task_id: s.score for s in selection.scores} == pytest.approx(expected, rel=2e-4, abs=1e-6)
    assert min(s.score for s in selection.scores) >= 0
    assert selection.task_ids == (max(expected, key=expected.__getitem__),)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_a_batch_is_greedy_with_each_choice_conditioned_on(seed, weighted, single):
    problem = make_problem(seed, batch=4, weighted=weighted)
    records = {task.id: task for task in problem.tasks}
    expected = []
    for _ in range(4):
        scores = naive_scores(problem, [expected_trajectory(records[task_id]) for task_id in expected])
        expected.append(max(scores, key=scores.__getitem__))
    assert (AmfSingle if single else Amf)(CONFIG).select(problem).task_ids == tuple(expected)


def test_without_coverage_in_the_configuration_that_of_the_checkpoint_is_left_out():
    problem = make_problem()
    config = CONFIG.model_copy(update={"coverage": False})
    assert Amf(config).select(problem) == Amf(CONFIG).select(replace(problem, coverage=None))
    assert Amf(config).select(problem).scores != Amf(CONFIG).select(problem).scores


def test_scores_are_divided_by_prices_and_gains_are_not():
    def price(problem):
        return np.where(np.array(problem.candidates) == dear, 1e3, 2.0)

    problem = make_problem(batch=2)
    plain = Amf(CONFIG).select(problem)
    dear = plain.task_ids[0]
    found = Amf(CONFIG, price=price).select(problem)
    assert dear not in found.task_ids and found.scores[-1].task_id == dear
    before = {s.task_id: s.score for s in plain.scores}
    for score in found.scores:
        assert score.information_gain == before[score.task_id]
        assert score.score == score.information_gain / (1e3 if score.task_id == dear else 2.0)


@pytest.mark.parametrize("price", [0.0, -1.0, np.nan, np.inf])
def test_prices_that_are_none_are_refused(price):
    def same(problem):
        return np.full(len(problem.candidates), price)

    with pytest.raises(SelectionError, match="price"):
        Amf(CONFIG, price=same).select(make_problem())


def test_worthwhile_compares_the_best_gain_with_the_bound():
    problem = make_problem()
    gain = max(score.information_gain for score in Amf(CONFIG).select(problem).scores)
    for bound, worthwhile in ((0.0, True), (0.99 * gain, True), (1.01 * gain, False)):
        assert Amf(CONFIG.model_copy(update={"stop_below": bound})).select(problem).worthwhile is worthwhile


def test_the_selection_carries_the_matrix_in_the_order_of_its_scores(monkeypatch):
    problem = make_problem()
    selection = Amf(CONFIG).select(problem)
    assert selection.targets == problem.candidates and selection.gains.dtype == np.float32
    totals = selection.gains @ [problem.targets[key] for key in selection.targets]
    np.testing.assert_allclose(totals, [score.score for score in selection.scores], rtol=1e-6)
    for column, key in enumerate(selection.targets):
        alone = {s.task_id: s.score for s in Amf(CONFIG).select(replace(problem, targets={key: 1.0})).scores}
        expected = [alone[score.task_id] for score in selection.scores]
        np.testing.assert_allclose(selection.gains[:, column], expected, rtol=0.2)  # of another scale
    monkeypatch.setattr("amf_ros.selection.gain_strategy.MATRIX_ENTRIES", 35)
    large = Amf(CONFIG).select(problem)
    assert (large.gains, large.targets) == (None, ()) and large.scores == selection.scores


def test_reasons_are_given_for_the_best_and_for_the_chosen(monkeypatch):
    problem = make_problem()
    full = Amf(CONFIG).select(problem)
    monkeypatch.setattr("amf_ros.selection.gain_strategy.NUM_REASONS", 2)
    found = Amf(CONFIG).select(problem)
    assert [s.reason for s in found.scores] == [s.reason for s in full.scores[:2]] + [""] * 4
    assert found.reason == full.reason


def test_a_kernel_of_its_own_scale_is_left_as_it_is():
    def doubled(problem, config):
        return replace(
            problem, tasks=tuple(replace(t, states=t.states * np.float32(2)) for t in problem.tasks)
        )

    problem = replace(make_problem(num_demonstrated=0), coverage=None)
    found = Amf(CONFIG, features=doubled, rescale=False).select(problem)
    quarter = CONFIG.model_copy(update={"noise_variance": CONFIG.noise_variance / 4})
    for left, right in zip(found.scores, Amf(quarter).select(problem).scores):
        assert left.score == pytest.approx(right.score, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_order_of_tasks_states_and_demonstrations_plays_no_part(seed, shuffle):
    problem = make_problem(seed, batch=3)
    rng = np.random.default_rng(shuffle)
    order = rng.permutation(len(problem.tasks))
    tasks = [replace(problem.tasks[i], states=rng.permutation(problem.tasks[i].states)) for i in order]
    shuffled = replace(
        problem,
        tasks=tuple(tasks),
        candidates=tuple(rng.permutation(problem.candidates).tolist()),
        targets={key: problem.targets[key] for key in rng.permutation(list(problem.targets)).tolist()},
        demonstrated=rng.permutation(problem.demonstrated),
    )
    first, second = Amf(CONFIG).select(problem), Amf(CONFIG).select(shuffled)
    assert first.task_ids == second.task_ids
    left, right = ({s.task_id: s.score for s in answer.scores} for answer in (first, second))
    assert left == pytest.approx(right, rel=1e-9)


def test_equal_tasks_are_decided_by_the_seed_and_not_by_their_place():
    problem = make_problem(num_demonstrated=0)
    twins = tuple(replace(task, states=problem.tasks[0].states) for task in problem.tasks)
    ids = [task.id for task in twins]
    uniform = dict.fromkeys(ids, 1 / len(ids))
    choices = set()
    for seed in range(30):
        asked = replace(problem, tasks=twins, targets=uniform, seed=seed)
        answer = Amf(CONFIG).select(asked).task_ids
        assert (
            answer
            == Amf(CONFIG).select(replace(asked, tasks=twins[::-1], candidates=tuple(ids[::-1]))).task_ids
        )
        choices.add(answer)
    assert len(choices) > 2


def test_the_same_problem_gives_the_same_answer_and_is_not_changed():
    problem = make_problem(batch=3)
    before = [task.states.copy() for task in problem.tasks]
    assert Amf(CONFIG).select(problem) == Amf(CONFIG).select(problem)
    for task, states in zip(problem.tasks, before):
        np.testing.assert_array_equal(task.states, states)


def test_what_pretraining_covered_is_not_asked_for_again():
    problem = make_problem(num_demonstrated=0)
    covered = problem.tasks[-1].id
    with_coverage = {s.task_id: s.score for s in Amf(CONFIG).select(problem).scores}
    without = {s.task_id: s.score for s in Amf(CONFIG).select(replace(problem, coverage=None)).scores}
    assert with_coverage[covered] == min(with_coverage.values())
    assert with_coverage[covered] < 0.3 * without[covered]


def test_repeated_states_and_more_states_than_features_are_fine():
    problem = make_problem(p=3, states=9)
    doubled = tuple(replace(task, states=np.repeat(task.states, 2, axis=0)) for task in problem.tasks)
    once, twice = Amf(CONFIG).select(problem), Amf(CONFIG).select(replace(problem, tasks=doubled))
    # A demonstration weighs the same however many states its task is known by.
    for left, right in zip(once.scores, twice.scores):
        assert left.score == pytest.approx(right.score, rel=1e-6)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
def test_the_scale_of_the_features_plays_no_part(scale):
    problem = make_problem(batch=3)
    scaled = replace(
        problem,
        tasks=tuple(replace(t, states=(t.states * np.float32(scale))) for t in problem.tasks),
        demonstrated=problem.demonstrated * np.float32(scale),
        coverage=problem.coverage.astype(np.float64) * scale**2,
    )
    expected, found = Amf(CONFIG).select(problem), Amf(CONFIG).select(scaled)
    assert expected.task_ids == found.task_ids
    assert expected.scores[0].score == pytest.approx(found.scores[0].score, rel=1e-4)


def test_targets_of_no_weight_and_other_tasks_need_no_states():
    problem = make_problem()
    nothing = np.zeros((0, 10), np.float32)
    tasks = (*problem.tasks, TaskRecord("unrelated", nothing), TaskRecord("no_weight", nothing))
    answer = Amf(CONFIG).select(replace(problem, tasks=tasks, targets={**problem.targets, "no_weight": 0.0}))
    assert answer.scores == Amf(CONFIG).select(problem).scores


def test_reason_tells_counts_and_what_else_a_demonstration_teaches():
    problem = make_problem()
    shared = replace(problem.tasks[1], states=problem.tasks[0].states)
    first = replace(problem.tasks[0], num_demonstrations=5, num_episodes=4, num_successes=1)
    problem = replace(problem, tasks=(first, shared, *problem.tasks[2:]))
    reason = next(s.reason for s in Amf(CONFIG).select(problem).scores if s.task_id == "task_0")
    assert reason.startswith("5 demonstrations, 1/4 successes; expected to teach ")
    assert "task_1 (" in reason and "nat)" in reason


def test_reason_tells_how_many_demonstrations_importance_weights_amount_to():
    problem = make_problem()
    weighted = replace(problem.tasks[0], effective_sample_size=2.34)
    found = Amf(CONFIG).select(replace(problem, tasks=(weighted, *problem.tasks[1:])))
    reasons = {s.task_id: s.reason for s in found.scores}
    assert "states by importance (2.3 effective demonstrations)" in reasons[problem.tasks[0].id]
    assert sum("by importance" in reason for reason in reasons.values()) == 1


def test_missing_states_are_named():
    problem = make_problem()
    tasks = (replace(problem.tasks[0], states=np.zeros((0, 10), np.float32)), *problem.tasks[1:])
    with pytest.raises(NoEmbeddings, match="task_0.*execute"):
        Amf(CONFIG).select(replace(problem, tasks=tasks))


def test_features_that_are_all_zero_are_refused():
    problem = make_problem()
    tasks = tuple(replace(task, states=np.zeros_like(task.states)) for task in problem.tasks)
    with pytest.raises(SelectionError, match="embed"):
        Amf(CONFIG).select(replace(problem, tasks=tasks))


def test_singular_coverage_is_ill_conditioned():
    with pytest.raises(IllConditioned, match="noise_variance"):
        Amf(CONFIG).select(replace(make_problem(), coverage=-100 * np.eye(10, dtype=np.float32)))
