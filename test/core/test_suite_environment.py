"""A suite with its own simulator as an environment, and how a suite that lacks something is refused."""

from __future__ import annotations

import numpy as np
import pytest
from support.frames import flat

from amf_ros.core.errors import ConfigError, ContractError, UnknownName
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, Outcome, SceneState, Source, Task
from amf_ros.policies.base import F32, PolicySpec
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import SuiteEnvironment, make_environment
from amf_ros.session.pretraining import make_spec
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import load_robot_suite, load_suite
from amf_ros.tasks.table import TaskTable

HERE = __name__


class Line:
    """A point on a line; done where it has left the middle far enough, even when it comes back."""

    def __init__(self) -> None:
        self._state = np.zeros(1)
        self.closed = False

    def reset(self, task_id: str, seed: int) -> Array:
        self._towards = 1.0 if task_id == "right" else -1.0
        self._state[0] = np.random.default_rng(seed).uniform(-0.1, 0.1)
        return self._state  # the very array that it goes on working in

    def step(self, action: Array) -> Array:
        self._state += action
        return self._state

    @property
    def succeeded(self) -> bool:
        return bool(self._towards * self._state[0] > 1)

    def expert(self) -> Array | None:
        return None if self.succeeded else np.array([0.3 * self._towards])

    def close(self) -> None:
        self.closed = True


class LineSuite:
    name = "line"
    tasks = tuple(Task(side, f"go {side}", {}, time_limit_s=2.0) for side in ("left", "right"))
    observation_names = ("x",)
    action_names = ("dx",)
    fps = 5
    embedding_names = ("side",)
    environment = Line

    def task(self, task_id: str) -> Task:
        found = {task.id: task for task in self.tasks}
        if task_id not in found:
            raise UnknownName("task", task_id, found)
        return found[task_id]

    def embedding(self, task_id: str) -> Array:
        return np.array([1.0 if task_id == "right" else -1.0])


class Plays:
    """A policy that plays its actions, one each inference."""

    def __init__(self, spec: PolicySpec, *actions: float) -> None:
        self.spec, self._left = spec, list(actions)

    def infer(self, observations: Frames, tasks: F32) -> F32:
        return np.full((1, 1, 1), self._left.pop(0), dtype=np.float32)


@pytest.fixture
def environment() -> SuiteEnvironment:
    return SuiteEnvironment(LineSuite())


def play(environment: SuiteEnvironment, *actions: float):
    spec = make_spec(environment.interface, environment.suite, chunk=1)
    return run_policy(environment, Plays(spec, *actions), "right", 0, "r", "c")  # type: ignore[arg-type]


def test_a_demonstration_has_each_state_its_action_and_time(environment: SuiteEnvironment) -> None:
    demo = demonstrate(environment, "right", seed=7, id="d")
    start = np.random.default_rng(7).uniform(-0.1, 0.1)
    steps = demo.num_steps
    np.testing.assert_allclose(demo.observations.flat()[:, 0], start + 0.3 * np.arange(steps))
    assert start + 0.3 * steps > 1 >= start + 0.3 * (steps - 1)
    assert np.all(demo.actions == 0.3)
    assert demo.stamps_ns.tolist() == [200_000_000 * step for step in range(steps)]
    assert demo.duration_s == pytest.approx(0.2 * (steps - 1))
    assert (demo.outcome, demo.source) == (Outcome.SUCCESS, Source.SCRIPTED_EXPERT)


def test_an_episode_ends_with_success_and_success_is_kept(environment: SuiteEnvironment) -> None:
    rollout = play(environment, 0.5, 0.7, -9.0)
    assert rollout.outcome is Outcome.SUCCESS and rollout.num_steps == len(rollout.observations) == 2
    environment.step(np.array([-5.0]))
    assert environment.succeeded and environment.done and not environment.timed_out
    environment.reset("right", 0)
    assert not environment.succeeded


def test_an_episode_ends_at_the_tasks_time_limit(environment: SuiteEnvironment) -> None:
    rollout = play(environment, *[0.01] * 11)
    assert rollout.outcome is Outcome.FAILURE and rollout.num_steps == 10  # 2 s at 5 Hz


def test_the_expert_is_stopped_at_the_time_limit_too(environment: SuiteEnvironment) -> None:
    environment._simulator.expert = lambda: np.zeros(1)  # type: ignore[attr-defined]
    demo = demonstrate(environment, "left", 0, "d")
    assert demo.num_steps == 10 and demo.outcome is Outcome.FAILURE


@pytest.mark.parametrize(
    ("action", "complaint"), [(np.zeros(2), r"\(2,\).*\(1,\)"), (np.array([np.nan]), "action dx is nan")]
)
def test_a_bad_action_never_reaches_the_simulator(
    environment: SuiteEnvironment, action: Array, complaint: str
) -> None:
    before = environment.reset("left", 0)
    with pytest.raises(ContractError, match=complaint):
        environment.step(action)
    assert environment.num_steps == 0 and flat(environment.step(np.zeros(1))) == flat(before)


