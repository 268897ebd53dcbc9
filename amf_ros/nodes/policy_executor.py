"""policy_executor: lets a policy do one episode of a task, at the contract's rate.

Action ``policy_executor/execute_policy``, service ``policy_executor/load_checkpoint``. Acts upon states, one
per period; when they stop, are too old, or the robot stops, it stops commanding and says so.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rclpy.clock import Clock, ClockType
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.action import ExecutePolicy
from amf_msgs.msg import RobotStatus
from amf_msgs.srv import LoadCheckpoint
from amf_ros.arm.episode_follower import Turn
from amf_ros.contract import load_contract
from amf_ros.core.errors import (
    AmfError,
    BadRequest,
    Cancelled,
    CheckpointError,
    ContractError,
    DataError,
    NoCheckpoint,
    PolicyFailed,
    RobotFault,
    StaleObservation,
    StorageError,
    UnknownName,
)
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.ros import names, qos, requests
from amf_ros.ros.contract_streams import StreamInputs
from amf_ros.ros.conversions import checkpoint_msg, duration_msg, to_msg, to_ns
from amf_ros.ros.driving import Driving
from amf_ros.ros.node.goals import Codes, Goal, Goals, failed
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.robot.stopping import StopKeeper
from amf_ros.ros.settings import ExecutorSettings
from amf_ros.session.stores import file_stores
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Result = ExecutePolicy.Result
CHECK_S = 0.05
STALE_S = 0.5  # an episode that has begun ends when inputs are too old for this long; till then the arm holds
LOST = "the scene was reset or the robot restarted during the episode"
FEEDBACK_CHECKS = 10
CODES: Codes = (
    ("task", Result.UNKNOWN_TASK),
    (BadRequest, Result.BAD_REQUEST),
    (NoCheckpoint, Result.NO_CHECKPOINT),
    (CheckpointError, Result.CHECKPOINT_INVALID),
    (StorageError, Result.WRITE_FAILED),
    (StaleObservation, Result.STALE_OBSERVATION),
    (UnknownName, Result.STALE_OBSERVATION),  # a joint or object that an input does not hold
    (ContractError, Result.STALE_OBSERVATION),
    (DataError, Result.STALE_OBSERVATION),  # an input that came, but cannot be read
    (RobotFault, Result.ROBOT_FAULT),
    (PolicyFailed, Result.POLICY_FAILED),
    (Cancelled, Result.CANCELLED),
)


class PolicyExecutorNode(AmfNode):
    """One episode at a time."""

    def __init__(self) -> None:
        super().__init__("policy_executor")
        self._settings = settings = declare(self, ExecutorSettings)
        torch.set_num_threads(1)  # sums in one order; networks this small are slower on two
        self._contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        directory = RunDirectory(Path(settings.session_directory))
        stores = file_stores(directory, self._contract, self._suite, settings.allowed_policies)
        self._rollouts, self._checkpoints = stores.rollouts, stores.checkpoints
        self._exact = settings.real_time_factor == 0.0
        self._goal: Goal | None = None
        self._driving: Driving | None = None
        self._ran: Checkpoint | None = None
        self._rollout_id = ""
        self._command: JointTrajectory | None = None
        self._acted_s, self._checks = 0.0, 0
        self._stale_s: float | None = None
        self._robot = RobotStatus()
        try:
            self.get_logger().info(f"checkpoint {self._checkpoints.newest().info.id}")
        except CheckpointError as error:
            self.get_logger().info(f"{error}; or name one in each goal")
        self._publisher = self.create_publisher(JointTrajectory, self._contract.published.address, qos.STREAM)
        self.create_subscription(RobotStatus, names.ROBOT_STATUS, self._on_robot, qos.LATCHED)
        self._stop_keeper = StopKeeper(self)
        factor = settings.real_time_factor or 1.0
        self._inputs = StreamInputs(
            self, self._contract, self._on_state, exact=self._exact, time_factor=factor
        )
        self._goals = Goals(self, ExecutePolicy, names.EXECUTE_POLICY, self._on_goal, self._on_cancel)
        self.create_service(LoadCheckpoint, names.LOAD_CHECKPOINT, self._on_load)
        self.create_timer(CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_load(
        self, request: LoadCheckpoint.Request, response: LoadCheckpoint.Response
    ) -> LoadCheckpoint.Response:
        if self._driving is not None:
            response.error_code = LoadCheckpoint.Response.BUSY
            response.error_msg = f"roll-out {self._rollout_id!r} runs: cancel it or wait"
            return response
        try:
            response.checkpoint = checkpoint_msg(self._checkpoints.named(request.uri).info)
        except CheckpointError as error:
            response.error_code, response.error_msg = response.CHECKPOINT_INVALID, str(error)
        return response

    def _on_goal(self, goal: Goal) -> None:
        try:
            wanted = requests.episode(goal.request)
            task = self._suite.task(wanted.task_id)
            if wanted.rollout_id:
                self._rollouts.check_free(wanted.rollout_id, task.id)  # now, not when the arm has moved
            replaces = bool(wanted.rollout_id) and wanted.rollout_id == self._rollout_id
            if self._driving is not None and not replaces:
                text = f"roll-out {self._rollout_id!r} runs: cancel it or wait"
                goal.finish(Result(error_code=Result.BUSY, error_msg=text))
                return
            checkpoint = self._checkpoints.named(wanted.checkpoint_uri)
        except AmfError as error:
            goal.finish(failed(Result(), CODES, error))
            return
        if self._driving is not None:
            self._end(Cancelled("started over by a new goal with the same id"))
        self._goal, self._ran = goal, checkpoint
        self._driving = Driving(
            checkpoint.policy,
            self._suite,
            self._contract,
            task,
            limit_ns=wanted.limit_ns,
            start_ns=wanted.start_ns,
            exact=self._exact,
            dwell=self._settings.dwell,
        )
        self._rollout_id = wanted.rollout_id or names.fresh_id(task.id)
        self._command, self._acted_s, self._stale_s = None, time.monotonic(), None
        self._on_robot(self._robot)
        stamp_ns = self._inputs.stamp_ns
        if stamp_ns is not None:
            self._on_state(stamp_ns)

    def _on_state(self, stamp_ns: int) -> None:
        driving = self._driving
        if driving is None or not driving.due(stamp_ns):
            return
        turn = driving.episode.turn(stamp_ns)
        if turn is Turn.ACT:
            self._act(driving)
        elif turn is Turn.REPEAT and self._command is not None:
            self._publisher.publish(self._command)
        elif turn is Turn.LOST:
            self._end(RobotFault(LOST))

    def _act(self, driving: Driving) -> None:
        now_s = time.monotonic()
        try:
            command = driving.act(self._inputs.read())
        except StaleObservation as error:
            self._stale_s = self._stale_s or now_s
            begun = driving.num_steps > 0
            if self._exact or (begun and now_s - self._stale_s >= STALE_S):
                self._end(error)
            return  # a busy machine is late for a moment: the arm holds until a state is fresh again
        except AmfError as error:
            self._end(error)
            return
        self._acted_s, self._stale_s = now_s, None
        if command is None:
            self._end()
            return
        self._command = to_msg(self._contract.published.type, command.reached_after(self._contract.period_ns))
        self._publisher.publish(self._command)

    def _check(self) -> None:
        driving, limit_s = self._driving, self._settings.state_timeout_s
        if driving is None or self._goal is None:
            return
        if time.monotonic() - self._acted_s > limit_s:
            why = self._inputs.refusal or "its stamps stand still"
            self._end(StaleObservation(f"no fresh state for {limit_s:g} s; the arm holds: {why}"))
            return
        self._checks += 1
        if self._checks % FEEDBACK_CHECKS == 0:
            elapsed, took = duration_msg(driving.episode.elapsed_s), driving.inference_s
            self._goal.feedback(
                ExecutePolicy.Feedback(step=driving.num_steps, elapsed=elapsed, inference_time=took)
            )

    def _on_robot(self, status: RobotStatus) -> None:
        was_reset, driving, self._robot = status.episode != self._robot.episode, self._driving, status
        if was_reset:
            self._inputs.reset_known()
        if driving is not None and status.status != RobotStatus.READY:
            self._end(RobotFault(f"the robot is not ready: {status.reason}"))
        elif driving is not None and was_reset and 0 < driving.episode.last_ns < to_ns(status.stamp):
            self._end(RobotFault(LOST))

    def _on_cancel(self, goal: Goal) -> None:
        if goal is self._goal:
            self._end(Cancelled("cancelled; the arm holds"))

    def _end(self, error: BaseException | None = None) -> None:
        """Stop commanding, keep what was visited when the episode went to its end, answer."""
        goal, driving, self._goal, self._driving = self._goal, self._driving, None, None
        if goal is None or driving is None:
            return
        result = Result(num_steps=driving.num_steps, elapsed=duration_msg(driving.episode.elapsed_s))
        if self._ran is not None:
            result.checkpoint = checkpoint_msg(self._ran.info)
        if error is None:
            result.outcome = int(driving.outcome)
            error = self._save(driving, result)
        goal.finish(result if error is None else failed(result, CODES, error))

    def _save(self, driving: Driving, result: Any) -> AmfError | None:
        ran = self._ran
        if ran is None or not driving.num_steps:
            return None
        try:
            made = driving.rollout(self._rollout_id, ran.info.id)
            rollout = self._rollouts.save(replace(made, fingerprint=ran.fingerprint))
        except (StorageError, DataError) as error:
            return error
        result.rollout_uri = rollout.uri
        return None

    def secure(self, error: BaseException) -> None:
        """Stop commanding after something unforeseen; the client hears of it."""
        self._end(error)

    def begin_shutdown(self) -> None:
        """Stop commanding; the robot holds."""
        self._end(Cancelled("the policy executor is shutting down"))


def main() -> int:
    """Entry point."""
    return run(PolicyExecutorNode)


if __name__ == "__main__":
    sys.exit(main())
