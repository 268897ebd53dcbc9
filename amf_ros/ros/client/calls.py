"""Blocking calls of services and actions from a worker thread, while the node spins in another one.

    calls = Calls(node, should_stop)
    response = calls.service(client, request)
    result = calls.action(client, goal, on_feedback)

A request sent before its server is matched may never be answered, and a dead server never answers: so
every wait has a deadline, unanswered requests are dropped and sent again (servers are idempotent), and a
running action is asked for its result now and then: a server that was restarted does not know the goal.
Whether a node still works is told by its pulse (``answers.py``), not by discovery.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.action import ActionClient
from rclpy.client import Client
from rclpy.task import Future

from amf_ros.core.errors import Cancelled
from amf_ros.ros import qos
from amf_ros.ros.client.answers import Pulse, ServerUnavailable, result_of
from amf_ros.ros.node.guard import GuardedWaitable
from amf_ros.ros.node.runtime import AmfNode

ANSWER_S = 5.0  # then a request counts as lost
POLL_S = 2.0  # then by and by more seldom
_SELDOM_S = 10.0
_SLICE_S = 0.1


class Action(GuardedWaitable, ActionClient):
    """A client of an action that knows its name and its node's pulse."""

    def __init__(self, node: AmfNode, action: Any, name: str) -> None:
        self.name, self.pulse = name, Pulse(node, name)
        super().__init__(node, action, name, **qos.ACTION)


class Calls:
    """Calls over one node.

    Args:
        node: spun by another thread.
        should_stop: asked while waiting; a running goal is cancelled then.
        server_timeout_s: how long a server may be away, restarting [s].
        step_timeout_s: how long one goal may run [s].
    """

    def __init__(
        self,
        node: AmfNode,
        should_stop: Callable[[], bool] = lambda: False,
        server_timeout_s: float = 60.0,
        step_timeout_s: float = 1800.0,
    ) -> None:
        self._node, self._should_stop = node, should_stop
        self._server_timeout_s, self._step_timeout_s = server_timeout_s, step_timeout_s

    def service(self, client: Client, request: Any, answer_s: float = ANSWER_S) -> Any:
        """The response. Raises ServerUnavailable, Cancelled."""
        end = time.monotonic() + self._server_timeout_s
        while True:
            self._wait_for(client.service_is_ready, client.srv_name, end)
            reply = self._begin(lambda: client.call_async(request))
            if self._wait(reply, answer_s):
                return reply.value
            self._run(partial(_drop, client, reply))
            if time.monotonic() > end:
                raise self._unavailable(client.srv_name)

    def action(self, client: Action, goal: Any, on_feedback: Callable[[Any], None] = lambda _: None) -> Any:
        """The result; the caller reads its error code.

        Raises:
            ServerUnavailable: the server is away or silent for too long.
            ServerLost: it was restarted while the goal ran, or ended it without a result.
            Cancelled: ``should_stop`` said so; the goal was cancelled.
        """
        handle = self._send(client, goal, on_feedback)
        name, end = client.name, time.monotonic() + self._step_timeout_s
        alive, poll_s = time.monotonic(), POLL_S
        replies = []
        while time.monotonic() < end:
            replies.append(self._begin(handle.get_result_async))
            self._run(client.pulse.beat)
            try:
                self._wait_any(replies, poll_s)
            except Cancelled:
                self._cancel(handle, replies)
                raise
            for reply in replies:
                if reply.event.is_set():
                    return result_of(name, reply.value)
            if client.server_is_ready() and client.pulse.silent_s < 2 * poll_s:
                alive = time.monotonic()
            elif time.monotonic() - alive > self._server_timeout_s:
                raise self._unavailable(name)
            poll_s = min(1.5 * poll_s, _SELDOM_S)
        raise ServerUnavailable(
            f"{name}: no result within {self._step_timeout_s:g} s; look at its node's log"
        )

    def expect(self, client: Action) -> None:
        """Return once an action is served. Raises ServerUnavailable, Cancelled."""
        self._wait_for(client.server_is_ready, client.name, time.monotonic() + self._server_timeout_s)

    def pause(self, seconds: float) -> None:
        """Wait. Raises Cancelled."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check_stop()
            time.sleep(min(_SLICE_S, seconds))

    def _send(self, client: Action, goal: Any, on_feedback: Callable[[Any], None]) -> Any:
        end = time.monotonic() + self._server_timeout_s

        def heard(message: Any) -> None:
            on_feedback(message.feedback)

        def send() -> Future:
            return client.send_goal_async(goal, self._node.guard.of(heard, f"feedback of {client.name}"))

        while True:
            self._wait_for(client.server_is_ready, client.name, end)
            reply = self._begin(send)
            if self._wait(reply, ANSWER_S) and reply.value.accepted:
                return reply.value
            if time.monotonic() > end:
                raise self._unavailable(client.name)

    def _cancel(self, handle: Any, replies: list[_Reply]) -> None:
        """Ask for it, and give the server a moment to leave the goal in good order."""
        self._run(handle.cancel_goal_async)
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end and not any(reply.event.wait(_SLICE_S) for reply in replies):
            pass

    def _wait_for(self, ready: Callable[[], bool], name: str, end: float) -> None:
        while not ready():
            self._check_stop()
            if time.monotonic() > end:
                raise self._unavailable(name)
            time.sleep(0.02)

    def _unavailable(self, name: str) -> ServerUnavailable:
        waited = f"{self._server_timeout_s:g} s"
        return ServerUnavailable(
            f"{name} did not answer within {waited}: is its node running in this namespace?"
        )

    def _begin(self, make: Callable[[], Future]) -> _Reply:
        """Send from the executor's thread, so that no answer can overtake its own request."""
        reply = _Reply()

        def send() -> None:
            reply.future = make()
            reply.future.add_done_callback(reply.set)

        self._run(send)
        return reply

    def _run(self, work: Callable[[], Any]) -> None:
        def task() -> None:
            work()  # and nothing returned: rclpy would wait for a future

        self._node.post(task)

    def _wait(self, reply: _Reply, timeout_s: float) -> bool:
        return self._wait_any([reply], timeout_s)

    def _wait_any(self, replies: list[_Reply], timeout_s: float) -> bool:
        """The newest is waited for; an older one that arrives is seen within a slice."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if replies[-1].event.wait(_SLICE_S) or any(reply.event.is_set() for reply in replies):
                return True
            self._check_stop()
        return False

    def _check_stop(self) -> None:
        if self._should_stop():
            raise Cancelled("stopped while waiting for the graph; what is finished is kept")


class _Reply:
    def __init__(self) -> None:
        self.event = threading.Event()
        self.future: Future | None = None
        self.value: Any = None

    def set(self, future: Future) -> None:
        if not future.cancelled() and future.exception() is None:
            self.value = future.result()
            self.event.set()


def _drop(client: Client, reply: _Reply) -> None:
    if reply.future is not None:
        client.remove_pending_request(reply.future)
