"""demo_recorder: records one demonstration at a time, one MCAP file each, whole or not at all.

Action ``demo_recorder/record_demonstration``, service ``demo_recorder/finish_recording``, latched topic
``demo_recorder/state``. Subscribes raw to the contract's topics: what came is what is kept.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rclpy.clock import Clock, ClockType

from amf_msgs.action import RecordDemonstration
from amf_msgs.msg import RecorderState
from amf_msgs.srv import FinishRecording
from amf_ros.contract import load_contract
from amf_ros.data.demonstrations import DemonstrationInfo, DemonstrationStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import AmfError, Cancelled, DataError, StaleObservation, StorageError, UnknownName
from amf_ros.registry import load
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import (
    demonstration_msg,
    duration_msg,
    header_stamp_ns,
    message_class,
    time_msg,
    to_ns,
    to_seconds,
)
from amf_ros.ros.goals import Goal, Goals
from amf_ros.ros.parameters import declare
from amf_ros.ros.recorder import MissingTopic, Taping, topic_types
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import RecorderSettings
from amf_ros.types import Outcome, Source

Result = RecordDemonstration.Result
CHECK_S = 0.1
FEEDBACK_CHECKS = 5
CODES: tuple[tuple[type[AmfError], int], ...] = (
    (MissingTopic, Result.MISSING_TOPIC),
    (StaleObservation, Result.STALE_STREAM),
    (DataError, Result.STALE_STREAM),
    (StorageError, Result.WRITE_FAILED),
    (Cancelled, Result.CANCELLED),
)


@dataclass
class Recorded:
    """The recording in progress."""

    goal: Goal
    taping: Taping
    limit_s: float
    checks: int = 0
    outcome: Outcome = Outcome.UNLABELED
    end_ns: int = 0
    end_asked_s: float = 0.0


class DemoRecorderNode(AmfNode):
    """One recording at a time."""

    def __init__(self) -> None:
        super().__init__("demo_recorder")
        self._settings = settings = declare(self, RecorderSettings)
        self._contract = load_contract(settings.contract)
        self._suite = load("suite", settings.suite)()
        self._store = DemonstrationStore(RunDirectory(Path(settings.session_directory)).demonstrations)
        self._current: Recorded | None = None
        self._held: dict[str, tuple[int, int, bytes]] = {}
        self._state = self.create_publisher(RecorderState, names.RECORDER_STATE, qos.LATCHED)
        self._streams = {topic.name for topic in self._contract.topics} | {self._contract.record_from}
        for name, type_ in topic_types(self._contract):
            callback = partial(self._on_message, name)
            self.create_subscription(message_class(type_), name, callback, qos.STREAM, raw=True)
        self._goals = Goals(self, RecordDemonstration, names.RECORD_DEMONSTRATION, self._on_goal, self._on_cancel)
        self.create_service(FinishRecording, names.FINISH_RECORDING, self._on_finish)
        self.create_timer(CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_state()
        self.get_logger().info(f"{len(self._store.ids())} demonstrations in {self._store.root}")

    def _on_message(self, topic: str, raw: bytes) -> None:
        received_ns = time.time_ns()
        stamp_ns = header_stamp_ns(raw) if topic in self._streams else 0
        self._held[topic] = stamp_ns, received_ns, raw
        if self._current is not None:
            self._write(self._current, topic)

    def _write(self, current: Recorded, topic: str) -> None:
        stamp_ns, received_ns, raw = self._held[topic]
        try:
            current.taping.write(topic, stamp_ns, raw, received_ns, time.monotonic())
        except AmfError as error:
            self._fail(current, error)
            return
        if topic in self._streams:
            self._advance(current)

    def _advance(self, current: Recorded) -> None:
        taping = current.taping
        if taping.became_ready(time.monotonic()):
            self._publish_state(current)
        elif taping.elapsed_s >= current.limit_s and not current.end_ns:
            current.end_ns, current.end_asked_s = taping.last_command_ns, time.monotonic()
        if current.end_ns and taping.reached(current.end_ns):
            self._keep(current)

    def _on_goal(self, goal: Goal) -> None:
        request = goal.request
        try:
            task = self._suite.task(request.task_id)
        except UnknownName as error:
            goal.finish(Result(error_code=Result.UNKNOWN_TASK, error_msg=str(error)))
            return
        running = self._current
        if running is not None:
            if not request.demonstration_id or request.demonstration_id != running.taping.recording.about.id:
                text = f"demonstration {running.taping.recording.about.id!r} is being recorded: finish or cancel it"
                goal.finish(Result(error_code=Result.BUSY, error_msg=text))
                return
            self._fail(running, Cancelled("started over by a new goal with the same id"))
        id_ = request.demonstration_id or f"{time.strftime('%Y%m%d_%H%M%S')}_{task.id}"
        try:
            stored = self._store.find(id_)
            if stored is not None:
                self._answer_stored(goal, stored, task.id)
                return
            self._begin(goal, id_, task)
        except AmfError as error:
            goal.finish(self._failure(error))

    def _answer_stored(self, goal: Goal, stored: DemonstrationInfo, task_id: str) -> None:
        if stored.task_id == task_id:
            goal.finish(Result(demonstration=demonstration_msg(stored)))
            return
        text = f"demonstration {stored.id!r} is one of {stored.task_id!r}; choose another id"
        goal.finish(Result(error_code=Result.DUPLICATE_ID, error_msg=text))

    def _begin(self, goal: Goal, id_: str, task) -> None:
        request, start_ns = goal.request, to_ns(goal.request.start_stamp)
        recording = self._store.stage(
            id_,
            task,
            self._contract,
            suite=self._settings.suite,
            source=Source(request.source),
            seed=request.seed,
            start_stamp_ns=start_ns,
        )
        taping = Taping(recording, self._contract, self._settings, start_ns, time.monotonic())
        limit_s = to_seconds(request.max_duration) or self._settings.max_duration_s
        self._current = current = Recorded(goal, taping, limit_s)
        for topic in [topic.name for topic in self._contract.topics if start_ns and topic.name in self._held]:
            if self._current is current:
                self._write(current, topic)

    def _on_finish(self, request: FinishRecording.Request, response: FinishRecording.Response):
        current, end_ns = self._current, to_ns(request.end_stamp)
        if current is None or (end_ns and end_ns < current.taping.start_ns):
            response.error_code, response.error_msg = response.NOT_RECORDING, "nothing is being recorded"
            return response
        current.outcome = Outcome(request.outcome)
        if end_ns and not current.taping.reached(end_ns):
            current.end_ns, current.end_asked_s = end_ns, time.monotonic()
        else:
            current.end_ns = end_ns
            self._keep(current)
        return response

    def _check(self) -> None:
        current = self._current
        if current is None:
            return
        current.checks += 1
        try:
            current.taping.check(time.monotonic())
        except StaleObservation as error:
            self._fail(current, error)
            return
        if current.checks % FEEDBACK_CHECKS == 0:
            elapsed = duration_msg(current.taping.elapsed_s)
            current.goal.feedback(RecordDemonstration.Feedback(elapsed=elapsed, num_steps=current.taping.num_steps))

    def _keep(self, current: Recorded) -> None:
        recording = current.taping.recording
        try:
            recording.finish(current.outcome, current.end_ns)
            info = self._store.info(recording.about.id)
        except AmfError as error:
            self._fail(current, error)
            return
        self._end()
        self.get_logger().info(f"{info.id}: {info.outcome.name.lower()}, {info.num_steps} steps")
        current.goal.finish(Result(demonstration=demonstration_msg(info)))

    def _fail(self, current: Recorded, error: AmfError) -> None:
        current.taping.recording.discard()
        self._end()
        self.get_logger().warning(f"{current.taping.recording.about.id}: not kept: {error}")
        current.goal.finish(self._failure(error))

    def _failure(self, error: AmfError) -> Result:
        code = next((code for kind, code in CODES if isinstance(error, kind)), Result.UNKNOWN)
        return Result(error_code=code, error_msg=str(error))

    def _end(self) -> None:
        self._current = None
        self._publish_state()

    def _on_cancel(self, goal: Goal) -> None:
        if self._current is not None and self._current.goal is goal:
            self._fail(self._current, Cancelled("discarded by cancel"))

    def _publish_state(self, current: Recorded | None = None) -> None:
        state = RecorderState(stamp=self.get_clock().now().to_msg(), recording=current is not None)
        if current is not None:
            about = current.taping.recording.about
            state.task_id, state.demonstration_id, state.seed = about.task_id, about.id, about.seed
            state.start_stamp = time_msg(about.start_stamp_ns)
        self._state.publish(state)

    def begin_shutdown(self) -> None:
        """A recording in progress is discarded: half a demonstration teaches the wrong thing."""
        if self._current is not None:
            self._fail(self._current, Cancelled("the recorder is shutting down"))


def main() -> int:
    """Entry point."""
    return run(DemoRecorderNode)


if __name__ == "__main__":
    sys.exit(main())
