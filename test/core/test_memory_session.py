"""The session without files makes what the session with files makes; shared and ablated runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amf_ros.core.config import PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.core.errors import Cancelled, CheckpointError, DataError, UnknownName
from amf_ros.core.values import Array, Task
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.checkpoints import Checkpoint, load
from amf_ros.rollout.robot_environment import Environment, SuiteEnvironment, make_environment
from amf_ros.session.journal import Journal
from amf_ros.session.local import Episodes, run_local
from amf_ros.session.memory import run_in_memory
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint, pretrain_in_memory
from amf_ros.session.summary import summary
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_suite

TOWARDS = {f"to_{n}": np.array([np.cos(n), np.sin(n)]) for n in range(6)}
SUITE = f"{__name__}:CompassSuite"


class Compass:
    """A point that starts in the middle and is done once it is far enough on the task's side."""

    resets = 0

    def reset(self, task_id: str, seed: int) -> Array:
        Compass.resets += 1
        self._towards = TOWARDS[task_id]
        self._position = np.random.default_rng(seed).normal(scale=0.1, size=2)
        return self._position

    def step(self, action: Array) -> Array:
        self._position = self._position + np.clip(action, -0.5, 0.5)
        return self._position

    @property
    def succeeded(self) -> bool:
        return bool(np.linalg.norm(self._position - self._towards) < 0.2)

    def expert(self) -> Array | None:
        return None if self.succeeded else 0.3 * (self._towards - self._position)


class CompassSuite:
    name = "compass"
    tasks = tuple(Task(side, side, {}, time_limit_s=3.0) for side in TOWARDS)
    observation_names = ("x", "y")
    action_names = ("dx", "dy")
    fps = 10.0
    embedding_names = tuple(TOWARDS)
    environment = Compass

    def task(self, task_id: str) -> Task:
        if task_id not in TOWARDS:
            raise UnknownName("task", task_id, TOWARDS)
        return next(task for task in self.tasks if task.id == task_id)

    def embedding(self, task_id: str) -> Array:
        return np.array([float(side == task_id) for side in TOWARDS])


TRAINING = TrainingConfig(hidden=(32, 32), chunk=2, batch_size=32, pretrain_steps=300, num_steps=150)
SELECTION = SelectionConfig(states_per_trajectory=4)
CONFIG = PretrainConfig(
    suite=SUITE, demonstrations={"to_0": 2, "to_1": 2, "to_2": 1}, seed=1, training=TRAINING
)
PLAN = Plan(suite=SUITE, num_rounds=2, demonstrations_per_round=2, evaluation_episodes=2, seed=3)


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment(load_suite(SUITE))


@pytest.fixture(scope="module")
def checkpoint(environment: Environment) -> Checkpoint:
    return pretrain_in_memory(CONFIG, environment)


def plain(told: dict[str, Any]) -> str:
    """A summary without its times; stamps and places differ, what was done may not."""
    return json.dumps({key: value for key, value in told.items() if key != "seconds"})


def play(checkpoint: Checkpoint, environment: Environment, plan: Plan = PLAN, **options: Any) -> str:
    _, told = run_in_memory(plan, checkpoint, SELECTION, TRAINING, environment, **options)
    return plain(told)


def test_pretraining_in_memory_is_pretraining_in_files(checkpoint: Checkpoint, tmp_path: Path) -> None:
    stored = load(pretrain_checkpoint(CONFIG, tmp_path, processes=1).uri)
    ours, theirs = checkpoint.policy.tensors(), stored.policy.tensors()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert checkpoint.coverage.keys() == stored.coverage.keys() == {"features"}
    np.testing.assert_array_equal(
        checkpoint.coverage["features"].moments, stored.coverage["features"].moments
    )
    assert checkpoint.pretraining == stored.pretraining == CONFIG.demonstrations
    assert checkpoint.info.policy_type == stored.info.policy_type == "mlp"


@pytest.mark.parametrize("strategy", ["amf", "uniform"])
def test_a_session_in_memory_is_the_session_in_files(
    checkpoint: Checkpoint, environment: Environment, tmp_path: Path, strategy: str
) -> None:
    plan = PLAN.model_copy(update={"strategy": strategy})
    pretrained = pretrain_checkpoint(CONFIG, tmp_path / "pretrained", processes=1)
    run_local(plan, pretrained.uri, tmp_path / "run", selection=SELECTION, training=TRAINING)
    with Journal(RunDirectory(tmp_path / "run").database, read_only=True) as journal:
        in_files = plain(summary(journal))
    assert play(checkpoint, environment, plan) == in_files
    assert json.loads(in_files)["success_after"]["episodes"] == 12


