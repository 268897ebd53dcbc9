"""No exception of a callback ends a node, and whoever waits for its answer gets one.

The node is alone in its process, since with two nodes on an executor the events executor does not crash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.deadline import DEADLINE_S
from support.graph import eventually
from support.nodes import Bench, bench

from amf_msgs.action import FineTune
from amf_msgs.srv import LoadCheckpoint
from amf_ros.ros import qos
from amf_ros.ros.node.executors import VARIABLE
from amf_ros.ros.node.guard import LONGEST_TEXT, SAY_AGAIN_S, Guard, text_of, unknown_error
from amf_ros.ros.node.runtime import EXIT_BROKEN

TEST = Path(__file__).parents[1]


class Raising:
    """The node's process, and a client."""

    def __init__(self, client: Bench, process: subprocess.Popen[bytes], log: Path) -> None:
        self.client, self.process, self._log = client, process, log
        self._words = client.client.create_publisher(String, "words", qos.STREAM)
        self._clock = client.client.create_publisher(Clock, "/clock", qos.CLOCK)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def say(self, word: str | bytes) -> None:
        self.client.until(lambda: self._words.get_subscription_count() > 0, "the node")
        self._words.publish(word if isinstance(word, bytes) else String(data=word))

    def tick(self, clock: Clock) -> None:
        self.client.until(lambda: self._clock.get_subscription_count() > 0, "the node")
        self._clock.publish(clock)

    def secured(self) -> int:
        return int(self.client.call(Trigger, "raising/secured", Trigger.Request()).message)


@pytest.fixture(params=["events", "single_threaded"])
def raising(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Raising]:
    path = os.pathsep.join([str(TEST), str(TEST.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, VARIABLE: request.param, "PYTHONPATH": path}
    log = tmp_path / "log"
    with bench() as client, log.open("wb") as out:
        words = [sys.executable, "-m", "support.raising_node", "--ros-args", "-p", "use_sim_time:=true"]
        process = subprocess.Popen(words, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield Raising(client, process, log)
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def test_no_error_ends_the_node_and_every_caller_gets_its_text(raising: Raising) -> None:
    call, act = raising.client.call, raising.client.act
    for _ in range(3):
        raising.say("raise")
        raising.say("task")
        raising.say(b"\x00\x01\x00\x00\xff\xff\xff\x7f")  # bytes that are no message
        raising.tick(Clock(clock=_time(-5)))
        answer = call(LoadCheckpoint, "raising/load", LoadCheckpoint.Request())
        assert answer.error_code == answer.UNKNOWN
        assert "ValueError: out of this callback" in answer.error_msg
        assert not call(Trigger, "raising/trigger", Trigger.Request()).success
        for round in (0, 1):
            result = act(FineTune, "raising/tune", FineTune.Goal(round=round))
            assert result.error_code == result.UNKNOWN
    sent = raising.client.send(FineTune, "raising/tune", FineTune.Goal(round=2))
    sent.cancel()
    assert sent.result().error_code == FineTune.Result.UNKNOWN
    assert raising.secured() >= 12
    assert raising.process.poll() is None
    assert raising.log.count("Traceback") < 30
    raising.process.terminate()
    assert raising.process.wait(DEADLINE_S) == 0


def test_a_timer_that_always_fails_lets_the_node_leave_in_good_order(raising: Raising) -> None:
    raising.say("timer")
    eventually(lambda: raising.process.poll() is not None, "the node goes on for ever")
    assert raising.process.returncode == EXIT_BROKEN
    assert "leaving, to be started again: timer raise failed 20 times in a row: ValueError" in raising.log


def _time(seconds: int) -> Any:
    clock = Clock()
    clock.clock.sec = seconds
    return clock.clock


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, line: str) -> None:
        self.lines.append(line)


def test_an_error_is_logged_once_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = [0.0], Log()
    monkeypatch.setattr("amf_ros.ros.node.guard.time.monotonic", lambda: now[0])
    guard = Guard(lambda: log, lambda error: None)
    fails = guard.of(lambda: [][0], "a message")
    for _ in range(50):
        assert fails() is None
    now[0] += SAY_AGAIN_S
    fails()
    assert len(log.lines) == 2
    assert "Traceback" in log.lines[0]
    assert log.lines[1].startswith("again, time 51: a message: IndexError")


def test_one_success_forgives_a_timer_its_failures() -> None:
    guard, turns = Guard(Log, lambda error: None), iter([True] * 19 + [False] + [True] * 19)

    def work() -> None:
        if next(turns):
            raise ValueError

    timer = guard.timer(work, "timer")
    for _ in range(39):
        timer()
    assert not guard.broken


def test_an_error_text_fits_on_the_wire() -> None:
    for error in (ValueError("\ud800\0" * 9), RuntimeError("x" * 1_000_000)):
        text = text_of(error)
        assert len(text) < LONGEST_TEXT + 20
        serialize_message(String(data=text))
        assert "\0" not in text


def test_a_type_without_fields_for_errors_is_answered_as_it_is() -> None:
    assert unknown_error(String(), ValueError()) == String()
