"""A robot seen as vectors: the contract's observations in, its actions out, success and time judged.

The same contract and safety gate as in the ROS graph, so that an episode here and one through the
nodes in lock-step visit the same states.

    environment = RobotEnvironment(robot, suite, load_contract("panda_tabletop"))
    vector = environment.reset("press_button", seed=3)
    while not environment.done:
        vector = environment.step(controller.act(vector))
"""

from __future__ import annotations

from amf_ros.contract import Contract
from amf_ros.contract.spec import JOINT_STATE
from amf_ros.errors import ConfigError
from amf_ros.robots.base import Robot
from amf_ros.robots.safety import SafetyGate
from amf_ros.tasks.base import Suite
from amf_ros.tasks.judge import Judge
from amf_ros.types import Array, JointCommand, JointState, Observation, Outcome, SceneState


class RobotEnvironment:
    """One robot, one episode at a time."""

    def __init__(
        self, robot: Robot, suite: Suite, contract: Contract, gate: SafetyGate | None = None
    ) -> None:
        """``gate`` is the one that the robot node would use; None makes it from the robot's limits.

        Raises:
            ConfigError: robot and contract run at different rates.
            ContractError: the contract names joints or roles that robot or suite lack.
        """
        if robot.control_hz != contract.fps:
            raise ConfigError(
                f"the robot runs at {robot.control_hz:g} Hz and contract {contract.name!r} at "
                f"{contract.fps:g}; set the robot's control_hz to the contract's fps"
            )
        contract.check_robot(robot.joint_names, None, suite.tasks)
        self.robot, self.suite, self.contract = robot, suite, contract
        self._gate = gate or SafetyGate(robot.limits, period_s=1.0 / robot.control_hz)
        self._task = suite.tasks[0]
        self._judge = Judge(suite, self._task.id)
        self._max_steps = 0
        self.num_steps = 0
        self.joints: JointState
        self.scene: SceneState
        self.observation: Observation

    def reset(self, task_id: str, seed: int) -> Array:
        """Start an episode; the first observation vector (d,). Raises UnknownName."""
        self._task = self.suite.task(task_id)
        self._judge = Judge(self.suite, task_id)
        self._max_steps = round(self._task.time_limit_s * self.robot.control_hz)
        self._gate.reset()
        self.num_steps = 0
        self.robot.reset(task_id, seed)
        return self._observe()

    def step(self, action: Array) -> Array:
        """Apply an action (a,) for one control period; the next observation vector (d,)."""
        return self.advance(self.contract.decode(action, self.joints, self.joints.stamp_ns))

    def advance(self, command: JointCommand) -> Array:
        """Apply a command, as a teleoperator gives it, for one control period."""
        self.robot.step(self._gate.filter(command, self.joints))
        self.num_steps += 1
        return self._observe()

    def _observe(self) -> Array:
        self.joints, self.scene = self.robot.state()
        self._judge.update(self.scene)
        inputs = {
            topic.name: self.joints if topic.type == JOINT_STATE else self.scene
            for topic in self.contract.topics
        }
        self.observation = self.contract.observe(inputs, self._task.roles)
        return self.observation.vector

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once the task has been done, else FAILURE."""
        return self._judge.outcome

    @property
    def succeeded(self) -> bool:
        """Whether the task has been done in this episode."""
        return self.outcome is Outcome.SUCCESS

    @property
    def timed_out(self) -> bool:
        """Whether the task's time is over."""
        return self.num_steps >= self._max_steps

    @property
    def done(self) -> bool:
        """Whether a policy's episode ends: done or out of time."""
        return self.succeeded or self.timed_out
