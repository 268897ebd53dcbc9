"""Episodes as arrays: observations in, actions out, success and time judged.

    with closing(make_environment(load_suite("tabletop"))) as environment:
        observation = environment.reset("press_button", seed=3)
        while not environment.done:
            observation = environment.step(controller.act(observation))

:class:`RobotEnvironment` is a simulated arm behind the same contract, gate and turns as in the ROS graph, so
that an episode here and one through the nodes in lock-step visit the same states. :class:`SuiteEnvironment`
is the simulator that a suite brings along.
"""

from __future__ import annotations

from amf_ros.arm.arbiter import Arbiter
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.loading import make_arm
from amf_ros.arm.protocol import RobotContext
from amf_ros.arm.turns import LockStep
from amf_ros.contract import Contract, Interface, Topic, load_contract
from amf_ros.core.defaults import CAMERA_SIZE, CONTRACT, ROBOT
from amf_ros.core.errors import ConfigError, ContractError
from amf_ros.core.frames import Frame
from amf_ros.core.values import (
    Array,
    JointCommand,
    JointState,
    Observation,
    Outcome,
    Picture,
    SceneState,
    Value,
)
from amf_ros.rollout.environment import Demonstrator, Environment, EpisodeCounter
from amf_ros.rollout.suite_environment import SuiteEnvironment, suite_interface
from amf_ros.sim.protocol import Renderer, Simulator, Staging, is_simulator
from amf_ros.sim.staging import load_staging
from amf_ros.tasks.base import RobotSuite, SimulatedSuite, Suite
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import check_limits

__all__ = ["Environment", "RobotEnvironment", "SuiteEnvironment", "interface_of", "make_environment"]


def interface_of(suite: Suite, contract: str = CONTRACT) -> Interface:
    """Return what a policy for this suite is made for, without starting a simulator.

    Args:
        suite: of either kind.
        contract: of the robot, name or path; a suite with its own simulator uses none.

    Raises:
        UnknownName: no contract of that name.
        ConfigError: the contract cannot be read.
    """
    return suite_interface(suite) if isinstance(suite, SimulatedSuite) else load_contract(contract)


def make_environment(suite: Suite, contract: str = CONTRACT, robot: str = "") -> Environment:
    """Make the environment in which a suite's episodes happen; close it at the end.

    Args:
        suite: of either kind.
        contract: of the robot, name or path; a suite with its own simulator uses none.
        robot: the simulated arm, a registered name or ``package.module:Object``; empty = the one that the
            suite's staging is made for (its ``robot``), which is pybullet where it does not say.

    Raises:
        UnknownName: no contract or robot of that name.
        ConfigError: the contract cannot be read, the suite has neither a staging nor a simulator, or the
            robot is no simulator.
        ContractError: the contract does not fit robot or suite.
    """
    if isinstance(suite, SimulatedSuite):
        return SuiteEnvironment(suite)
    if not isinstance(suite, RobotSuite):
        raise ConfigError(
            f"suite {suite.name!r} has neither succeeded() nor environment(); see docs/own_suite.md"
        )
    agreed, staging = load_contract(contract), load_staging(suite)
    name = robot or getattr(staging, "robot", ROBOT)
    arm = make_arm(name, RobotContext(suite, agreed.fps))
    if not is_simulator(arm):
        arm.close()
        raise ConfigError(
            f"robot {name!r} is no simulator: episodes in one process need seeded resets and steps; "
            "use it on the ROS graph"
        )
    return RobotEnvironment(arm, suite, agreed, staging)


