"""A choice that nobody waits for any more stops between two steps, also in the threads that help with it."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from amf_ros.core.errors import OutOfTime
from amf_ros.core.plugins import load, names
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.cancellation import cancelled_by, current_check, raise_if_cancelled
from amf_ros.selection.engine.parallel import spread
from amf_ros.selection.problem_checks import target_weights


def problem(num_tasks: int) -> Problem:
    rng = np.random.default_rng(0)
    ids = tuple(f"task_{n}" for n in range(6))
    tasks = tuple(
        TaskRecord(key, rng.normal(size=(4, 8)).astype(np.float32), num_pretraining=1, loss=0.1)
        for key in ids
    )
    return Problem(tasks, ids, target_weights(ids), np.empty((0, 8), np.float32), num_tasks=num_tasks)


class After:
    """Is over after a number of looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_without_a_limit_it_goes_on() -> None:
    raise_if_cancelled()
    with cancelled_by(None):
        raise_if_cancelled()
    assert current_check() is None


def test_a_limit_holds_inside_its_block_only() -> None:
    with cancelled_by(lambda: True), pytest.raises(OutOfTime):
        raise_if_cancelled()
    raise_if_cancelled()


GREEDY = [name for name in names("strategy") if name not in ("uniform", "amf_gp", "uncertainty_gp")]


@pytest.mark.parametrize("name", GREEDY)
def test_every_strategy_that_chooses_step_by_step_stops_and_answers_the_same_afterwards(name: str) -> None:
    strategy = load("strategy", name)()
    before = strategy.select(problem(40)).task_ids
    with cancelled_by(After(20)), pytest.raises(OutOfTime):
        strategy.select(replace(problem(40), seed=1))
    assert strategy.select(problem(40)).task_ids == before


def test_threads_that_help_stop_too() -> None:
    done: list[int] = []
    over = threading.Event()

    def work(item: int, _: object) -> None:
        done.append(item)
        if len(done) == 3:
            over.set()

    with cancelled_by(over.is_set), pytest.raises(OutOfTime):
        spread(work, list(range(1000)), threads=2)
    assert 3 <= len(done) < 1000
