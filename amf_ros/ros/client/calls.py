"""Calls of services and actions that wait for the answer: the one way for commands, session and programs.

    calls = Calls(node, InWorkerThread(node, should_stop))     # or Spinning(executor)
    response = calls.call(NextTask, names.NEXT_TASK, request)
    result = calls.act(FineTune, names.FINE_TUNE, goal, on_feedback)

A request sent before its server is matched may never be answered, and a dead server never answers: so every
wait has a deadline, unanswered requests are dropped and sent again (servers are idempotent), and a running
goal is asked for its result now and then: a server that was restarted does not know it. Whether a node still
works is told by its pulse (``answers.py``), not by discovery.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.action import ActionClient
from rclpy.client import Client

from amf_ros.core.errors import Cancelled, listed
from amf_ros.ros import qos
from amf_ros.ros.client.answers import DEAD_S, Pulse, Refused, ServerUnavailable, dead_server
from amf_ros.ros.client.goal import RunningGoal, SendAgain
from amf_ros.ros.client.ready import seen
from amf_ros.ros.client.waiting import Reply, Waiting, begin
from amf_ros.ros.node.guard import GuardedWaitable
from amf_ros.ros.node.runtime import AmfNode
from amf_ros.ros.start.graph import EVERY_NODE

ANSWER_S = 5.0  # a request that waited for so long may have been lost
CALL_S = 60.0  # the whole call, with every repetition
AWAY_S = 60.0  # for a node to be started again, where the goal can be sent again


class _ActionClient(GuardedWaitable, ActionClient):
    """rclpy's client of an action, which lets no error out."""


