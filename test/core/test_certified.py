"""float32 scores choose what float64 scores choose, at any scale of features and noise."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.engine.blocked import BlockedGain
from amf_ros.selection.engine.rounding import PROBES
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.strategies.amf import Amf


class AmfSingle(Amf):
    """Scores in float32 however small the problem."""

    float64_entries = 0


class AmfDouble(Amf):
    """Scores in float64 however large the problem."""

    float64_entries = 1 << 40


@st.composite
def problems(draw):
    """Tasks of any scale, some twice, some nearly twice, some confined to a subspace."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p, n, size = draw(st.integers(1, 20)), draw(st.integers(1, 30)), draw(st.integers(1, 6))
    basis = rng.normal(size=(draw(st.integers(1, 20)), p))
    wide = draw(st.sampled_from([0.0, 0.5, 2.0, 6.0]))  # decades either way between tasks
    common = 10 ** draw(st.floats(-6, 6))
    states = []
    for _ in range(n):
        made = rng.normal(size=(size, len(basis))) @ basis * common * 10 ** rng.uniform(-wide, wide)
        kind = rng.random()
        if states and kind < 0.3:
            made = states[int(rng.integers(len(states)))] * (1 + (kind < 0.15) * 10.0 ** rng.uniform(-8, -3))
        states.append(made.astype(np.float32))
    records = tuple(TaskRecord(f"task_{i}", rows) for i, rows in enumerate(states))
    ids = tuple(record.id for record in records)
    some = [key for key in ids if rng.random() < draw(st.sampled_from([0.2, 1.0]))] or [ids[-1]]
    demonstrated = (rng.normal(size=(int(rng.integers(9)), p)) * common).astype(np.float32)
    noise = 10 ** draw(st.floats(-4, 4))
    information = draw(st.sampled_from(["exact", "linear", "variance"]))
    config = SelectionConfig(noise_variance=noise, states_per_trajectory=5, information=information)
    problem = Problem(records, ids, target_weights(ids, some), demonstrated, num_tasks=2)
    return config, problem, rng


@settings(max_examples=150, deadline=None)
@given(problems())
def test_float32_chooses_as_float64(drawn):
    config, problem, rng = drawn
    single, double = AmfSingle(config), AmfDouble(config)
    for _ in range(2):
        left, right = single.select(problem), double.select(problem)
        assert left.task_ids == right.task_ids
        more = problem.tasks[int(rng.integers(len(problem.tasks)))].states[:2]
        problem = replace(problem, demonstrated=np.concatenate([problem.demonstrated, more]))


def many(n=60, p=16, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(n, 4, p)).astype(np.float32) * rng.uniform(0.2, 1, size=(n, 1, 1)).astype("f")
    records = tuple(TaskRecord(f"task_{i}", rows) for i, rows in enumerate(states))
    ids = tuple(record.id for record in records)
    return Problem(records, ids, target_weights(ids), states[0])


CONFIG = SelectionConfig(states_per_trajectory=4)


def test_clear_winners_need_few_scores_in_float64():
    strategy = AmfSingle(CONFIG)
    strategy.select(many())
    assert strategy.last.precision == "float32" and strategy.last.rescored == PROBES
    assert 0 < strategy.last.rounding < 1  # errors stay below the bound with c = 1


def test_more_winners_than_probes_are_all_scored_in_float64():
    problem = many()
    twins = tuple(replace(task, states=problem.tasks[1].states) for task in problem.tasks)
    asked = replace(problem, tasks=twins)
    single = AmfSingle(CONFIG)
    for seed in range(5):
        choice = single.select(replace(asked, seed=seed)).task_ids
        assert single.last.rescored == len(twins)
        assert choice == AmfDouble(CONFIG).select(replace(asked, seed=seed)).task_ids


def test_features_that_float32_cannot_hold_are_left_to_float64():
    problem, strategy = many(), AmfSingle(CONFIG)
    large = replace(problem.tasks[3], states=problem.tasks[3].states * np.float32(1e6))
    weights = {key: 0.0 if key == "task_3" else 1 / 59 for key in problem.candidates}
    asked = replace(problem, tasks=(*problem.tasks[:3], large, *problem.tasks[4:]), targets=weights)
    for _ in range(2):
        assert strategy.select(asked).task_ids == AmfDouble(CONFIG).select(asked).task_ids
        assert strategy.last.precision == "float64" and not strategy.last.followed


def test_a_cache_gone_wrong_is_noticed_and_made_anew():
    problem, strategy = many(), AmfSingle(CONFIG)
    expected = strategy.select(problem)
    for block in strategy._scorer._blocks:
        block.cross *= np.float32(1 + 1e-3)
    found = strategy.select(problem)
    assert found == expected
    assert not strategy.last.followed and strategy.last.rounding < 1
    assert strategy.select(problem) == expected and strategy.last.followed


def test_errors_larger_than_expected_widen_the_search(monkeypatch):
    problem, strategy = many(), AmfSingle(CONFIG)
    expected = strategy.select(problem)
    best, totals = problem.candidates.index(expected.task_ids[0]), BlockedGain._totals

    def wrong(scorer, blocks, names, dtype, matrix):
        found = totals(scorer, blocks, names, dtype, matrix)
        if dtype is np.float32:
            found.gains[:] *= 1.5  # more than the best one is ahead of the next ones
            found.gains[best] /= 2.0
        return found

    monkeypatch.setattr(BlockedGain, "_totals", wrong)
    found = AmfSingle(CONFIG)
    assert found.select(problem).task_ids == expected.task_ids
    assert found.last.rescored > PROBES and found.last.rounding > 1
