"""Calls to the running graph from a plain program, in the calling thread, with deadlines.

Hides rclpy: an answer with an error code becomes a :class:`Refused` that carries it, a server that does
not answer a :class:`ServerUnavailable`; Ctrl-C while a goal runs cancels the goal first.

    with GraphClient() as graph:
        answer = graph.call(NextTask, names.NEXT_TASK, NextTask.Request(num_tasks=3))
        result = graph.act(FineTune, names.FINE_TUNE, FineTune.Goal(), feedback=print)
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from amf_ros.errors import AmfError
from amf_ros.ros import qos

_SPIN_S = 0.05
_ATTEMPT_S = 5.0  # a request that was sent before the server was matched may never be answered
_ATTEMPTS = 4
_CANCEL_S = 20.0  # for a cancelled goal to wind down and answer
_NUMBERS = itertools.count()  # of the clients in this process


class ServerUnavailable(AmfError):
    """A service or action does not answer; names it and how to start its node."""


class Refused(AmfError):
    """A node answered with an error code.

    Attributes:
        code: as in the interface's definition.
        result: the whole response or result.
    """

    def __init__(self, name: str, code: int, message: str, result: Any) -> None:
        self.name, self.code, self.result = name, code, result
        super().__init__(message or f"{name} answered with error code {code}")


class GraphClient:
    """A node of one's own for as long as the ``with`` block lasts.

    Args:
        namespace: of the graph.
        wait_s: how long a server may take to appear [s].
    """

    def __init__(self, namespace: str = "", wait_s: float = 10.0) -> None:
        self._namespace, self._wait_s = namespace, wait_s
        self._context = rclpy.Context()

    def __enter__(self) -> GraphClient:
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        name = f"amf_client_{os.getpid()}_{next(_NUMBERS)}"  # two nodes of one name share a logger
        self._node = rclpy.create_node(name, namespace=self._namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._actions: dict[str, ActionClient] = {}
        self._services: dict[str, Any] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._actions.values():
            client.destroy()
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def call(self, service: Any, name: str, request: Any, timeout_s: float = 60.0) -> Any:
        """The response of a service; asked again where an answer was lost, so the request must be idempotent.

        Raises:
            ServerUnavailable: nobody serves it, or no answer came within ``timeout_s``.
            Refused: the response has an error code.
        """
        self.expect(service, name)
        client = self._services[name]
        end = time.monotonic() + timeout_s
        patience = _ATTEMPT_S
        while time.monotonic() < end:
            future = client.call_async(request)
            if self._spin_until(future.done, min(patience, end - time.monotonic())):
                return _accepted(name, future.result())
            client.remove_pending_request(future)
            patience *= 2  # it may only be slow
        raise ServerUnavailable(f"{name} did not answer within {timeout_s:g} s; look at the log of its node")

    def send(self, name: str, request: Any) -> None:
        """Ask without waiting for the answer, for use in a feedback callback, which must not spin.

        The server must be there already; call :meth:`expect` before.
        """
        self._services[name].call_async(request)

    def expect(self, service: Any, name: str) -> None:
        """Return once a service is there.

        Raises:
            ServerUnavailable: nobody serves it.
        """
        if name not in self._services:
            self._services[name] = self._node.create_client(service, name)
        self._appear(self._services[name].service_is_ready, name)

    def act(
        self,
        action: Any,
        name: str,
        goal: Any,
        feedback: Callable[[Any], None] = lambda message: None,
        silence_s: float | None = None,
        busy_code: int = 0,
    ) -> Any:
        """The result of an action. Ctrl-C cancels the goal and waits for its end.

        A goal that nobody acknowledged is sent again, so it must bear that: give recordings an id.

        Args:
            action: interface class.
            name: of the action.
            goal: to send.
            feedback: called with each feedback message.
            silence_s: where the goal may be sent again: do so when nothing was heard for so long, because
                the server may have died and come back [s]. None: wait however long it takes.
            busy_code: the error code of a server that still works on the first one.

        Raises:
            ServerUnavailable: nobody serves it.
            Refused: the result has an error code.
        """
        client = self._actions.get(name)
        if client is None:
            client = self._actions[name] = ActionClient(self._node, action, name)
        self._appear(client.server_is_ready, name)
        running = _Running(self, client, name, goal, feedback)
        try:
            running.send()
            while not self._spin_until(running.ended, 1.0):
                if silence_s is not None and time.monotonic() - running.heard_s > silence_s:
                    running.send(busy_code)
        except KeyboardInterrupt as stop:
            running.cancel(_CANCEL_S)
            raise KeyboardInterrupt(getattr(running.result, "error_msg", "")) from stop  # what was kept
        return _accepted(name, running.result)

    def latched(self, message: Any, name: str, timeout_s: float = 2.0) -> Any | None:
        """The newest message of a latched topic, or None when none came in time."""
        got: list[Any] = []
        subscription = self._node.create_subscription(message, name, got.append, qos.LATCHED)
        self._spin_until(lambda: bool(got), timeout_s)
        self._node.destroy_subscription(subscription)
        return got[-1] if got else None

    def sees(self, nodes: tuple[str, ...], timeout_s: float) -> dict[str, bool]:
        """Which of these nodes are in the graph, told by their parameter services.

        Node names travel in messages of their own, which came seconds later than the services on busy cores.
        Returns early when all are there, and after a quarter of the time [s] when none is.
        """
        home = self._node.get_namespace().rstrip("/")
        wanted = {f"{home}/{name}/get_parameters": name for name in nodes}

        def found() -> set[str]:
            return {wanted[name] for name, _ in self._node.get_service_names_and_types() if name in wanted}

        if self._spin_until(lambda: bool(found()), timeout_s / 4):
            self._spin_until(lambda: len(found()) == len(nodes), timeout_s * 3 / 4)
        there = found()
        return {name: name in there for name in nodes}

    def _appear(self, ready: Callable[[], bool], name: str) -> None:
        if not self._spin_until(ready, self._wait_s):
            where = self._node.resolve_service_name(name)
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            raise ServerUnavailable(
                f"nobody serves {where} in ROS domain {domain}; start the graph with `amf up`, "
                "or check ROS_DOMAIN_ID and --namespace"
            )

    def _spin_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(_SPIN_S, left))
        return True


class _Running:
    """One goal, and the same goal again where the server was replaced."""

    def __init__(
        self, graph: GraphClient, client: ActionClient, name: str, goal: Any, feedback: Callable[[Any], None]
    ) -> None:
        self._graph, self._client, self._name, self._goal, self._feedback = (
            graph,
            client,
            name,
            goal,
            feedback,
        )
        self._handles: list[Any] = []
        self._results: list[Future] = []
        self.heard_s = time.monotonic()
        self.result: Any = None

    def send(self, busy_code: int = 0) -> None:
        """Send the goal; an answer with ``busy_code`` means that the earlier one still runs."""
        for _ in range(_ATTEMPTS):
            self.heard_s = time.monotonic()
            sending = self._client.send_goal_async(self._goal, feedback_callback=self._heard)
            if self._graph._spin_until(sending.done, _ATTEMPT_S):
                break
            if self._handles:
                return  # the server is away; there will be another silence
        else:
            raise ServerUnavailable(f"{self._name} did not answer; look at the log of its node")
        handle = sending.result()
        if not handle.accepted:
            raise ServerUnavailable(f"{self._name} refused the goal; look at the log of its node")
        future = handle.get_result_async()
        future.add_done_callback(lambda done: self._finished(done, busy_code))
        self._handles.append(handle)
        self._results.append(future)

    def ended(self) -> bool:
        """Whether there is a result."""
        return self.result is not None

    def cancel(self, timeout_s: float) -> None:
        """Ask every goal to end and wait for the newest one's result."""
        for handle in self._handles:
            handle.cancel_goal_async()
        self._graph._spin_until(self.ended, timeout_s)

    def _heard(self, message: Any) -> None:
        self.heard_s = time.monotonic()
        self._feedback(message.feedback)

    def _finished(self, future: Future, busy_code: int) -> None:
        result = future.result().result
        if not (busy_code and result.error_code == busy_code):
            self.result = result


def _accepted(name: str, result: Any) -> Any:
    """A response without error code, or one whose type has none."""
    code = int(getattr(result, "error_code", 0))
    if code:
        raise Refused(name, code, result.error_msg, result)
    return result