def test_a_bad_observation_is_refused_by_name(environment: SuiteEnvironment) -> None:
    environment._simulator.step = lambda action: np.array([np.inf])  # type: ignore[attr-defined]
    environment.reset("left", 0)
    with pytest.raises(ContractError, match="suite 'line': observation x is inf"):
        environment.step(np.zeros(1))


def test_unknown_task_is_refused(environment: SuiteEnvironment) -> None:
    with pytest.raises(UnknownName, match="did you mean 'left'"):
        environment.reset("lefd", 0)


def test_closing_closes_the_simulator(environment: SuiteEnvironment) -> None:
    environment.close()
    assert environment._simulator.closed  # type: ignore[attr-defined]


def test_the_interface_tells_names_order_and_rate_apart(environment: SuiteEnvironment) -> None:
    hashes = {environment.interface.hash}
    for changed in ({"fps": 10.0}, {"action_names": ("v",)}, {"observation_names": ("y",)}):
        hashes.add(SuiteEnvironment(type("Other", (LineSuite,), changed)()).interface.hash)
    assert len(hashes) == 4
    assert SuiteEnvironment(LineSuite()).interface.hash == environment.interface.hash


def test_a_suite_is_loaded_by_its_path_and_gets_its_own_simulator() -> None:
    suite = load_suite(f"{HERE}:LineSuite")
    assert isinstance(make_environment(suite), SuiteEnvironment)
    with pytest.raises(ConfigError, match="'.*LineSuite' brings its own simulator.*not on the ROS graph"):
        load_robot_suite(f"{HERE}:LineSuite")
    assert load_robot_suite("tabletop").name == "tabletop"


class NeedsArgument(LineSuite):
    def __init__(self, number: int) -> None:
        pass


class Nameless:
    tasks = LineSuite.tasks
    environment = Line


class Repeats(LineSuite):
    tasks = (LineSuite.tasks[0], LineSuite.tasks[0])


class Empty(LineSuite):
    tasks = ()


class OddEmbedding(LineSuite):
    def embedding(self, task_id: str) -> Array:
        return np.zeros(2 if task_id == "right" else 1)


class SameEmbedding(LineSuite):
    def embedding(self, task_id: str) -> Array:
        return np.ones(1)


class WordEmbedding(LineSuite):
    def embedding(self, task_id: str) -> Array:
        return np.array([task_id])  # type: ignore[return-value]


class NoRate(LineSuite):
    fps = 0


class NanRate(LineSuite):
    fps = float("nan")  # type: ignore[assignment]


class NoTime(LineSuite):
    tasks = (Task("left", time_limit_s=0.05), LineSuite.tasks[1])


class NegativeTime(LineSuite):
    tasks = (Task("left", time_limit_s=-1.0), LineSuite.tasks[1])


class HalfSteps(LineSuite):
    tasks = (Task("left", max_episode_steps=2.5), LineSuite.tasks[1])  # type: ignore[arg-type]


class NoId(LineSuite):
    tasks = (Task(" "), LineSuite.tasks[1])


class NumberId(LineSuite):
    tasks = (Task(7), LineSuite.tasks[1])  # type: ignore[arg-type]


class NoElements(LineSuite):
    action_names = ()  # type: ignore[assignment]


class TextNames(LineSuite):
    observation_names = "x"  # type: ignore[assignment]


class SameNames(LineSuite):
    action_names = ("dx", "dx")  # type: ignore[assignment]


class OddBounds(LineSuite):
    action_low, action_high = (0.5,), (-0.5,)


class HalfBounds(LineSuite):
    action_low = (0.5,)


class HalfRobot(LineSuite):
    environment = property()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("suite", "complaint"),
    [
        (NeedsArgument, "called without arguments.*number"),
        (Nameless, "lacks name, task, embedding_names, embedding, observation_names, action_names, fps"),
        (Repeats, "'left' stands twice"),
        (Empty, "no tasks"),
        (OddEmbedding, r"embedding of 'right' has shape \(2,\).*\(1,\)"),
        (HalfRobot, "lacks succeeded;"),
        (SameEmbedding, "tasks 'left' and 'right' have the same embedding"),
        (WordEmbedding, "embedding of 'left' is .*not numbers"),
        (NoRate, "fps is 0; it must be a number above 0"),
        (NanRate, "fps is nan"),
        (NoTime, "time_limit_s of 'left' is 0.05 s, less than one step at fps 5"),
        (NegativeTime, "time_limit_s of 'left' is -1.0"),
        (HalfSteps, "max_episode_steps of 'left' is 2.5"),
        (NoId, "id is ' '"),
        (NumberId, "id is 7"),
        (NoElements, "action_names is ()"),
        (TextNames, "observation_names is 'x'"),
        (SameNames, "action_names 'dx' stands twice"),
        (OddBounds, "each low below its high"),
        (HalfBounds, "one of action_low and action_high; give both"),
    ],
)
def test_a_suite_that_is_no_suite_says_why(suite: type, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint + ".*docs/own_suite.md"):
        load_suite(f"{HERE}:{suite.__name__}")


