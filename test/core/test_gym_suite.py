"""Environments of gymnasium as suites: real ones, and small ones that are wrong in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from typer.testing import CliRunner

from amf_ros.cli.app import app
from amf_ros.core.errors import ConfigError, ContractError, UnknownName
from amf_ros.core.values import Outcome, Task
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.rollout.suite_check import examine
from amf_ros.tasks.base import SimulatedSuite
from amf_ros.tasks.gym import GymSuite
from amf_ros.tasks.loading import checked, load_suite


def push(task_id: str, env: Any, observation: Any) -> Any:
    """With the car's own motion: it swings itself up. Twice as hard as allowed."""
    return 2.0 * np.sign(observation[1:])


def over(reward: float, terminated: bool, info: Any) -> bool:
    return terminated


def hill(task_id: str) -> Any:
    return gymnasium.make("MountainCarContinuous-v0", goal_velocity={"climb": 0.0, "rush": 0.02}[task_id])


def climbing() -> GymSuite:
    return GymSuite(hill, ["climb", "rush"], push, success=over, name="hill", fps=30)


class Places(gymnasium.Env[Any, Any]):
    """A point that goes to a place; the observation is a dictionary, success a number in ``info``."""

    metadata = {"render_fps": 10}
    observation_space = spaces.Dict(
        {"place": spaces.Box(-5, 5, (2,), np.float32), "goal": spaces.Box(-5, 5, (2,), np.float32)}
    )
    action_space: Any = spaces.Box(-0.5, 0.5, (2,), np.float32)
    told: Any = None

    def __init__(self, goal: tuple[float, float] = (1.0, 0.0)) -> None:
        self._goal = np.array(goal, dtype=np.float32)

    def _see(self) -> Any:
        return {"place": self._place.astype(np.float32), "goal": self._goal}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._place = self.np_random.uniform(-0.2, 0.2, size=2)
        return self._see(), {}

    def step(self, action: Any) -> Any:
        self._place = self._place + action
        near = float(np.linalg.norm(self._place - self._goal) < 0.1)
        return self._see(), near, False, False, {"success": near if self.told is None else self.told}


GOALS = {"east": (1.0, 0.0), "north": (0.0, 1.0)}


def to_goal(task_id: str, env: Any, observation: Any) -> Any:
    return observation["goal"] - observation["place"]


def places(**changes: Any) -> GymSuite:
    """Two places; ``changes`` are of the environment."""
    kind = type("Changed", (Places,), changes)
    return GymSuite(
        lambda task_id: kind(GOALS[task_id]), list(GOALS), to_goal, name="places", max_episode_steps=12,
        embeddings=GOALS,
    )  # fmt: skip


def test_a_real_environment_is_demonstrated_and_its_end_ends_the_episode() -> None:
    suite = checked(climbing())
    assert isinstance(suite, SimulatedSuite)
    assert [task.max_episode_steps for task in suite.tasks] == [999, 999]
    assert suite.observation_names == ("observation_0", "observation_1")
    environment = make_environment(suite)
    demo = demonstrate(environment, "climb", seed=4, id="d")
    assert demo.outcome is Outcome.SUCCESS and demo.num_steps < 300
    assert np.abs(demo.actions).max() == 1.0  # what the environment makes of the expert's 2
    env = gymnasium.make("MountainCarContinuous-v0")
    first, _ = env.reset(seed=4)
    assert np.array_equal(demo.observations.flat()[0], np.asarray(first, dtype=np.float64))
    environment.close()


def test_a_real_environment_passes_the_check_with_every_task() -> None:
    made = examine(climbing(), seeds=3)
    assert made.wrong == (), [finding.found for finding in made.wrong]
    assert [one.successes for one in made.tasks] == [3, 3]


def test_the_truncation_of_an_environment_ends_an_episode_as_a_failure() -> None:
    suite = GymSuite("Pendulum-v1", ["swing"], lambda *_: [0.0], success=over)
    environment = make_environment(checked(suite))
    demo = demonstrate(environment, "swing", 0, "d")
    assert demo.num_steps == 200 and demo.outcome is Outcome.FAILURE


def test_a_dictionary_is_flattened_with_names_and_numbers_may_say_success() -> None:
    suite = places()
    assert suite.observation_names == ("goal_0", "goal_1", "place_0", "place_1")
    assert suite.embedding("north").tolist() == [0.0, 1.0] and suite.fps == 10
    assert (suite.action_low.tolist(), suite.action_high.tolist()) == ([-0.5, -0.5], [0.5, 0.5])
    environment = make_environment(checked(suite))
    demo = demonstrate(environment, "north", 0, "d")
    assert demo.outcome is Outcome.SUCCESS and demo.num_steps == 12
    np.testing.assert_allclose(demo.observations.flat()[:, :2], np.tile([0.0, 1.0], (12, 1)))


@pytest.mark.parametrize("told", [0.5, float("nan"), "yes", np.array([1, 0])])
def test_success_that_is_neither_0_nor_1_is_refused(told: Any) -> None:
    environment = make_environment(places(told=told))
    environment.reset("east", 0)
    with pytest.raises(ContractError, match=r"suite 'places': info\['success'\] is .*must be True or False"):
        environment.step(np.zeros(2))


def test_a_key_that_info_lacks_is_refused_with_those_that_it_has() -> None:
    suite = GymSuite(lambda _: Places(), ["east"], to_goal, success="is_success", max_episode_steps=5)
    environment = make_environment(suite)
    environment.reset("east", 0)
    with pytest.raises(ContractError, match="info has no 'is_success' in a step of 'east', it has 'success'"):
        environment.step(np.zeros(2))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GymSuite("Pendulum-v1", ["a", "b"], to_goal), "2 tasks and one environment 'Pendulum-v1'"),
        (lambda: GymSuite({"a": "Pendulum-v1"}, ["a", "b"], to_goal), "no environment for task 'b'"),
        (
            lambda: GymSuite(hill, ["climb", "rush"], push, embeddings={"climb": [1]}),
            "no embedding for task 'rush'",
        ),
        (lambda: GymSuite("Pendulun-v1", ["a"], to_goal).fps, "environment 'Pendulun-v1'"),
        (lambda: GymSuite("CartPole-v1", ["a"], to_goal).fps, r"actions are Discrete\(2\); only a Box"),
        (lambda: places(metadata={}).fps, "names no render_fps; give fps"),
        (lambda: GymSuite(lambda _: Places(), ["east"], to_goal).tasks, "no limit; give max_episode_steps"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def test_a_task_may_have_its_own_limit_and_an_unknown_one_is_refused() -> None:
    suite = GymSuite(hill, [Task("climb", max_episode_steps=7), "rush"], push, success=over, fps=30)
    assert [task.max_episode_steps for task in suite.tasks] == [7, 999]
    with pytest.raises(UnknownName, match="did you mean 'rush'"):
        suite.task("ruhs")


def test_the_commands_run_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"{__name__}:places"
    assert load_suite(name).name == "places"
    done = CliRunner().invoke(app, ["check-suite", name, "--seeds", "3"])
    assert done.exit_code == 0, done.output
    Path("places.yaml").write_text(
        f"suite: {name}\ndemonstrations: {{east: 1}}\n"
        "training: {hidden: [8], pretrain_steps: 20, num_steps: 10}\n"
    )
    words = "bench --pretrain places.yaml --strategy round_robin --seeds 1 --demonstrations 1 --batch 1"
    done = CliRunner().invoke(app, [*words.split(), "--episodes", "1", "--workers", "1", "--out", "out"])
    assert done.exit_code == 0, done.output
    assert "2 of 2 runs" in done.stdout
