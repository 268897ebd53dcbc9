"""Robot, contract, gate and judge as one environment, on the simulated arm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from amf_ros.contract import Contract, load_contract
from amf_ros.core.errors import ConfigError, ContractError, UnknownName
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, Demonstration, Outcome, Source
from amf_ros.policies.base import F32, PolicySpec
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import RobotEnvironment, make_environment
from amf_ros.session.pretraining import make_spec
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.tabletop import TabletopSuite

TASK = "press_button"


@pytest.fixture(scope="module")
def environment() -> Iterator[RobotEnvironment]:
    suite = TabletopSuite()
    with closing(PyBulletArm(TabletopScene())) as robot:
        yield RobotEnvironment(robot, suite, load_contract("panda_tabletop"))


@pytest.fixture(scope="module")
def demonstration(environment: RobotEnvironment) -> Demonstration:
    return demonstrate(environment, TASK, seed=3, id="demo")


class Replay:
    """Acts as the demonstration did, whatever it sees."""

    def __init__(self, spec: PolicySpec, actions: Array) -> None:
        self.spec, self._actions, self._next = spec, actions, 0

    def infer(self, observations: Frames, tasks: F32) -> F32:
        rows = np.arange(self._next, self._next + self.spec.chunk)
        self._next += self.spec.chunk
        return self._actions[np.minimum(rows, len(self._actions) - 1)][None].astype(np.float32)


def test_demonstration_has_the_contracts_shapes_and_stamps(
    environment: RobotEnvironment, demonstration: Demonstration
) -> None:
    contract, steps = environment.contract, demonstration.num_steps
    assert demonstration.outcome is Outcome.SUCCESS and demonstration.source is Source.SCRIPTED_EXPERT
    assert demonstration.observations.flat().shape == (steps, len(contract.layout.elements))
    assert demonstration.actions.shape == (steps, len(contract.action_names))
    assert np.all(np.diff(demonstration.stamps_ns) == contract.period_ns)


def test_equal_seeds_give_equal_demonstrations(
    environment: RobotEnvironment, demonstration: Demonstration
) -> None:
    again = demonstrate(environment, TASK, seed=3, id="again")
    other = demonstrate(environment, TASK, seed=4, id="other")
    assert np.array_equal(again.observations.flat(), demonstration.observations.flat())
    assert np.array_equal(again.actions, demonstration.actions)
    assert not np.array_equal(other.observations.flat()[0], demonstration.observations.flat()[0])


def test_the_demonstrated_actions_do_the_task_again(
    environment: RobotEnvironment, demonstration: Demonstration
) -> None:
    """What is recorded is what is executed: encode, decode and the gate fit together."""
    spec = make_spec(environment.contract, environment.suite, chunk=2)
    rollout = run_policy(environment, Replay(spec, demonstration.actions), TASK, 3, "r", "c")  # type: ignore[arg-type]
    assert rollout.outcome is Outcome.SUCCESS
    assert rollout.num_steps == len(rollout.observations) <= demonstration.num_steps
    np.testing.assert_allclose(
        rollout.observations.flat(), demonstration.observations.flat()[: rollout.num_steps], atol=2e-3
    )
    assert (rollout.task_id, rollout.checkpoint_id) == (TASK, "c")


def test_a_policy_that_does_nothing_fails_at_the_time_limit(environment: RobotEnvironment) -> None:
    spec = make_spec(environment.contract, environment.suite, chunk=4)
    idle = np.zeros((1, len(environment.contract.action_names)))
    rollout = run_policy(environment, Replay(spec, idle), TASK, 0, "r")  # type: ignore[arg-type]
    assert rollout.outcome is Outcome.FAILURE
    assert rollout.num_steps == round(environment.suite.task(TASK).time_limit_s * environment.contract.fps)


def test_a_wild_action_is_held_to_the_velocity_limits(environment: RobotEnvironment) -> None:
    environment.reset(TASK, 0)
    before = environment.joints.position
    action = np.full(len(environment.contract.action_names), 50.0)
    environment.step(action)
    limits = [environment.simulator.limits[name] for name in environment.joints.names]
    allowed = np.array([limit.velocity for limit in limits]) / environment.contract.fps
    assert np.all(np.abs(environment.joints.position - before) <= allowed * 1.05 + 1e-3)
    assert np.any(np.abs(environment.joints.position - before) > 0.1 * allowed)


def test_a_nan_action_is_refused(environment: RobotEnvironment) -> None:
    environment.reset(TASK, 0)
    action = np.zeros(len(environment.contract.action_names))
    action[2] = np.nan
    with pytest.raises(ContractError, match="panda_joint3"):
        environment.step(action)


def test_unknown_task_is_refused(environment: RobotEnvironment) -> None:
    with pytest.raises(UnknownName, match="did you mean 'press_button'"):
        environment.reset("press_buton", 0)


def test_robot_at_another_rate_is_refused() -> None:
    suite = TabletopSuite()
    robot = PyBulletArm(TabletopScene(), control_hz=40.0)
    with closing(robot), pytest.raises(ConfigError, match="40 Hz.*20.*control_hz"):
        RobotEnvironment(robot, suite, load_contract("panda_tabletop"))


@pytest.mark.parametrize("learn", ["applied", "asked"])
def test_a_demonstration_holds_the_commands_that_the_contract_learns(learn: str) -> None:
    """The scripted experts close the gripper at once; the arm's limits take several periods for it."""
    suite, shipped = TabletopSuite(), load_contract("panda_tabletop")
    action = shipped.spec.action.model_copy(update={"learn": learn})
    contract = Contract(shipped.spec.model_copy(update={"action": action}))
    finger = contract.action_names.index("panda_finger_joint1.absolute")
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        environment = RobotEnvironment(robot, suite, contract)
        actions = demonstrate(environment, "place_red_left", 1, "one").actions[:, finger]
    between = np.abs(actions) < 0.99
    assert between.any() if learn == "applied" else not between.any()


def test_a_task_without_time_for_a_step_is_refused() -> None:
    class Hasty(TabletopSuite):
        tasks = (replace(TabletopSuite().tasks[0], time_limit_s=0.02),)  # type: ignore[assignment]

    suite = Hasty()
    with pytest.raises(ConfigError, match="'place_red_left' is 0.02 s, less than one step at fps 20"):
        make_environment(suite)
