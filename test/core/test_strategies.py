"""The baselines, and the checks that every strategy shares."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import BadWeights, SelectionError, UnknownName
from amf_ros.core.plugins import load, names
from amf_ros.selection.base import Problem, TaskRecord, best
from amf_ros.selection.problem_checks import target_weights

IDS = ("lift", "push", "stack", "open")


def make_problem(demonstrations=(0, 0, 0, 0), pretraining=(0, 0, 0, 0), **changes):
    rng = np.random.default_rng(0)
    records = tuple(
        TaskRecord(key, rng.normal(size=(3, 5)).astype(np.float32), n, num_pretraining=m)
        for key, n, m in zip(IDS, demonstrations, pretraining)
    )
    problem = Problem(records, IDS, target_weights(IDS), np.zeros((0, 5), np.float32))
    return replace(problem, **changes)


def select(name, problem):
    return load("strategy", name)(SelectionConfig()).select(problem)


@pytest.mark.parametrize("name", names("strategy"))
def test_every_strategy_scores_each_candidate_once_best_first(name):
    chosen = select(name, make_problem(candidates=("push", "stack", "open"), num_tasks=5))
    assert len(chosen.task_ids) == 5 and set(chosen.task_ids) <= {"push", "stack", "open"}
    assert sorted(score.task_id for score in chosen.scores) == ["open", "push", "stack"]
    values = [score.score for score in chosen.scores]
    assert values == sorted(values, reverse=True) and all(map(math.isfinite, values))
    assert chosen.strategy == name and chosen.reason and all(score.reason for score in chosen.scores)


@pytest.mark.parametrize("name", names("strategy"))
def test_every_strategy_is_deterministic(name):
    problem = make_problem(num_tasks=3, seed=11)
    assert repr(select(name, problem)) == repr(select(name, problem))


def test_uniform_draws_all_alike_and_any_order_of_candidates_gives_the_same():
    drawn = Counter(select("uniform", make_problem(seed=seed)).task_ids[0] for seed in range(2000))
    # Five standard deviations of a binomial draw: 2000/4 +- 97.
    assert all(abs(drawn[key] - 500) < 97 for key in IDS)
    problem = make_problem(num_tasks=6, seed=3)
    assert (
        select("uniform", problem).task_ids
        == select("uniform", replace(problem, candidates=IDS[::-1])).task_ids
    )


def test_round_robin_goes_through_the_suite_in_order_and_fills_gaps_first():
    assert select("round_robin", make_problem(num_tasks=5)).task_ids == (*IDS, "lift")
    answer = select("round_robin", make_problem(demonstrations=(2, 1, 2, 0), num_tasks=4))
    assert answer.task_ids == ("open", "push", "open", "lift")


def test_rebalancing_counts_pretraining_too():
    problem = make_problem(demonstrations=(0, 4, 0, 1), pretraining=(5, 0, 0, 5), num_tasks=6)
    assert Counter(select("rebalancing", problem).task_ids) == {"stack": 5, "push": 1}
    assert select("rebalancing", problem).task_ids[0] == "stack"


def test_rebalancing_follows_the_target_weights():
    counts = (4, 4, 4, 4)
    heavy = make_problem(
        pretraining=counts, targets=target_weights(IDS, ("push", "open"), (1.0, 3.0)), num_tasks=8
    )
    answer = Counter(select("rebalancing", heavy).task_ids)
    assert set(answer) <= {"push", "open"} and answer["open"] > answer["push"]


def test_rebalancing_says_when_the_checkpoint_is_silent():
    problem = make_problem()
    silent = (replace(problem.tasks[0], num_pretraining=None), *problem.tasks[1:])
    with pytest.raises(SelectionError, match="lift.*amf pretrain"):
        select("rebalancing", replace(problem, tasks=silent))


BROKEN = [
    ({"num_tasks": 0}, SelectionError, "num_tasks is 0"),
    ({"seed": -1}, SelectionError, "seed"),
    ({"candidates": ()}, SelectionError, "candidates is empty"),
    ({"targets": {}}, SelectionError, "targets is empty"),
    ({"tasks": ()}, SelectionError, "tasks is empty"),
    ({"candidates": ("push", "push")}, SelectionError, "'push' stands twice"),
    ({"candidates": ("pusj",)}, UnknownName, "did you mean 'push'"),
    ({"targets": {"pusj": 1.0}}, UnknownName, "did you mean 'push'"),
    ({"targets": {"push": 1.5, "open": -0.5}}, BadWeights, "'open' is -0.5"),
    ({"targets": {"push": 0.0}}, BadWeights, "every target weight is 0"),
    ({"targets": {"push": float("nan")}}, BadWeights, "nan"),
    ({"targets": {"push": 0.5}}, BadWeights, "sum to 0.5"),
    (
        {"demonstrated": np.full((1, 5), np.nan, np.float32)},
        SelectionError,
        "demonstrated: features are not finite",
    ),
    ({"demonstrated": np.zeros((1, 4), np.float32)}, SelectionError, "one checkpoint"),
    ({"coverage": np.eye(4, dtype=np.float32)}, SelectionError, r"coverage: shape \(4, 4\)"),
    ({"coverage": np.full((5, 5), np.inf, np.float32)}, SelectionError, "coverage is not finite"),
]


@pytest.mark.parametrize("name", names("strategy"))
@pytest.mark.parametrize(("change", "kind", "text"), BROKEN)
def test_every_strategy_refuses_a_broken_problem(name, change, kind, text):
    with pytest.raises(kind, match=text):
        select(name, make_problem(**change))


def test_states_that_are_not_finite_are_named():
    problem = make_problem()
    bad = (replace(problem.tasks[0], states=np.full((2, 5), np.inf, np.float32)), *problem.tasks[1:])
    with pytest.raises(SelectionError, match="states of 'lift'"):
        select("amf", replace(problem, tasks=bad))


def test_target_weights_are_normalised_in_the_suites_order():
    assert target_weights(IDS) == dict.fromkeys(IDS, 0.25)
    given = target_weights(IDS, ("open", "lift"), (3.0, 1.0))
    assert list(given.items()) == [("lift", 0.25), ("open", 0.75)]


@pytest.mark.parametrize(
    ("targets", "weights", "kind"),
    [
        (("open",), (1.0, 2.0), BadWeights),
        ((), (1.0,), BadWeights),
        (("open", "lift"), (0.0, 0.0), BadWeights),
        (("open", "lift"), (1.0, -1.0), BadWeights),
        (("open", "lift"), (1.0, float("inf")), BadWeights),
        (("open", "open"), (), SelectionError),
        (("opne",), (), UnknownName),
    ],
)
def test_target_weights_refuses_what_is_no_distribution(targets, weights, kind):
    with pytest.raises(kind):
        target_weights(IDS, targets, weights)


def test_best_takes_rounding_for_a_tie():
    assert best({"a": 1.0, "b": 2.0}, seed=0) == "b"
    near = {"a": 1.0, "b": 1.0 + 1e-14}
    assert {best(near, seed) for seed in range(20)} == {"a", "b"}
    assert [best(near, seed) for seed in range(20)] == [
        best({"b": 1.0, "a": 1.0}, seed) for seed in range(20)
    ]


def test_an_unknown_strategy_is_suggested_for():
    with pytest.raises(UnknownName, match="did you mean 'uniform'"):
        load("strategy", "unifrom")
