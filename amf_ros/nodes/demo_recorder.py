"""demo_recorder: records one demonstration at a time, one MCAP file each, whole or not at all.

Action ``demo_recorder/record_demonstration``, service ``demo_recorder/finish_recording``, latched topic
``demo_recorder/state``. Subscribes raw to the contract's topics: what came is what is kept.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.contract import load_contract
from amf_ros.data.demonstrations import DemonstrationStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import (
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
from amf_ros.ros import names, qos, requests
from amf_ros.ros.conversions import (
    demonstration_msg,
    duration_msg,
    header_stamp_ns,
    message_class,
    time_msg,
)
from amf_ros.ros.goals import Codes, Goal, Goals, failed
from amf_ros.ros.parameters import declare
from amf_ros.ros.recorder import MissingTopic, Taping, recorded_topics
from amf_ros.ros.requests import RecordingRequest
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import RecorderSettings
from amf_ros.tasks.loading import load_robot_suite
from amf_ros.types import Task

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
        self._checks = 0
        self._held: dict[str, tuple[int, int, bytes]] = {}
        self._state = self.create_publisher(RecorderState, names.RECORDER_STATE, qos.LATCHED)
        self._streams = {topic.name for topic in self._contract.topics} | {self._contract.record_from}
        for topic in recorded_topics(self._contract):
            callback = partial(self._on_message, topic.name)
            type_, profile = message_class(topic.type), qos.of_topic(topic)
            self.create_subscription(type_, topic.address, callback, profile, raw=True)
        self._goals = Goals(
            self, RecordDemonstration, names.RECORD_DEMONSTRATION, self._on_goal, self._on_cancel
        )
        self.create_service(FinishRecording, names.FINISH_RECORDING, self._on_finish)
        self.create_timer(CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_state()
        self.get_logger().info(f"{len(self._store.ids())} demonstrations in {self._store.root}")

    def _on_message(self, topic: str, raw: bytes) -> None:
        stamp_ns = header_stamp_ns(raw) if topic in self._streams else 0
        self._held[topic] = stamp_ns, time.time_ns(), raw
        if self._taping is not None:
            self._write(self._taping, topic)

    def _write(self, taping: Taping, topic: str) -> None:
        stamp_ns, received_ns, raw = self._held[topic]
        try:
            taping.write(topic, stamp_ns, raw, received_ns, time.monotonic())
        except AmfError as error:
            self._fail(error)
            return
        if taping.became_ready(time.monotonic()):
            self._publish_state()
        elif taping.complete():
            self._keep(taping)

    def _on_goal(self, goal: Goal) -> None:
        running = self._taping
        try:
            wanted = requests.recording(goal.request)
            task = self._suite.task(wanted.task_id)
            if running is not None:
                if wanted.id != running.id:
                    text = f"demonstration {running.id!r} is being recorded: finish or cancel it"
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
        recording = self._store.stage(
            id_,
            task,
            self._contract,
            suite=self._settings.suite,
            source=wanted.source,
            seed=wanted.seed,
            start_stamp_ns=wanted.start_ns,
        )
        self._goal, self._taping = (
            goal,
            Taping(
                recording,
                self._contract,
                self._settings,
                start_ns=wanted.start_ns,
                limit_s=wanted.limit_s or self._settings.max_duration_s,
                now_s=time.monotonic(),
            ),
        )
        for topic in [
            topic.name for topic in self._contract.topics if wanted.start_ns and topic.name in self._held
        ]:
            if self._taping is not None:
                self._write(self._taping, topic)

    def _on_finish(
        self, request: FinishRecording.Request, response: FinishRecording.Response
    ) -> FinishRecording.Response:
        taping = self._taping
        if taping is None:
            response.error_code, response.error_msg = response.NOT_RECORDING, "nothing is being recorded"
            return response
        try:
            outcome, end_ns = requests.ending(request, taping.start_ns)
        except BadRequest as error:
            response.error_code, response.error_msg = response.BAD_REQUEST, str(error)
            return response
        taping.end(outcome, end_ns)
        if taping.complete():
            self._keep(taping)
        return response

    def _check(self) -> None:
        if self._taping is None or self._goal is None:
            return
        try:
            self._taping.check(time.monotonic())
        except StaleObservation as error:
            self._fail(error)
            return
        self._checks += 1
        if self._checks % FEEDBACK_CHECKS == 0:
            elapsed, steps = duration_msg(self._taping.elapsed_s), self._taping.num_steps
            self._goal.feedback(RecordDemonstration.Feedback(elapsed=elapsed, num_steps=steps))

    def _keep(self, taping: Taping) -> None:
        try:
            taping.keep()
            info = self._store.info(taping.id)
        except AmfError as error:
            self._fail(error)
            return
        self.get_logger().info(f"{info.id}: {info.outcome.name.lower()}, {info.num_steps} steps")
        self._end(Result(demonstration=demonstration_msg(info)))

    def _fail(self, error: BaseException) -> None:
        if self._taping is not None:
            self._taping.recording.discard()
            self.get_logger().warning(f"{self._taping.id}: not kept: {error}")
        self._end(failed(Result(), CODES, error))

    def _end(self, result: Any) -> None:
        goal, self._goal, self._taping = self._goal, None, None
        self._publish_state()
        if goal is not None:
            goal.finish(result)

    def _on_cancel(self, goal: Goal) -> None:
        if goal is self._goal:
            self._fail(Cancelled("discarded by cancel"))

    def _publish_state(self) -> None:
        state = RecorderState(stamp=self.get_clock().now().to_msg(), recording=self._taping is not None)
        if self._taping is not None:
            about = self._taping.recording.about
            state.task_id, state.demonstration_id, state.seed = about.task_id, about.id, about.seed
            state.start_stamp = time_msg(about.start_stamp_ns)
        self._state.publish(state)

    def secure(self, error: BaseException) -> None:
        """A recording in which something unforeseen happened is not kept, and its client hears of it."""
        if self._taping is not None:
            self._fail(error)

    def begin_shutdown(self) -> None:
        """A recording in progress is discarded: half a demonstration teaches the wrong thing."""
        if self._taping is not None:
            self._fail(Cancelled("the recorder is shutting down"))


def main() -> int:
    """Entry point."""
    return run(DemoRecorderNode)


if __name__ == "__main__":
    sys.exit(main())
