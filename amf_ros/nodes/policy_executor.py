"""policy_executor: lets the loaded policy do one episode of a task, at the contract's rate.

Action ``policy_executor/execute_policy``, service ``policy_executor/load_checkpoint``. Acts upon states, one
per period; when they stop, are too old, or the robot stops, it stops commanding and says so.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rclpy.clock import Clock, ClockType
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.action import ExecutePolicy
from amf_msgs.msg import RobotStatus
from amf_msgs.srv import LoadCheckpoint
from amf_ros.contract import load_contract
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import AmfError, Cancelled, CheckpointError, DataError, RobotFault, StaleObservation, StorageError
from amf_ros.policies.controller import ChunkController
from amf_ros.registry import load
from amf_ros.robots.episode import Episode, Turn
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import checkpoint_msg, command_msg, duration_msg, to_ns
from amf_ros.ros.goals import Goal, Goals
from amf_ros.ros.inputs import Inputs
from amf_ros.ros.parameters import declare
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import ExecutorSettings
from amf_ros.tasks.judge import Judge
from amf_ros.training import checkpoints
from amf_ros.types import Array, Outcome, Rollout, Task

Result = ExecutePolicy.Result
CHECK_S = 0.05
FEEDBACK_S = 0.5
CODES: tuple[tuple[type[AmfError], int], ...] = (
    (StaleObservation, Result.STALE_OBSERVATION),
    (RobotFault, Result.ROBOT_FAULT),
    (Cancelled, Result.CANCELLED),
)


@dataclass
class Driving:
    """The episode in progress."""

    goal: Goal
    task: Task
    rollout_id: str
    controller: ChunkController
    judge: Judge
    episode: Episode
    acted_s: float = field(default_factory=time.monotonic)
    told_s: float = field(default_factory=time.monotonic)
    command: JointTrajectory | None = None
    visited: list[Array] = field(default_factory=list)


class PolicyExecutorNode(AmfNode):
    """One episode at a time."""

    def __init__(self) -> None:
        super().__init__("policy_executor")
        self._settings = settings = declare(self, ExecutorSettings)
        torch.set_num_threads(1)  # sums in one order; networks this small are slower on two
        self._contract = load_contract(settings.contract)
        self._suite = load("suite", settings.suite)()
        directory = RunDirectory(Path(settings.session_directory))
        self._rollouts = RolloutStore(directory.rollouts)
        self._exact = settings.real_time_factor == 0.0
        self._checkpoint: checkpoints.Checkpoint | None = None
        self._driving: Driving | None = None
        self._robot = RobotStatus()
        newest = checkpoints.newest(directory.checkpoints)
        if newest is not None:
            self._load(newest.uri)
        self._publisher = self.create_publisher(JointTrajectory, self._contract.publish_to, qos.STREAM)
        self.create_subscription(RobotStatus, names.ROBOT_STATUS, self._on_robot, qos.LATCHED)
        self._inputs = Inputs(self, self._contract, self._on_state, exact=self._exact)
        self._goals = Goals(self, ExecutePolicy, names.EXECUTE_POLICY, self._on_goal, self._on_cancel)
        self.create_service(LoadCheckpoint, names.LOAD_CHECKPOINT, self._on_load)
        self.create_timer(CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        loaded = self._checkpoint.info.id if self._checkpoint else "none: call load_checkpoint"
        self.get_logger().info(f"checkpoint {loaded}")

    def _load(self, uri: str) -> None:
        if self._checkpoint is None or self._checkpoint.info != checkpoints.describe(uri):
            checkpoint = checkpoints.load(uri)
            checkpoints.check_fits(checkpoint, self._contract, self._suite)
            self._checkpoint = checkpoint

    def _on_load(self, request: LoadCheckpoint.Request, response: LoadCheckpoint.Response):
        if self._driving is not None:
            response.error_code = LoadCheckpoint.Response.BUSY
            response.error_msg = f"roll-out {self._driving.rollout_id!r} runs: cancel it or wait"
            return response
        try:
            self._load(request.uri)
        except CheckpointError as error:
            response.error_code, response.error_msg = response.CHECKPOINT_INVALID, str(error)
        response.checkpoint = checkpoint_msg(self._checkpoint.info if self._checkpoint else None)
        return response

    def _on_goal(self, goal: Goal) -> None:
        request, running = goal.request, self._driving
        if running is not None and (not request.rollout_id or request.rollout_id != running.rollout_id):
            self._refuse(goal, Result.BUSY, f"roll-out {running.rollout_id!r} runs: cancel it or wait")
            return
        if running is not None:
            self._end(running, Cancelled("started over by a new goal with the same id"))
        if self._checkpoint is None:
            self._refuse(goal, Result.NO_CHECKPOINT, f"no policy is loaded: call {names.LOAD_CHECKPOINT} first")
            return
        try:
            task = self._suite.task(request.task_id)
        except AmfError as error:
            self._refuse(goal, Result.UNKNOWN_TASK, str(error))
            return
        fps, period_ns = self._contract.fps, self._contract.period_ns
        limit_ns = to_ns(request.max_duration) or round(task.time_limit_s * fps) * period_ns
        self._driving = Driving(
            goal,
            task,
            request.rollout_id or f"{time.strftime('%Y%m%d_%H%M%S')}_{task.id}",
            ChunkController(self._checkpoint.policy, self._suite.embedding(task.id)),
            Judge(self._suite, task.id, self._settings.dwell),
            Episode(to_ns(request.start_stamp), limit_ns, exact=self._exact),
        )
        self._on_robot(self._robot)
        if self._inputs.stamp_ns is not None:
            self._on_state(self._inputs.stamp_ns)

    def _refuse(self, goal: Goal, code: int, text: str) -> None:
        goal.finish(Result(error_code=code, error_msg=text))

    def _on_state(self, stamp_ns: int) -> None:
        driving = self._driving
        if driving is None or not self._due(driving.episode, stamp_ns):
            return
        turn = driving.episode.turn(stamp_ns)
        if turn is Turn.ACT:
            try:
                self._act(driving, stamp_ns)
            except AmfError as error:
                self._end(driving, error)
        elif turn is Turn.REPEAT and driving.command is not None:
            self._publisher.publish(driving.command)
        elif turn is Turn.LOST:
            self._end(driving, RobotFault("the scene was reset or the robot restarted during the episode"))

    def _due(self, episode: Episode, stamp_ns: int) -> bool:
        """Real arms report faster than the policy runs: one state per period is acted upon."""
        early = 0 < stamp_ns - episode.last_ns < 0.75 * self._contract.period_ns
        return self._exact or episode.first_ns is None or not early

    def _act(self, driving: Driving, stamp_ns: int) -> None:
        values = self._inputs.values()
        scene, joints = values[self._contract.scene_topic], values[self._contract.joints_topic]
        if driving.judge.update(scene) or driving.episode.timed_out:
            self._end(driving, None)
            return
        observation = self._contract.observe(values, driving.task.roles).vector
        started = driving.acted_s = time.monotonic()
        action = driving.controller.act(observation)
        driving.visited.append(observation)
        command = self._contract.decode(action, joints, stamp_ns)
        driving.command = command_msg(command, 1.0 / self._contract.fps)
        self._publisher.publish(driving.command)
        if started - driving.told_s > FEEDBACK_S:
            driving.told_s = started
            elapsed = duration_msg(driving.episode.elapsed_s)
            took = time.monotonic() - started
            driving.goal.feedback(
                ExecutePolicy.Feedback(step=len(driving.visited), elapsed=elapsed, inference_time=took)
            )

    def _check(self) -> None:
        driving = self._driving
        limit_s = self._settings.state_timeout_s
        if driving is not None and time.monotonic() - driving.acted_s > limit_s:
            missing = StaleObservation(f"no new state for {limit_s:g} s; the robot was left holding")
            self._end(driving, missing)

    def _on_robot(self, status: RobotStatus) -> None:
        self._robot = status
        if self._driving is not None and status.status != RobotStatus.READY:
            self._end(self._driving, RobotFault(f"the robot is not ready: {status.reason}"))

    def _on_cancel(self, goal: Goal) -> None:
        if self._driving is not None and self._driving.goal is goal:
            self._end(self._driving, Cancelled("cancelled; the arm holds"))

    def _end(self, driving: Driving, error: AmfError | None) -> None:
        """Stop commanding, keep what was visited when the episode went to its end, answer."""
        self._driving = None
        result = Result(num_steps=len(driving.visited), elapsed=duration_msg(driving.episode.elapsed_s))
        if error is not None:
            result.error_code = next((code for kind, code in CODES if isinstance(error, kind)), Result.UNKNOWN)
            result.error_msg = str(error)
        else:
            result.outcome = int(driving.judge.outcome)
            self._save(driving, driving.judge.outcome, result)
        driving.goal.finish(result)

    def _save(self, driving: Driving, outcome: Outcome, result: Result) -> None:
        if not driving.visited or self._checkpoint is None:
            return
        states, policy_id = np.array(driving.visited), self._checkpoint.info.id
        rollout = Rollout(driving.rollout_id, driving.task.id, states, outcome, policy_id, len(states))
        try:
            result.rollout_uri = self._rollouts.save(rollout).uri
        except (StorageError, DataError) as error:
            result.error_code, result.error_msg = Result.WRITE_FAILED, str(error)

    def begin_shutdown(self) -> None:
        """Stop commanding; the robot holds."""
        if self._driving is not None:
            self._end(self._driving, Cancelled("the policy executor is shutting down"))


def main() -> int:
    """Entry point."""
    return run(PolicyExecutorNode)


if __name__ == "__main__":
    sys.exit(main())
