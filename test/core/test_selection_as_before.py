"""Choices and scores that stay what they were: answers kept in ``selection_answers.json``.

python test/core/test_selection_as_before.py      # writes the file anew: only where a change is wanted
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amf_ros.core.config import KernelConfig, SelectionConfig
from amf_ros.core.plugins import load, names
from amf_ros.selection.base import Problem, TaskRecord

ANSWERS = Path(__file__).parent / "selection_answers.json"
SEEDS = range(12)
P = 12  # features; the last two are the task's where a kernel asks
KERNEL = KernelConfig(state_lengthscale=2.0, task_lengthscale=1.0)


def record(rng, number, num_states):
    """A task as a session can have seen it."""
    audited, tried, shown = 4, int(rng.integers(0, 5)), int(rng.integers(0, 4))
    states = rng.normal(size=(num_states, P)) / 3 + rng.normal(size=P)
    return TaskRecord(
        f"task_{number}",
        states.astype(np.float32),
        num_demonstrations=shown,
        num_episodes=tried,
        num_successes=int(rng.integers(0, tried + 1)),
        num_pretraining=int(rng.integers(0, 4)),
        weights=rng.uniform(0.1, 1, size=num_states).astype(np.float32) if number % 3 else None,
        demonstration_s=float(rng.uniform(5, 90)) if number % 4 else float("nan"),
        loss=float(rng.uniform(0.1, 1)) if shown else float("nan"),
        num_audited=audited,
        num_audit_successes=int(rng.integers(0, audited + 1)),
    )


def make_problem(seed):
    """Small problems with states of many shapes; every third is large enough for float32."""
    rng = np.random.default_rng(seed)
    many = seed % 3 == 2
    count = 260 if many else int(rng.integers(2, 12))
    tasks = tuple(record(rng, i, 5 if many else int(rng.integers(1, 9))) for i in range(count))
    ids = tuple(task.id for task in tasks)
    weights = rng.uniform(0.2, 1, size=count)
    seen = rng.normal(size=(6, P))
    return Problem(
        tasks=tasks,
        candidates=ids if seed % 2 else ids[: max(1, count - 1)],
        targets=dict(zip(ids, (weights / weights.sum()).tolist())),
        demonstrated=rng.normal(size=(7, P)).astype(np.float32),
        coverage=(seen.T @ seen).astype(np.float32),
        anchors=rng.normal(size=(3, P)).astype(np.float32) if seed % 2 else None,
        num_tasks=3,
        seed=seed,
        task_columns=2,
    )


def later(problem):
    """The problem after a demonstration of its second task, which changed what is known of it."""
    rng = np.random.default_rng(99)
    come = rng.normal(size=(len(problem.tasks[1].states), P)).astype(np.float32)
    tasks = list(problem.tasks)
    tasks[1] = replace(tasks[1], states=come, weights=None, num_demonstrations=9, loss=0.5)
    return replace(problem, tasks=tuple(tasks), demonstrated=np.concatenate([problem.demonstrated, come]))


def answers(name, seed):
    """Of one kept instance: to a problem, and to the same one after a demonstration."""
    config = SelectionConfig(
        noise_variance=0.3, states_per_trajectory=5, coverage=not name.endswith("_gp"), kernel=KERNEL
    )
    strategy, problem = load("strategy", name)(config), make_problem(seed)
    found = []
    for asked in (problem, later(problem)):
        answer = strategy.select(asked)
        top = {
            score.task_id: [float(f"{value:.9g}") for value in (score.score, score.posterior_std)]
            for score in answer.scores[:3]
        }
        found.append({"task_ids": list(answer.task_ids), "scores": top, "reason": answer.reason})
    return found


@pytest.mark.parametrize("name", names("strategy"))
def test_choices_and_scores_are_those_of_before(name):
    kept = json.loads(ANSWERS.read_text())[name]
    for seed in SEEDS:
        for before, now in zip(kept[seed], answers(name, seed)):
            assert now["task_ids"] == before["task_ids"], seed
            assert now["scores"].keys() == before["scores"].keys(), seed
            for key, expected in before["scores"].items():
                assert now["scores"][key] == pytest.approx(expected, rel=1e-4, nan_ok=True), (seed, key)
            assert now["reason"] == before["reason"], seed


if __name__ == "__main__":
    made = {name: [answers(name, seed) for seed in SEEDS] for name in names("strategy")}
    ANSWERS.write_text(json.dumps(made, indent=None, sort_keys=True) + "\n")
