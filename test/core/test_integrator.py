"""The integrator suite: its dynamics, its expert and its measure, and the general machinery on it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Outcome
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.tasks import integrator
from amf_ros.tasks.integrator import GOALS, NUM_STEPS, IntegratorSuite
from amf_ros.tasks.loading import load_suite


def test_there_are_twelve_goals_on_a_circle_and_each_is_its_embedding() -> None:
    suite = IntegratorSuite()
    assert len(suite.tasks) == 12 and set(GOALS) == {task.id for task in suite.tasks}
    goals = np.array([suite.embedding(task.id) for task in suite.tasks])
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(np.diff(goals, axis=0), axis=1), 2 * np.sin(np.pi / 12))
    with pytest.raises(UnknownName, match="goal_030"):
        suite.embedding("goal_031")


def test_speed_is_limited_and_the_direction_stays() -> None:
    wanted = np.array([[3.0, 4.0], [0.03, 0.04], [0.0, 0.0]])
    got = integrator.saturated(wanted)
    np.testing.assert_allclose(got, [[0.3, 0.4], [0.03, 0.04], [0.0, 0.0]])


def test_the_expert_reaches_every_goal_and_stays() -> None:
    environment = make_environment(load_suite("integrator"))
    for task_id, goal in GOALS.items():
        for seed in range(5):
            demo = demonstrate(environment, task_id, seed, "d")
            assert demo.outcome is Outcome.SUCCESS and demo.num_steps == NUM_STEPS
            np.testing.assert_allclose(demo.observations.flat()[-1], goal, atol=integrator.TOLERANCE)
    environment.close()


def test_many_points_at_once_move_as_one_in_the_simulator() -> None:
    suite, ids = IntegratorSuite(), list(GOALS)
    goals = np.array([suite.embedding(key) for key in ids])
    starts = np.array([integrator.start(seed) for seed in range(len(ids))])
    together = integrator.roll_out(integrator.expert, starts, goals)
    simulator = suite.environment()
    for seed, key in enumerate(ids):
        path = [simulator.reset(key, seed)]
        for _ in range(NUM_STEPS):
            path.append(simulator.step(simulator.expert()))
        np.testing.assert_array_equal(np.array(path), together[seed])


def test_starts_are_uniform_in_a_disc_and_decided_by_the_seed() -> None:
    starts = np.array([integrator.start(seed) for seed in range(4000)])
    squared = (starts**2).sum(axis=1) / integrator.SPREAD**2
    assert squared.max() <= 1
    np.testing.assert_allclose(np.quantile(squared, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03)
    np.testing.assert_array_equal(integrator.start(5), starts[5])


def test_return_is_one_for_the_expert_and_zero_for_standing_still() -> None:
    goals = np.array(list(GOALS.values()))
    starts = np.array([integrator.start(seed) for seed in range(12)])
    expert = integrator.roll_out(integrator.expert, starts, goals)
    still = integrator.roll_out(lambda points, _: np.zeros_like(points), starts, goals)
    away = integrator.roll_out(lambda points, goals: -integrator.expert(points, goals), starts, goals)
    np.testing.assert_allclose(integrator.normalised_return(expert, goals), 1.0)
    np.testing.assert_allclose(integrator.normalised_return(still, goals), 0.0, atol=1e-12)
    assert (integrator.normalised_return(away, goals) < -0.9).all()


def test_a_parameter_is_the_goal_of_a_task() -> None:
    suite = IntegratorSuite()
    np.testing.assert_array_equal(suite.embedding_of(np.array([0.2, -0.3])), [0.2, -0.3])
    goals = np.array([suite.embedding(task.id) for task in suite.tasks])
    assert (goals >= np.array(suite.parameter_low) - 1e-12).all()
    assert (goals <= np.array(suite.parameter_high) + 1e-12).all()


def test_the_benchmark_rolls_out_as_the_simulator_does_and_repeats_itself() -> None:
    benchmark = load_script("integrator")
    job = {"strategy": "amf_gp", "known": 6, "seed": 3, "demonstrations": 2}
    first, again = benchmark.work(job), benchmark.work(job)
    assert first["return"] == again["return"] and first["chosen"] == again["chosen"]
    assert len(first["return"]) == 3 and first["return"][-1] > first["return"][0]

    policy, environment = benchmark.Run(job).policy, make_environment(load_suite("integrator"))
    starts = np.array([integrator.start(5)] * 12)
    together = benchmark.roll_out(policy, np.array(list(GOALS.values())), starts)
    for i, key in enumerate(GOALS):
        alone = run_policy(environment, policy, key, 5, "alone").observations.flat()
        np.testing.assert_allclose(together[i, : len(alone)], alone, atol=1e-5)


def load_script(name: str) -> Any:
    """A script of ``benchmarks/``, which is no package."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
