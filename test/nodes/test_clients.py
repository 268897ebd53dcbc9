"""No client waits for ever: not for a server that died, froze or was restarted, nor for a lost goal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from action_msgs.msg import GoalStatus
from support.deadline import DEADLINE_S

from amf_msgs.action import FineTune
from amf_msgs.srv import LoadCheckpoint
from amf_ros.ros.client.answers import ServerLost, ServerUnavailable, result_of
from amf_ros.ros.client.graph_client import GraphClient, Refused

TEST = Path(__file__).parents[1]
FOREVER = FineTune.Goal(round=2)
LONGEST_S = 40.0  # far below the time limit of a test, far above what it takes


@contextmanager
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A node alone in its process, whose goal of round 2 never ends (support/raising_node.py)."""
    path = os.pathsep.join([str(TEST), str(TEST.parent), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-m", "support.raising_node", "--ros-args", "--log-level", "fatal"]
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def once_it_runs(client: GraphClient, blow: Callable[[], object]) -> Callable[[object], None]:
    """A feedback callback that strikes once, when the goal runs and its node's pulse was felt."""
    struck: list[object] = []

    def feedback(_: object) -> None:
        if client.pulse_of("raising/tune")._heard and not struck:
            struck.append(blow())

    return feedback


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_freezes_is_noticed_while_a_goal_runs(blow: signal.Signals) -> None:
    with server() as process, GraphClient(wait_s=LONGEST_S) as client:
        feedback = once_it_runs(client, lambda: process.send_signal(blow))
        with pytest.raises(ServerUnavailable, match="node raising stopped answering"):
            client.act(FineTune, "raising/tune", FOREVER, feedback)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_freezes_in_its_first_second_is_noticed(blow: signal.Signals) -> None:
    gone = pytest.raises(ServerUnavailable, match="node raising stopped answering")
    with server() as process, GraphClient(wait_s=LONGEST_S) as client, gone:
        client.act(FineTune, "raising/tune", FOREVER, lambda _: process.send_signal(blow))


@pytest.mark.slow
def test_a_server_that_froze_is_noticed_by_a_caller_of_a_service() -> None:
    with server() as process, GraphClient(wait_s=LONGEST_S) as client:
        with pytest.raises(Refused):
            client.call(LoadCheckpoint, "raising/load", LoadCheckpoint.Request())
        client.pulse_of("raising/load").beat()
        client.waiting.until(lambda: client.pulse_of("raising/load")._heard, LONGEST_S)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(ServerUnavailable, match="raising/load"):
            client.call(LoadCheckpoint, "raising/load", LoadCheckpoint.Request(), timeout_s=LONGEST_S)


def test_a_server_that_was_restarted_does_not_know_the_goal() -> None:
    with ExitStack() as stack, GraphClient(wait_s=LONGEST_S) as client:
        first = stack.enter_context(server())

        def replace() -> None:
            first.kill()
            first.wait()
            stack.enter_context(server())

        with pytest.raises(ServerLost, match="restarted and does not know the goal"):
            client.act(FineTune, "raising/tune", FOREVER, once_it_runs(client, replace))


ENDED = (GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_UNKNOWN)


@pytest.mark.parametrize("status", ENDED)
def test_a_goal_that_ended_without_a_word_is_no_success(status: int) -> None:
    answer = FineTune.Impl.GetResultService.Response(status=status)
    with pytest.raises(ServerLost):
        result_of("fine_tuner/fine_tune", answer)
    answer.status = GoalStatus.STATUS_SUCCEEDED
    assert result_of("fine_tuner/fine_tune", answer) == answer.result


def test_a_result_with_a_code_is_handed_on() -> None:
    answer = FineTune.Impl.GetResultService.Response(status=GoalStatus.STATUS_ABORTED)
    answer.result.error_code = FineTune.Result.NO_DATA
    assert result_of("fine_tuner/fine_tune", answer).error_code == FineTune.Result.NO_DATA
