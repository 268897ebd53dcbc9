"""teleop: the demonstrator. Here the suite's scripted expert, on the topic that a person's device would use.

Reads ``demo_recorder/state`` (which task, which start), the contract's state topics; publishes the
contract's ``record_from`` topic and ends the recording with its verdict.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.contract import load_contract
from amf_ros.errors import StaleObservation, UnknownName
from amf_ros.robots.episode import Episode, Turn
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import command_msg, time_msg, to_ns
from amf_ros.ros.inputs import Inputs
from amf_ros.ros.parameters import declare
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import TeleopSettings
from amf_ros.tasks.base import Expert
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import load_robot_suite

FINISH_AGAIN_S = 1.0


@dataclass
class Showing:
    """One demonstration being given."""

    demonstration_id: str
    expert: Expert
    judge: Judge
    episode: Episode
    command: JointTrajectory | None = None
    finish: FinishRecording.Request | None = None


class TeleopNode(AmfNode):
    """Demonstrates whatever the recorder records."""

    def __init__(self) -> None:
        super().__init__("teleop")
        settings = declare(self, TeleopSettings)
        self._contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        self._dwell, self._exact = settings.dwell, settings.real_time_factor == 0.0
        self._showing: Showing | None = None
        self._publisher = self.create_publisher(JointTrajectory, self._contract.command.address, qos.STREAM)
        self._sent: Future | None = None
        self._finish = self.create_client(FinishRecording, names.FINISH_RECORDING)
        factor = settings.real_time_factor or 1.0
        self._inputs = Inputs(self, self._contract, self._on_state, exact=self._exact, time_factor=factor)
        self.create_subscription(RecorderState, names.RECORDER_STATE, self._on_recorder, qos.LATCHED)
        self.create_timer(FINISH_AGAIN_S, self._send_finish, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"scripted expert for {len(self._suite.tasks)} tasks")

    def _on_recorder(self, state: RecorderState) -> None:
        if not state.recording:
            self._showing = None
            return
        try:
            task = self._suite.task(state.task_id)
        except UnknownName as error:
            self.get_logger().error(f"cannot demonstrate: {error}")
            return
        limit_ns = round(task.time_limit_s * self._contract.fps) * self._contract.period_ns
        self._showing = Showing(
            state.demonstration_id,
            self._suite.expert(task.id, state.seed),
            Judge(self._suite, task.id, self._dwell),
            Episode(to_ns(state.start_stamp), limit_ns, exact=self._exact),
        )
        stamp_ns = self._inputs.stamp_ns
        if stamp_ns is not None:
            self._on_state(stamp_ns)

    def _on_state(self, stamp_ns: int) -> None:
        showing = self._showing
        if showing is None or showing.finish is not None:
            return
        turn = showing.episode.turn(stamp_ns)
        if turn is Turn.ACT:
            self._act(showing)
        elif turn is Turn.REPEAT and showing.command is not None:
            self._publisher.publish(showing.command)
        elif turn is Turn.LOST:
            self.get_logger().warning(
                f"{showing.demonstration_id}: the scene was reset, or its start missed; I let go"
            )
            self._showing = None

    def _act(self, showing: Showing) -> None:
        try:
            _, joints, scene = self._inputs.read()
        except StaleObservation as error:  # the robot holds; the recorder says when it lasts
            self.get_logger().warning(f"I wait: {error}", throttle_duration_sec=1.0)
            return
        showing.judge.update(scene)
        command = None if showing.episode.timed_out else showing.expert.command(joints, scene)
        if command is not None:
            showing.command = command_msg(command, 1.0 / self._contract.fps)
            self._publisher.publish(showing.command)
            return
        end = showing.command.header.stamp if showing.command else time_msg(showing.episode.last_ns)
        showing.finish = FinishRecording.Request(outcome=int(showing.judge.outcome), end_stamp=end)
        self._send_finish()

    def _send_finish(self) -> None:
        """Also by timer, until the recorder's state says that it has ended: a request may get lost."""
        if self._sent is not None and not self._sent.done():
            self._finish.remove_pending_request(self._sent)
        self._sent = None
        if self._showing is not None and self._showing.finish is not None:
            self._sent = self._finish.call_async(self._showing.finish)

    def secure(self, error: BaseException) -> None:
        """Let go after something unforeseen: the robot holds, and the recorder misses the commands."""
        self._showing = None

    def begin_shutdown(self) -> None:
        """Let go."""
        self._showing = None


def main() -> int:
    """Entry point."""
    return run(TeleopNode)


if __name__ == "__main__":
    sys.exit(main())