def test_it_makes_its_own_environment_where_none_is_given(
    checkpoint: Checkpoint, environment: Environment
) -> None:
    _, told = run_in_memory(PLAN, checkpoint, SELECTION, TRAINING)
    assert plain(told) == play(checkpoint, environment)


def test_the_checkpoint_is_left_as_it_was(checkpoint: Checkpoint, environment: Environment) -> None:
    before = {name: value.copy() for name, value in checkpoint.policy.tensors().items()}
    play(checkpoint, environment)
    assert all(np.array_equal(before[name], v) for name, v in checkpoint.policy.tensors().items())


def test_shared_episodes_of_the_first_checkpoint_are_made_once(
    checkpoint: Checkpoint, environment: Environment
) -> None:
    alone = play(checkpoint, environment, PLAN.model_copy(update={"strategy": "uniform"}))
    shared: Episodes = {}
    play(checkpoint, environment, episodes=shared)
    assert len(shared) == 12 and {info for info, _, _ in shared} == {checkpoint.info}
    Compass.resets = 0
    again = play(checkpoint, environment, PLAN.model_copy(update={"strategy": "uniform"}), episodes=shared)
    assert again == alone
    assert Compass.resets == 2 * 12 + 4  # two rounds' evaluations and the demonstrations
    assert len(shared) == 12


def test_another_checkpoint_does_not_use_anothers_episodes(environment: Environment) -> None:
    shared: Episodes = {}
    for seed in (1, 2):
        made = pretrain_in_memory(CONFIG.model_copy(update={"seed": seed}), environment)
        play(made, environment, episodes=shared)
    assert len(shared) == 24


def test_from_scratch_knows_nothing_of_the_pretrained_tasks(
    checkpoint: Checkpoint, environment: Environment
) -> None:
    """to_0 is known to pi_0; whoever starts from random weights and never sees it cannot do it."""
    plan = PLAN.model_copy(
        update={"candidates": ("to_4", "to_5"), "strategy": "round_robin", "final_episodes": 3}
    )
    tuned, anew = (
        json.loads(play(checkpoint, environment, plan, start=start)) for start in ("pretrained", "scratch")
    )
    assert tuned["demonstrations"] == anew["demonstrations"] == ["to_4", "to_5"] * 2
    assert tuned["success_after"]["tasks"]["to_0"]["successes"] == 3
    assert anew["success_after"]["tasks"]["to_0"]["successes"] == 0
    learned = [anew["success_after"]["tasks"][task_id]["successes"] for task_id in ("to_4", "to_5")]
    assert sum(learned) >= 3


def test_from_scratch_selection_goes_on_using_the_pretrained_features(
    checkpoint: Checkpoint, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, build = [], ProblemBuilder.build

    def spy(self: ProblemBuilder, known: Checkpoint, *args: Any, **options: Any) -> Any:
        asked.append((known.info.id, options["frozen"]))
        return build(self, known, *args, **options)

    monkeypatch.setattr(ProblemBuilder, "build", spy)
    play(checkpoint, environment, start="scratch")
    assert [known for known, _ in asked] == ["pretrained", "round_0001"]
    assert all(frozen is checkpoint.policy for _, frozen in asked)


def test_a_checkpoint_of_another_suite_is_refused(checkpoint: Checkpoint) -> None:
    class Wider(CompassSuite):
        observation_names = ("x", "y", "z")

    with pytest.raises(CheckpointError, match="other observations: it does not know z"):
        play(checkpoint, SuiteEnvironment(Wider()))


def test_stopping_says_so(checkpoint: Checkpoint, environment: Environment) -> None:
    seen: list[str] = []
    with pytest.raises(Cancelled):
        play(
            checkpoint,
            environment,
            report=lambda state: seen.append(state.detail),
            should_stop=lambda: any("training" in detail for detail in seen),
        )


def test_an_expert_that_cannot_do_a_task_is_named() -> None:
    class Lazy(Compass):
        def expert(self) -> Array | None:
            return None

    class LazySuite(CompassSuite):
        environment = Lazy

    with pytest.raises(DataError, match="expert failed 20 starts of 'to_0'"):
        pretrain_in_memory(CONFIG, SuiteEnvironment(LazySuite()))