class Calls:
    """Calls over one node.

    Args:
        node: that asks.
        waiting: who spins it, and how the caller waits.
        wait_s: how long a server may take to appear, or to be back [s].
    """

    def __init__(self, node: AmfNode, waiting: Waiting, wait_s: float) -> None:
        self.node, self.waiting, self.wait_s = node, waiting, wait_s
        self._services: dict[str, Client] = {}
        self._actions: dict[str, _ActionClient] = {}
        self._pulses: dict[str, Pulse] = {}

    def prepare(
        self, *, services: dict[str, Any] | None = None, actions: dict[str, Any] | None = None
    ) -> None:
        """Make clients by name ahead, so that discovery has begun when they are used.

        Called in the thread that spins.
        """
        for name, service in (services or {}).items():
            self._services[name] = self.node.create_client(service, name)
            self._pulse(name)
        for name, action in (actions or {}).items():
            self._actions[name] = _ActionClient(self.node, action, name, **qos.ACTION)
            self._pulse(name)

    def call(
        self, service: Any, name: str, request: Any, timeout_s: float = CALL_S, answer_s: float = ANSWER_S
    ) -> Any:
        """Return the response of a service. The request is sent again where its answer may have been lost.

        Args:
            service: interface class.
            name: of the service.
            request: one that may be sent twice.
            timeout_s: for the whole call once the service is there [s].
            answer_s: patience with the first request, doubled for each further one [s].

        Raises:
            ServerUnavailable: nobody serves it, or no answer came.
            Refused: the response has an error code.
        """
        self.expect(service, name)
        client, pulse = self._services[name], self._pulses[name]
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            reply = begin(self.waiting, lambda: client.call_async(request))
            until = min(time.monotonic() + answer_s, end)
            while (left := until - time.monotonic()) > 0:
                if self.waiting.until(reply.is_done, min(1.0, left)):
                    return accepted(name, reply.value)
                self.waiting.run(pulse.beat)
                if pulse.silent_s > max(DEAD_S, self.wait_s):
                    raise dead_server(name)
            self.waiting.run(partial(_drop, client, reply))
            answer_s *= 2  # it may only be slow
        raise ServerUnavailable(f"{name} did not answer within {timeout_s:g} s; look at the log of its node")

    def send(self, name: str, request: Any) -> None:
        """Ask without waiting for the answer, for use in a feedback callback, which must not wait.

        The server must be there already; call :meth:`expect` before.
        """
        self._services[name].call_async(request)

    def expect(self, service: Any, name: str) -> None:
        """Return once a service is there. Raises ServerUnavailable where it does not appear in time."""
        if name not in self._services:
            self.waiting.run(lambda: self.prepare(services={name: service}))
            self.waiting.until(lambda: name in self._pulses, self.wait_s)
        self._appear(self._services[name].service_is_ready, name)

    def expect_action(self, action: Any, name: str) -> None:
        """Return once an action is there. Raises ServerUnavailable where it does not appear in time."""
        if name not in self._actions:
            self.waiting.run(lambda: self.prepare(actions={name: action}))
            self.waiting.until(lambda: name in self._pulses, self.wait_s)
        self._appear(self._actions[name].server_is_ready, name)

    def act(
        self,
        action: Any,
        name: str,
        goal: Any,
        feedback: Callable[[Any], None] = lambda message: None,
        *,
        again: SendAgain | None = None,
        away_s: float | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Return the result of an action. Whoever interrupts the wait cancels the goal first.

        A goal that nobody acknowledged is sent again, so it must bear that: give recordings an id.

        Args:
            action: interface class.
            name: of the action.
            goal: to send.
            feedback: called with each feedback message, in the thread that spins.
            again: when the goal may be sent a second time; None = never.
            away_s: how long its node may be away or silent while the goal runs [s]; None = long enough to be
                started again where the goal may be sent again, else until it is certainly dead.
            timeout_s: how long the goal may run [s]; None = however long it takes, while its node lives.

        Raises:
            ServerUnavailable: nobody serves it, its node died, froze or was cut off, or the time is over.
            ServerLost: its node was restarted and does not know the goal any more.
            Refused: the result has an error code.
            Cancelled, KeyboardInterrupt: the wait was interrupted; the goal was cancelled, and of Ctrl-C the
                text says what was kept.
        """
        self.expect_action(action, name)
        away_s = away_s or (DEAD_S if again is None else AWAY_S)
        tell = self.node.guard.of(feedback, f"feedback of {name}")
        running = RunningGoal(
            name, goal, tell, client=self._actions[name], waiting=self.waiting, pulse=self._pulses[name],
            again=again, away_s=away_s,
        )  # fmt: skip
        end = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            running.send()
            while not self.waiting.until(running.ended, 1.0):
                running.look()
                if end is not None and time.monotonic() > end:
                    raise ServerUnavailable(
                        f"{name}: no result within {timeout_s:g} s; look at its node's log"
                    )
        except Cancelled:
            running.cancel()
            raise
        except KeyboardInterrupt as stop:
            running.cancel()
            raise KeyboardInterrupt(getattr(running.result, "error_msg", "")) from stop
        return accepted(name, running.result)

    def pause(self, seconds: float) -> None:
        """Wait. Raises Cancelled."""
        self.waiting.until(lambda: False, seconds)

    def sees(self, nodes: tuple[str, ...], timeout_s: float) -> dict[str, bool]:
        """Tell which of these nodes are in the graph. Returns early when all are there."""
        return seen(self.node, self.waiting.until, nodes, timeout_s)

    def pulse_of(self, name: str) -> Pulse:
        """Return the pulse of the node behind a service or action that was asked before."""
        return self._pulses[name]

    def _pulse(self, name: str) -> None:
        if name not in self._pulses:
            self._pulses[name] = Pulse(self.node, name)
            self.waiting.wake()

    def _appear(self, ready: Callable[[], bool], name: str) -> None:
        if self.waiting.until(ready, self.wait_s):
            return
        where, domain = self.node.resolve_service_name(name), os.environ.get("ROS_DOMAIN_ID", "0")
        others = self._others(name)
        if others:  # a node that is frozen cannot even be seen by whoever comes later
            raise ServerUnavailable(
                f"{where} does not answer in ROS domain {domain}, where {listed(others)} can be seen: "
                "its node hangs, died or was not started; look at its log and at `amf status`"
            )
        raise ServerUnavailable(
            f"nobody serves {where} in ROS domain {domain}; start the graph with `amf up`, "
            "or check ROS_DOMAIN_ID and --namespace"
        )

    def _others(self, name: str) -> list[str]:
        """Return the other nodes of the graph that are there, where ``name`` belongs to one of its nodes."""
        server, known = name.rpartition("/")[0], tuple(node.name for node in EVERY_NODE)
        if server not in known:
            return []
        return [node for node, there in self.sees(known, 0.0).items() if there and node != server]


def accepted(name: str, result: Any) -> Any:
    """Return a response or result without error code, or one whose type has none. Raises Refused."""
    code = int(getattr(result, "error_code", 0))
    if code:
        raise Refused(name, code, result.error_msg, result)
    return result


def _drop(client: Client, reply: Reply) -> None:
    if reply.future is not None:
        client.remove_pending_request(reply.future)
