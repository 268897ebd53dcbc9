"""Episodes as arrays: observations in, actions out, success and time judged.

    with closing(make_environment(load_suite("tabletop"))) as environment:
        observation = environment.reset("press_button", seed=3)
        while not environment.done:
            observation = environment.step(controller.act(observation))

:class:`RobotEnvironment` is a robot behind the same contract and safety gate as in the ROS graph, so that
an episode here and one through the nodes in lock-step visit the same states. :class:`SuiteEnvironment` is
the simulator that a suite brings along.
"""

from __future__ import annotations

from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import Camera, Robot
from amf_ros.contract import Contract, Interface, Topic, load_contract
from amf_ros.core.defaults import CAMERA_SIZE, CONTRACT
from amf_ros.core.errors import ConfigError, ContractError
from amf_ros.core.frames import Frame
from amf_ros.core.plugins import load
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
from amf_ros.sim.staging import load_staging
from amf_ros.tasks.base import RobotSuite, SimulatedSuite, Suite
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import check_limits

__all__ = ["Environment", "RobotEnvironment", "SuiteEnvironment", "interface_of", "make_environment"]


def interface_of(suite: Suite, contract: str = CONTRACT) -> Interface:
    """What a policy for this suite is made for, without starting a simulator.

    Args:
        suite: of either kind.
        contract: of the robot, name or path; a suite with its own simulator uses none.

    Raises:
        UnknownName: no contract of that name.
        ConfigError: the contract cannot be read.
    """
    return suite_interface(suite) if isinstance(suite, SimulatedSuite) else load_contract(contract)


def make_environment(suite: Suite, contract: str = CONTRACT) -> Environment:
    """The environment in which a suite's episodes happen; close it at the end.

    Args:
        suite: of either kind.
        contract: of the robot, name or path; a suite with its own simulator uses none.

    Raises:
        UnknownName: no contract of that name.
        ConfigError: the contract cannot be read, or the suite has neither a scene nor a simulator.
        ContractError: the contract does not fit robot or suite.
    """
    if isinstance(suite, SimulatedSuite):
        return SuiteEnvironment(suite)
    if not isinstance(suite, RobotSuite):
        raise ConfigError(
            f"suite {suite.name!r} has neither succeeded() nor environment(); see docs/own_suite.md"
        )
    agreed, staging = load_contract(contract), load_staging(suite)
    return RobotEnvironment(load("robot", "pybullet")(staging.scene(), agreed.fps), suite, agreed)


class RobotEnvironment(EpisodeCounter):
    """One robot, one episode at a time."""

    def __init__(
        self, robot: Robot, suite: RobotSuite, contract: Contract, gate: SafetyGate | None = None
    ) -> None:
        """``gate`` is the one that the robot node would use; None makes it from the robot's limits.

        Raises:
            ConfigError: robot and contract run at different rates, or a task has no time for a step.
            ContractError: the contract names joints or roles that robot or suite lack.
        """
        super().__init__()
        if robot.control_hz != contract.fps:
            raise ConfigError(
                f"the robot runs at {robot.control_hz:g} Hz and contract {contract.name!r} at "
                f"{contract.fps:g}; set the robot's control_hz to the contract's fps"
            )
        contract.check_robot(robot.joint_names, None, suite.tasks)
        check_limits(suite, robot.control_hz)
        self.robot, self.suite, self.contract = robot, suite, contract
        self._staging = load_staging(suite)
        self._gate = gate or SafetyGate(robot.limits, period_s=1.0 / robot.control_hz)
        self._camera = _camera(robot, contract)
        self._task = suite.tasks[0]
        self._judge = Judge(suite, self._task.id)
        self.joints: JointState
        self.scene: SceneState
        self.observation: Observation

    @property
    def interface(self) -> Contract:
        """The contract."""
        return self.contract

    @property
    def stamp_ns(self) -> int:
        """Of the present joint state [ns]."""
        return self.joints.stamp_ns

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done for as long as the judge asks, else FAILURE."""
        return self._judge.outcome

    def reset(self, task_id: str, seed: int) -> Frame:
        """Start an episode; give the first observation. Raises UnknownName before anything moves."""
        task = self.suite.task(task_id)
        self.robot.reset(task_id, seed)
        self._task, self._judge = task, Judge(self.suite, task_id)
        self.begin(task.num_steps(self.robot.control_hz))
        self._gate.reset()
        return self._observe()

    def step(self, action: Array) -> Frame:
        """Apply an action (a,) for one control period; give the next observation."""
        return self.advance(self.contract.decode(action, self.joints, self.joints.stamp_ns))

    def advance(self, command: JointCommand) -> Frame:
        """Apply a command, as a teleoperator gives it, for one control period."""
        return self._apply(self._gate.filter(command, self.joints))

    def _apply(self, passed: JointCommand) -> Frame:
        self.robot.step(passed)
        self.num_steps += 1
        return self._observe()

    def demonstrator(self, seed: int) -> Demonstrator:
        """The suite's expert. Actions are its commands as the contract learns them: as they passed the gate,
        which is what the robot node says that it applied, or as the expert asked.
        """
        expert = self._staging.expert(self._task.id, seed)

        def show() -> tuple[Array, Frame] | None:
            command = expert.command(self.joints, self.scene)
            if command is None:
                return None
            passed = self._gate.filter(command, self.joints)
            learned = passed if self.contract.learn == "applied" else command
            action = self.contract.encode(learned, self.joints)
            return action, self._apply(passed)

        return show

    def close(self) -> None:
        """Free the robot's simulator."""
        self.robot.close()

    def _observe(self) -> Frame:
        self.joints, self.scene = self.robot.state()
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


def _camera(robot: Robot, contract: Contract) -> Camera | None:
    """Give the camera whose pictures the contract wants; None where it wants none.

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
    if not isinstance(robot, Camera):
        raise ContractError(f"contract {contract.name!r} has pictures, and the robot has no camera")
    return robot