class RobotEnvironment(EpisodeCounter):
    """One simulated arm in lock-step, one episode at a time.

    Args:
        simulator: the arm; it belongs to the environment, which closes it.
        suite: whose tasks are done.
        contract: what is observed and commanded.
        staging: who demonstrates; None = that of the suite.

    Raises:
        ConfigError: simulator and contract run at different rates, or a task has no time for a step.
        ContractError: the contract names joints or roles that simulator or suite lack.
    """

    def __init__(
        self, simulator: Simulator, suite: RobotSuite, contract: Contract, staging: Staging | None = None
    ) -> None:
        super().__init__()
        rate_hz = simulator.control_hz
        if rate_hz != contract.fps:
            raise ConfigError(
                f"the robot runs at {rate_hz:g} Hz and contract {contract.name!r} at "
                f"{contract.fps:g}; set the robot's control_hz to the contract's fps"
            )
        contract.check_robot(simulator.joint_names, None, suite.tasks)
        check_limits(suite, rate_hz)
        self.simulator, self.suite, self.contract = simulator, suite, contract
        self._staging = staging
        self._camera = _camera(simulator, contract)
        gate = SafetyGate(simulator.limits, period_s=1.0 / rate_hz)
        self._turns = LockStep(simulator, Arbiter(gate, watchdog_ns=contract.watchdog_ns))
        self._task = suite.tasks[0]
        self._judge = Judge(suite, self._task.id)
        self.scene: SceneState
        self.observation: Observation

    @property
    def interface(self) -> Contract:
        """The contract."""
        return self.contract

    @property
    def joints(self) -> JointState:
        """The present joint state."""
        return self._turns.joints

    @property
    def stamp_ns(self) -> int:
        """The stamp of the present joint state [ns]."""
        return self._turns.stamp_ns

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done for as long as the judge asks, else FAILURE."""
        return self._judge.outcome

    def reset(self, task_id: str, seed: int) -> Frame:
        """Start an episode; return the first observation.

        Raises:
            UnknownName: no such task; nothing moved.
        """
        task = self.suite.task(task_id)
        self._turns.begin_episode(lambda: self.simulator.reset(task_id, seed), task_id)
        self._task, self._judge = task, Judge(self.suite, task_id)
        self.begin(task.num_steps(self.simulator.control_hz))
        return self._observe()

    def step(self, action: Array) -> Frame:
        """Apply an action (a,) for one control period; return the next observation."""
        return self.advance(self.contract.decode(action, self.joints, self.stamp_ns))

    def advance(self, command: JointCommand) -> Frame:
        """Apply a command, as a teleoperator gives it, for one control period."""
        self._turns.apply(command)
        self.num_steps += 1
        return self._observe()

    def demonstrator(self, seed: int) -> Demonstrator:
        """Return the scripted expert of the suite's staging, for the episode that was reset with ``seed``.

        Actions are its commands as the contract learns them: as they passed the gate, which is what the
        robot node says that it applied, or as the expert asked.
        """
        staging = self._staging or load_staging(self.suite)
        expert = staging.expert(self._task.id, seed)

        def show() -> tuple[Array, Frame] | None:
            before = self.joints
            command = expert.command(before, self.scene)
            if command is None:
                return None
            following = self.advance(command)
            applied = self._turns.arbiter.applied
            learned = applied if applied is not None and self.contract.learn == "applied" else command
            return self.contract.encode(learned, before), following

        return show

    def close(self) -> None:
        """Free the simulator."""
        self._turns.close("the environment is closed")

    def _observe(self) -> Frame:
        self.scene = self.simulator.scene_state()
        self._judge.update(self.scene)
        inputs = {topic.name: self._value(topic) for topic in self.contract.topics}
        self.observation = self.contract.observe(inputs, self._task.roles)
        return self.observation.values

    def _value(self, topic: Topic) -> Value:
        if topic.kind == "joints":
            return self.joints
        if topic.kind == "scene" or self._camera is None:
            return self.scene
        picture = Picture(self.joints.stamp_ns, "rgb8", self._camera.render(*CAMERA_SIZE))
        return self.contract.seen(topic.name, picture)


def _camera(simulator: Simulator, contract: Contract) -> Renderer | None:
    """Return the renderer whose pictures the contract wants; None where it wants none.

    Raises:
        ContractError: the contract has a topic that nothing in this process can fill.
    """
    for topic in contract.topics:
        if topic.kind == "numbers":
            raise ContractError(
                f"contract {contract.name!r}: topic {topic.name} of type {topic.type} is not simulated in "
                "one process; use the graph, or a contract without it"
            )
    if all(topic.kind != "picture" for topic in contract.topics):
        return None
    if not isinstance(simulator, Renderer):
        raise ContractError(f"contract {contract.name!r} has pictures, and the robot draws none")
    return simulator
