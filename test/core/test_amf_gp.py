"""AMF-GP against a Gaussian process written out with kernel matrices, and what it does on made-up tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import KernelConfig, SelectionConfig
from amf_ros.core.covariance import product_kernel
from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.strategies.amf_gp import AmfGp
from amf_ros.selection.strategies.uncertainty_gp import UncertaintyGp
from amf_ros.selection.weight_space import in_weight_space

D, K = 3, 2
IDS = ("a", "b", "c", "d")
CONFIG = SelectionConfig(
    noise_variance=0.05,
    states_per_trajectory=4,
    kernel=KernelConfig(family="matern32", state_lengthscale=0.9, task_lengthscale=0.6),
)


def made(seed: int, demonstrated: int = 6, anchors: int = 5) -> Problem:
    rng = np.random.default_rng(seed)
    goals = rng.normal(size=(len(IDS), K))

    def rows(count: int, goal: int) -> Array:
        return np.concatenate([rng.normal(size=(count, D)), np.tile(goals[goal], (count, 1))], axis=1)

    tasks = tuple(
        TaskRecord(key, rows(int(rng.integers(1, 6)), i).astype(np.float32)) for i, key in enumerate(IDS)
    )
    return Problem(
        tasks=tasks,
        candidates=IDS[:3],
        targets={"a": 0.5, "c": 0.2, "d": 0.3, "b": 0.0},
        demonstrated=rows(demonstrated, 0).astype(np.float32),
        anchors=rows(anchors, 1).astype(np.float32) if anchors else None,
        task_columns=K,
    )


def covariance(config: SelectionConfig, x: Array, y: Array) -> Array:
    k = config.kernel
    kernel = product_kernel(k.family, D, K, k.state_lengthscale, k.task_lengthscale)
    matrix: Array = kernel(np.asarray(x, np.float64), np.asarray(y, np.float64))
    return matrix


def variance_given(config: SelectionConfig, x: Array, seen: Array, noise: Array) -> Array:
    """Diagonal of the posterior covariance, Rasmussen and Williams 2006, eq. 2.24."""
    if not len(seen):
        return np.ones(len(x))
    cross = covariance(config, x, seen)
    system = covariance(config, seen, seen) + np.diag(noise)
    explained: Array = 1.0 - np.einsum("ij,ji->i", cross, np.linalg.solve(system, cross.T))
    return explained


def written_out(problem: Problem, config: SelectionConfig) -> dict[str, float]:
    """Eq. 2 of the paper: the trajectory's n states weigh together as states_per_trajectory of them."""
    records = {task.id: task for task in problem.tasks}
    anchors = np.zeros((0, D + K)) if problem.anchors is None else problem.anchors
    seen = np.concatenate([problem.demonstrated, anchors]).astype(np.float64)
    sigma2 = config.noise_variance
    noise = np.full(len(seen), sigma2)
    scores = {}
    for candidate in problem.candidates:
        own = records[candidate].states.astype(np.float64)
        more = np.full(len(own), sigma2 * len(own) / config.states_per_trajectory)
        scores[candidate] = 0.0
        for target, weight in problem.targets.items():
            x = records[target].states.astype(np.float64)
            before = variance_given(config, x, seen, noise)
            after = variance_given(config, x, np.concatenate([seen, own]), np.concatenate([noise, more]))
            gain = 0.5 * np.log((before + sigma2) / (after + sigma2))
            scores[candidate] += weight * float(gain.mean())
    return scores


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    demonstrated=st.integers(0, 6),
    anchors=st.integers(0, 6),
    family=st.sampled_from(["rbf", "matern12", "matern32", "matern52"]),
)
def test_scores_are_those_of_a_gaussian_process(
    seed: int, demonstrated: int, anchors: int, family: str
) -> None:
    kernel = CONFIG.kernel.model_copy(update={"family": family})
    config = CONFIG.model_copy(update={"kernel": kernel})
    problem = made(seed, demonstrated, anchors)
    wanted = written_out(problem, config)
    selection = AmfGp(config).select(problem)
    got = {score.task_id: score.score for score in selection.scores}
    assert got == pytest.approx(wanted, rel=1e-4, abs=1e-7)


def test_uncertainty_is_the_variance_of_a_gaussian_process() -> None:
    problem = replace(made(3), targets=dict.fromkeys(IDS[:3], 1 / 3))
    seen = np.concatenate([problem.demonstrated, problem.anchors])  # type: ignore[list-item]
    got = {score.task_id: score.score for score in UncertaintyGp(CONFIG).select(problem).scores}
    for task in problem.tasks[:3]:
        variance = variance_given(CONFIG, task.states, seen, np.full(len(seen), CONFIG.noise_variance))
        assert got[task.id] == pytest.approx(variance.mean(), rel=1e-5)


def test_what_pretraining_covered_is_not_demonstrated_again() -> None:
    problem = made(5, demonstrated=0, anchors=0)
    problem = replace(problem, candidates=IDS, targets=dict.fromkeys(IDS, 0.25))
    first = AmfGp(CONFIG).select(problem).task_ids[0]
    states = next(task.states for task in problem.tasks if task.id == first)
    covered = replace(problem, anchors=np.tile(states, (20, 1)))
    scores = {score.task_id: score.score for score in AmfGp(CONFIG).select(covered).scores}
    assert AmfGp(CONFIG).select(covered).task_ids[0] != first
    assert scores[first] == min(scores.values())


def test_a_kept_instance_and_a_new_one_choose_alike() -> None:
    kept = AmfGp(CONFIG)
    for seed in range(4):
        problem = replace(made(seed), num_tasks=3)
        again, cold = kept.select(problem), AmfGp(CONFIG).select(problem)
        assert again.task_ids == cold.task_ids
        np.testing.assert_allclose([s.score for s in again.scores], [s.score for s in cold.scores], rtol=1e-9)


def test_without_task_columns_the_rows_are_compared_as_a_whole() -> None:
    problem = replace(made(2), task_columns=0)
    mapped = in_weight_space(problem, CONFIG)
    kernel = product_kernel("matern32", D + K, 0, 0.9, 1.0)
    wanted = kernel(problem.tasks[0].states.astype(np.float64), problem.demonstrated.astype(np.float64))
    np.testing.assert_allclose(mapped.tasks[0].states @ mapped.demonstrated.T, wanted, atol=1e-12)


def test_moments_in_place_of_inputs_are_refused_unless_coverage_is_off() -> None:
    problem = replace(made(2), coverage=np.eye(D + K, dtype=np.float32))
    with pytest.raises(SelectionError, match="uncertainty to 'inputs'"):
        AmfGp(CONFIG).select(problem)
    without = CONFIG.model_copy(update={"coverage": False})
    assert AmfGp(without).select(problem).scores == AmfGp(without).select(made(2)).scores


def test_weights_of_a_task_that_is_left_out_are_left_out() -> None:
    problem = made(4)
    tasks = tuple(replace(t, weights=np.ones(len(t.states), np.float32)) for t in problem.tasks)
    weighted = replace(problem, tasks=tasks, targets={"a": 1.0}, candidates=("a",))
    unweighted = replace(weighted, tasks=problem.tasks)
    got, wanted = (AmfGp(CONFIG).select(p).scores[0].score for p in (weighted, unweighted))
    assert got == pytest.approx(wanted)


def test_more_points_than_memory_allows_are_refused() -> None:
    problem = replace(made(0), demonstrated=np.zeros((700, D + K), np.float32))
    with pytest.raises(SelectionError, match="memory_mb is 1"):
        AmfGp(CONFIG.model_copy(update={"memory_mb": 1})).select(problem)