def with_simulator(**members: object) -> SuiteEnvironment:
    """The environment of a suite whose simulator has these members in place of the good ones."""
    return SuiteEnvironment(type("Other", (LineSuite,), {"environment": type("Odd", (Line,), members)})())


def test_succeeded_as_a_method_is_refused_before_anything_runs() -> None:
    with pytest.raises(ContractError, match="succeeded is a method that nobody calls; write @property"):
        with_simulator(succeeded=lambda self: False)


@pytest.mark.parametrize("told", [float("nan"), None, 1, 1.0, "yes", np.array([True])])
def test_success_that_is_neither_true_nor_false_is_refused(told: object) -> None:
    environment = with_simulator(succeeded=told)
    environment.reset("left", 0)
    with pytest.raises(ContractError, match="succeeded is .*must be True or False"):
        environment.step(np.zeros(1))


def test_numpys_true_is_success() -> None:
    environment = with_simulator(succeeded=np.bool_(True))
    environment.reset("left", 0)
    environment.step(np.zeros(1))
    assert environment.succeeded


@pytest.mark.parametrize("told", [1, float("nan"), lambda: True])
def test_a_robots_success_must_be_true_or_false_too(told: object) -> None:
    suite = type("Odd", (), {"name": "odd", "task": lambda self, i: Task(i), "succeeded": lambda *_: told})()
    with pytest.raises(ContractError, match=r"suite 'odd': what succeeded\('lift', scene\) returns is"):
        Judge(suite, "lift").update(SceneState(0, (), np.zeros((0, 7))))


def test_a_simulator_that_lacks_something_is_refused_by_name() -> None:
    suite = type("Other", (LineSuite,), {"environment": type("Bare", (), {"reset": Line.reset})})()
    with pytest.raises(ContractError, match="simulator lacks step, expert"):
        SuiteEnvironment(suite)


def test_a_reset_as_gymnasiums_is_told_apart() -> None:
    environment = with_simulator(reset=lambda self, task_id, seed: (np.zeros(1), {}))
    with pytest.raises(ContractError, match="reset returns a tuple of 2, as gymnasium's does"):
        environment.reset("left", 0)


def test_an_episode_ends_when_the_simulator_says_so() -> None:
    environment = with_simulator(ended=property(lambda self: self._state[0] < -0.5))
    environment.reset("left", 0)
    assert not environment.done
    environment.step(np.array([-0.7]))
    assert environment.done and environment.timed_out and not environment.succeeded


def test_a_policy_is_kept_within_declared_bounds_and_an_expert_outside_is_refused() -> None:
    class Bounded(LineSuite):
        action_low, action_high = (-0.25,), (0.5,)

    environment = SuiteEnvironment(Bounded())
    before = environment.reset("right", 0)
    np.testing.assert_allclose(flat(environment.step(np.array([9.0]))), flat(before) + 0.5)
    assert demonstrate(environment, "right", 0, "d").outcome is Outcome.SUCCESS
    with pytest.raises(ContractError, match="expert's action dx is -0.3, declared are -0.25 to 0.5"):
        demonstrate(environment, "left", 0, "d")


def test_steps_may_be_counted_in_place_of_seconds() -> None:
    class Counted(LineSuite):
        tasks = tuple(Task(side, max_episode_steps=3) for side in ("left", "right"))

    assert play(SuiteEnvironment(Counted()), *[0.01] * 4).num_steps == 3


READY = LineSuite()


def far(limit_s: float = 4.0) -> LineSuite:
    suite = LineSuite()
    suite.tasks = tuple(Task(side, time_limit_s=limit_s) for side in ("left", "right"))
    return suite


def suite_class() -> type:
    return LineSuite


def test_a_suite_may_be_ready_made_or_made_by_a_function() -> None:
    assert load_suite(f"{HERE}:READY") is READY
    assert load_suite(f"{HERE}:far").tasks[0].time_limit_s == 4.0
    with pytest.raises(ConfigError, match="returns the class LineSuite, not a suite"):
        load_suite(f"{HERE}:suite_class")
    with pytest.raises(ConfigError, match="neither a suite nor something that makes one"):
        load_suite(f"{HERE}:HERE")


def test_a_table_of_tasks_looks_up_and_tells_apart() -> None:
    class Kitchen(TaskTable):
        name = "kitchen"
        tasks = (Task("open_door"), Task("boil_water"))

    kitchen = Kitchen()
    assert kitchen.task("boil_water") is Kitchen.tasks[1]
    assert kitchen.embedding_names == ("task=open_door", "task=boil_water")
    assert kitchen.embedding("boil_water").tolist() == [0.0, 1.0]
    for ask in (kitchen.task, kitchen.embedding):
        with pytest.raises(UnknownName, match="did you mean 'open_door'"):
            ask("open_dor")
