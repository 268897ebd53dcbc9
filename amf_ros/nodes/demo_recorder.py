"""demo_recorder: records one demonstration at a time, one MCAP file each, whole or not at all.

Action ``demo_recorder/record_demonstration``, service ``demo_recorder/finish_recording``, latched topic
``demo_recorder/state``, topic ``demo_recorder/streams``. Subscribes raw to the contract's topics: what came
is what is kept.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.contract import load_contract
from amf_ros.core.errors import (
    AmfError,
    BadRequest,
    Cancelled,
    ContractError,
    DataError,
    StaleObservation,
    StorageError,
    UnknownName,
    shown,
)
from amf_ros.core.values import Task
from amf_ros.ros import names, qos, requests
from amf_ros.ros.conversions import demonstration_msg, duration_msg, recorder_state_msg
from amf_ros.ros.node.goals import Codes, Goal, Goals, failed, in_background
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.recording.judging import BadStream, Reset
from amf_ros.ros.recording.listening import Listening, Resets
from amf_ros.ros.recording.taping import Came, MissingTopic, Taping, tape
from amf_ros.ros.requests import RecordingRequest
from amf_ros.ros.robot.stopping import StopKeeper
from amf_ros.ros.settings import RecorderSettings
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.metadata import DemonstrationInfo
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Result = RecordDemonstration.Result
CHECK_S = 0.1
FEEDBACK_CHECKS = 5
CODES: Codes = (
    ("task", Result.UNKNOWN_TASK),
    (BadRequest, Result.BAD_REQUEST),
    (MissingTopic, Result.MISSING_TOPIC),
    (StaleObservation, Result.STALE_STREAM),
    (UnknownName, Result.BAD_STREAM),  # a joint or object that a stream does not hold
    (ContractError, Result.BAD_STREAM),
    (DataError, Result.BAD_STREAM),
    (StorageError, Result.WRITE_FAILED),
    (Cancelled, Result.CANCELLED),
)


class DemoRecorderNode(AmfNode):
    """One recording at a time."""

    def __init__(self) -> None:
        super().__init__("demo_recorder")
        self._settings = settings = declare(self, RecorderSettings)
        self._contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        self._store = DemonstrationStore(RunDirectory(Path(settings.session_directory)).demonstrations)
        self._goal: Goal | None = None
        self._taping: Taping | None = None
        self._storing = False
        self._checks = 0
        self._state = self.create_publisher(RecorderState, names.RECORDER_STATE, qos.LATCHED)
        self._streams = Listening(self, self._contract, self._on_message, factor=settings.real_time_factor)
        self._resets = Resets(self, self._on_reset)
        self._stop_keeper = StopKeeper(self)
        self._goals = Goals(
            self, RecordDemonstration, names.RECORD_DEMONSTRATION, self._on_goal, self._on_cancel
        )
        self.create_service(FinishRecording, names.FINISH_RECORDING, self._on_finish)
        self.create_timer(CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_state()
        self.get_logger().info(f"{len(self._store.ids())} demonstrations in {self._store.root}")

    def _on_message(self, topic: str, came: Came) -> None:
        if self._taping is not None and not self._storing:
            self._write(self._taping, topic, came)

    def _write(self, taping: Taping, topic: str, came: Came) -> None:
        try:
            problem = taping.write(topic, came, time.monotonic())
        except AmfError as error:
            self._fail(self._streams.named(error, topic) if isinstance(error, BadStream) else error)
            return
        if problem:
            self._streams.skipped(topic, problem)
            self.get_logger().warning(f"{topic}: left out: {problem}", throttle_duration_sec=1.0)
        elif taping.became_ready(time.monotonic()):
            self._publish_state()
        elif taping.complete(time.monotonic()):
            self._keep(taping)

    def _on_reset(self, stamp_ns: int) -> None:
        if self._taping is None or self._storing:
            return
        try:
            self._taping.began_anew(stamp_ns)
        except Reset as error:
            self._fail(error)

    def _on_goal(self, goal: Goal) -> None:
        running = self._taping
        try:
            wanted = requests.recording(goal.request)
            task = self._suite.task(wanted.task_id)
            if running is not None:
                if wanted.id != running.id or self._storing:
                    what = "stored: wait" if self._storing else "recorded: finish or cancel it"
                    text = f"demonstration {running.id!r} is being {what}"
                    goal.finish(Result(error_code=Result.BUSY, error_msg=text))
                    return
                self._fail(Cancelled("started over by a new goal with the same id"))
            id_ = wanted.id or names.fresh_id(task.id)
            stored = self._store.find(id_)
            if stored is None:
                self._begin(goal, wanted, id_, task)
            elif stored.task_id == task.id:
                goal.finish(Result(demonstration=demonstration_msg(stored)))
            else:
                text = f"demonstration {shown(id_)} is one of {stored.task_id!r}; choose another id"
                goal.finish(Result(error_code=Result.DUPLICATE_ID, error_msg=text))
        except AmfError as error:
            goal.finish(failed(Result(), CODES, error))

    def _begin(self, goal: Goal, wanted: RecordingRequest, id_: str, task: Task) -> None:
        settings, now_s = self._settings, time.monotonic()
        self._taping = tape(self._store, self._contract, settings, replace(wanted, id=id_), task, now_s)
        self._goal = goal
        for topic, came in self._streams.begin(states=wanted.start_ns != 0):
            self._on_message(topic, came)

    def _on_finish(
        self, request: FinishRecording.Request, response: FinishRecording.Response
    ) -> FinishRecording.Response:
        taping = self._taping
        if taping is None:
            response.error_code, response.error_msg = response.NOT_RECORDING, "nothing is being recorded"
            return response
        try:
            began_ns, newest_ns = (0, 0) if request.discard else taping.span_ns
            outcome, end_ns = requests.ending(request, began_ns, newest_ns)
        except BadRequest as error:
            response.error_code, response.error_msg = response.BAD_REQUEST, str(error)
            return response
        if self._storing:
            return response
        if request.discard:
            self._fail(Cancelled(f"discarded by the demonstrator: {shown(request.reason, 300)}"))
            return response
        taping.end(outcome, end_ns, time.monotonic())
        if taping.complete(time.monotonic()):
            self._keep(taping)
        return response

    def _check(self) -> None:
        taping, now_s = self._taping, time.monotonic()
        if taping is None or self._goal is None or self._storing:
            return
        try:
            self._streams.check(taping, now_s)
        except AmfError as error:
            self._fail(error)
            return
        if taping.complete(now_s):
            self._keep(taping)
            return
        self._checks += 1
        if self._checks % FEEDBACK_CHECKS == 0:
            elapsed, steps = duration_msg(taping.elapsed_s), taping.num_steps
            self._goal.feedback(RecordDemonstration.Feedback(elapsed=elapsed, num_steps=steps))

    def _keep(self, taping: Taping) -> None:
        """In a thread: a long recording takes seconds, and streams go on."""
        self._storing = True

        def store() -> DemonstrationInfo:
            taping.keep()
            return self._store.info(taping.id)

        in_background(self, store, partial(self._on_stored, taping))

    def _on_stored(self, taping: Taping, info: DemonstrationInfo | None, error: BaseException | None) -> None:
        self._storing = False
        if info is None:
            self._fail(error or DataError(f"{taping.id} was not stored"))
            return
        self.get_logger().info(f"{info.id}: {info.outcome.name.lower()}, {info.num_steps} steps")
        remarks = self._streams.remarks(taping.heard)
        if remarks:
            self.get_logger().warning(f"{info.id}: kept, but {remarks}")
        self._end(Result(demonstration=demonstration_msg(info), error_msg=remarks))

    def _fail(self, error: BaseException) -> None:
        if self._taping is not None:
            self._taping.recording.discard()
            self.get_logger().warning(f"{self._taping.id}: not kept: {error}")
        self._end(failed(Result(), CODES, error))

    def _end(self, result: Any) -> None:
        goal, self._goal, self._taping = self._goal, None, None
        self._streams.end()
        self._publish_state()
        if goal is not None:
            goal.finish(result)

    def _on_cancel(self, goal: Goal) -> None:
        if goal is self._goal and not self._storing:
            self._fail(Cancelled("discarded by cancel"))

    def _publish_state(self) -> None:
        about = self._taping.recording.about if self._taping is not None else None
        self._state.publish(recorder_state_msg(self.get_clock().now().to_msg(), about))

    def secure(self, error: BaseException) -> None:
        """Discard a recording in which something unforeseen happened, and tell its client."""
        if self._taping is not None and not self._storing:
            self._fail(error)

    def begin_shutdown(self) -> None:
        """Discard a recording in progress: half a demonstration teaches the wrong thing."""
        if self._taping is not None and not self._storing:
            self._fail(Cancelled("the recorder is shutting down"))

    def busy(self) -> bool:
        """Say whether a demonstration that is over is still being stored."""
        return self._storing


def main() -> int:
    """Entry point."""
    return run(DemoRecorderNode)


if __name__ == "__main__":
    sys.exit(main())
