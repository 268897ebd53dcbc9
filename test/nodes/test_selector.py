"""What the selector keeps between questions, and when it looks at the session directory again."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.deadline import DEADLINE_S

from amf_ros.contract import load_contract
from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import DataError
from amf_ros.core.frames import Frames
from amf_ros.core.values import Outcome, Rollout
from amf_ros.ros.selecting.selector import Question, Selector
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.strategies.uniform import Uniform
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

TASKS = [task.id for task in TabletopSuite().tasks]
CONTRACT = load_contract("panda_tabletop")


class Counting(Uniform):
    """Knows how often it was made and asked."""

    made = asked = 0

    def __init__(self, config: SelectionConfig) -> None:
        super().__init__(config)
        type(self).made += 1

    def select(self, problem: Problem) -> Selection:
        type(self).asked += 1
        return super().select(problem)


@pytest.fixture
def run(tmp_path: Path, pretrained: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    for task_id in TASKS:
        visit(run, task_id, 0)
    return run


def visit(run: RunDirectory, task_id: str, episode: int) -> None:
    rng = np.random.default_rng(TASKS.index(task_id))
    states = rng.normal(size=(12, len(CONTRACT.layout.elements)))
    name = f"pretrained_e{episode:02d}_{task_id}"
    rollout = Rollout(name, task_id, Frames.of_vectors(states), Outcome.FAILURE, "pretrained", len(states))
    RolloutStore(run.rollouts).save(rollout)


def make(run: RunDirectory, **config: object) -> Selector:
    return Selector(TabletopSuite(), CONTRACT, run, SelectionConfig.model_validate(config))


@pytest.fixture
def counting() -> type[Counting]:
    Counting.made = Counting.asked = 0
    return Counting


def test_a_strategy_is_made_once_and_asked_once_for_what_has_not_changed(
    run: RunDirectory, counting: type[Counting]
) -> None:
    selector = make(run, strategy=f"{__name__}:Counting")
    first = selector.ask(Question(seed=4))
    assert selector.ask(Question(seed=4)) is first
    assert selector.ask(Question(seed=5)) is not first
    assert (counting.made, counting.asked) == (1, 2)
    visit(run, TASKS[0], 1)
    assert selector.ask(Question(seed=4)) is not first
    assert (counting.made, counting.asked) == (1, 3)


def test_eight_who_ask_the_same_at_once_are_answered_by_one_thought(
    run: RunDirectory, counting: type[Counting]
) -> None:
    selector, barrier = make(run, strategy=f"{__name__}:Counting"), threading.Barrier(8)
    answers = []

    def ask() -> None:
        barrier.wait(DEADLINE_S)
        answers.append(selector.ask(Question()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(answers) == 8 and all(answer is answers[0] for answer in answers)
    assert counting.asked == 1


def test_only_what_is_new_is_embedded(run: RunDirectory) -> None:
    selector = make(run)
    before = {task.id: task.states for task in selector.ask(Question()).problem.tasks}
    again = {task.id: task.states for task in selector.ask(Question(seed=1)).problem.tasks}
    assert all(again[task_id] is states for task_id, states in before.items())
    visit(run, TASKS[3], 1)
    after = {task.id: task.states for task in selector.ask(Question()).problem.tasks}
    assert [task_id for task_id in TASKS if after[task_id] is not before[task_id]] == [TASKS[3]]


def test_what_it_keeps_changes_no_answer(run: RunDirectory) -> None:
    kept = make(run)
    for episode in range(1, 4):
        visit(run, TASKS[episode], episode)
        old, new = kept.ask(Question(num_tasks=3)).selection, make(run).ask(Question(num_tasks=3)).selection
        assert old.task_ids == new.task_ids and old.reason == new.reason
        assert old.gains is not None and new.gains is not None
        np.testing.assert_allclose(old.gains, new.gains, rtol=1e-4, atol=1e-7)


def test_the_directory_is_left_alone_once_it_has_settled(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    selector = make(run)
    selector.ask(Question())
    assert selector.changed()  # written just now: a change under the same time stamp would go unseen
    for folder in (run.rollouts, run.demonstrations, run.checkpoints):
        os.utime(folder, ns=(1, 1))
    selector.ask(Question())
    assert not selector.changed()
    reads = _count(monkeypatch, RolloutStore, "all")
    selector.ask(Question(seed=1))
    assert reads == []
    visit(run, TASKS[0], 1)
    assert selector.changed()
    counts = selector.ask(Question()).problem.tasks[0].num_episodes
    assert counts == 2 and len(reads) == 1


def test_a_damaged_file_is_told_until_it_is_gone(run: RunDirectory) -> None:
    selector = make(run)
    before = selector.ask(Question()).selection
    (run.rollouts / "broken.safetensors").write_bytes(b"no roll-out")
    for _ in range(2):
        with pytest.raises(DataError, match="broken"):
            selector.ask(Question())
    (run.rollouts / "broken.safetensors").unlink()
    assert selector.ask(Question()).selection.task_ids == before.task_ids


def _count(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    """Grows with every call of a method."""
    calls: list[None] = []
    real: Callable[..., object] = getattr(owner, name)

    def spy(*args: object) -> object:
        calls.append(None)
        return real(*args)

    monkeypatch.setattr(owner, name, spy)
    return calls
