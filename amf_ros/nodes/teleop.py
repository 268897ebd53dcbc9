"""teleop: the demonstrator. Here the suite's scripted expert, on the topic that a person's device would use.

Reads ``demo_recorder/state`` (which task, which start), the contract's state topics; publishes the
contract's ``record_from`` topic and ends the recording with its verdict.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.arm.episode_follower import EpisodeFollower, Turn
from amf_ros.contract import load_contract
from amf_ros.core.errors import AmfError, StaleObservation
from amf_ros.ros import names, qos
from amf_ros.ros.contract_streams import StreamInputs
from amf_ros.ros.conversions import time_msg, to_msg, to_ns
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.settings import TeleopSettings
from amf_ros.sim.protocol import Expert
from amf_ros.sim.staging import load_staging
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import load_robot_suite

WATCH_S = 1.0
GIVE_UP_S = 6.0  # without a state to act upon; the recorder, which knows the streams, speaks first


@dataclass
class Showing:
    """One demonstration being given; ``acted_s`` on a monotonic clock."""

    demonstration_id: str
    expert: Expert
    judge: Judge
    episode: EpisodeFollower
    acted_s: float
    command: JointTrajectory | None = None
    waits: bool = False


class TeleopNode(AmfNode):
    """Demonstrates whatever the recorder records."""

    def __init__(self) -> None:
        super().__init__("teleop")
        settings = declare(self, TeleopSettings)
        self._contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        self._staging = load_staging(self._suite)
        self._dwell, self._exact = settings.dwell, settings.real_time_factor == 0.0
        self._showing: Showing | None = None
        self._ending: FinishRecording.Request | None = None
        self._publisher = self.create_publisher(JointTrajectory, self._contract.command.address, qos.STREAM)
        self._sent: Future | None = None
        self._finish = self.create_client(FinishRecording, names.FINISH_RECORDING)
        factor = settings.real_time_factor or 1.0
        self._inputs = StreamInputs(
            self, self._contract, self._on_state, exact=self._exact, time_factor=factor
        )
        self.create_subscription(RecorderState, names.RECORDER_STATE, self._on_recorder, qos.LATCHED)
        self.create_timer(WATCH_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"scripted expert for {len(self._suite.tasks)} tasks")

    def _on_recorder(self, state: RecorderState) -> None:
        self._showing = self._ending = None
        if not state.recording:
            return
        try:
            self._showing = self._begin(state)
        except AmfError as error:
            self._give_up(str(error))
            return
        stamp_ns = self._inputs.stamp_ns
        if stamp_ns is not None:
            self._on_state(stamp_ns)

    def _begin(self, state: RecorderState) -> Showing:
        task = self._suite.task(state.task_id)
        limit_ns = round(task.time_limit_s * self._contract.fps) * self._contract.period_ns
        return Showing(
            state.demonstration_id,
            self._staging.expert(task.id, state.seed),
            Judge(self._suite, task.id, self._dwell),
            EpisodeFollower(to_ns(state.start_stamp), limit_ns, exact=self._exact),
            time.monotonic(),
        )

    def _on_state(self, stamp_ns: int) -> None:
        showing = self._showing
        if showing is None or self._ending is not None:
            return
        started = showing.episode.first_ns is not None
        turn = showing.episode.turn(stamp_ns)
        if turn is Turn.ACT or (turn is Turn.REPEAT and showing.waits):
            self._act(showing)
        elif turn is Turn.REPEAT and showing.command is not None:
            showing.acted_s = time.monotonic()
            self._publisher.publish(showing.command)
        elif turn is Turn.LOST:
            self._lose(showing, started)

    def _lose(self, showing: Showing, started: bool) -> None:
        """Of a reset the recorder knows; that the start was missed only the demonstrator does."""
        self.get_logger().warning(
            f"{showing.demonstration_id}: the scene was reset, or its start missed; I let go"
        )
        self._showing = None
        if not started:
            self._give_up("the first state of the episode was missed; reset the scene and record again")

    def _act(self, showing: Showing) -> None:
        try:
            moment = self._inputs.read()
        except StaleObservation as error:  # the robot holds; the recorder says when it lasts
            showing.waits = True
            self.get_logger().warning(f"I wait: {error}", throttle_duration_sec=1.0)
            return
        showing.waits, showing.acted_s = False, time.monotonic()
        if moment.scene is None:
            self._give_up(f"contract {self._contract.name!r} has no scene, which scripted experts act upon")
            return
        try:
            showing.judge.update(moment.scene)
            timed_out = showing.episode.timed_out
            command = None if timed_out else showing.expert.command(moment.joints, moment.scene)
        except AmfError as error:
            self._give_up(str(error))
            return
        if command is not None:
            showing.command = to_msg(
                self._contract.command.type, command.reached_after(self._contract.period_ns)
            )
            self._publisher.publish(showing.command)
            return
        end = showing.command.header.stamp if showing.command else time_msg(showing.episode.last_ns)
        self._end(FinishRecording.Request(outcome=int(showing.judge.outcome), end_stamp=end))

    def _give_up(self, reason: str) -> None:
        """Let go, and end the recording with the reason: nobody shall wait for what will not come."""
        self.get_logger().error(f"I let go: {reason}")
        end = time_msg(self._showing.episode.last_ns) if self._showing else time_msg(0)
        self._showing = None
        self._end(FinishRecording.Request(discard=True, reason=reason, end_stamp=end))

    def _end(self, request: FinishRecording.Request) -> None:
        self._ending = request
        self._send_end()

    def _watch(self) -> None:
        """Send again what may have got lost, until the recorder's state says that it has ended."""
        if self._ending is not None:
            self._send_end()
        elif self._showing is not None and time.monotonic() - self._showing.acted_s > GIVE_UP_S:
            waited = f"no state to act upon for {GIVE_UP_S:g} s"
            self._give_up(f"{waited}: {self._inputs.refusal}" if self._inputs.refusal else waited)

    def _send_end(self) -> None:
        if self._sent is not None and not self._sent.done():
            self._finish.remove_pending_request(self._sent)
        self._sent = self._finish.call_async(self._ending)
        self._sent.add_done_callback(partial(self._on_answer, self._ending))

    def _on_answer(self, request: FinishRecording.Request, future: Future) -> None:
        """Return what the recorder refuses once it refuses for ever."""
        answer = None if future.cancelled() else future.result()
        if answer is None or not answer.error_code or self._ending is not request:
            return
        self.get_logger().warning(f"the recorder does not end: {answer.error_msg}")
        self._showing = self._ending = None

    def secure(self, error: BaseException) -> None:
        """Let go after something unforeseen: the robot holds, and the recording ends with the reason."""
        if self._showing is not None:
            self._give_up(f"{type(error).__name__}: {error}")

    def begin_shutdown(self) -> None:
        """Let go."""
        self._showing = self._ending = None


def main() -> int:
    """Entry point."""
    return run(TeleopNode)


if __name__ == "__main__":
    sys.exit(main())
