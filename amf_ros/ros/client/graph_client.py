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
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from amf_ros.core.errors import listed
from amf_ros.ros import qos
from amf_ros.ros.client.answers import DEAD_S, Pulse, Refused, ServerLost, ServerUnavailable, result_of
from amf_ros.ros.start.graph import NODES

__all__ = ["GraphClient", "Refused", "ServerLost", "ServerUnavailable"]

_SPIN_S = 0.05
_ATTEMPT_S = 5.0  # a request that was sent before the server was matched may never be answered
_ATTEMPTS = 4
_CANCEL_S = 20.0  # for a cancelled goal to wind down and answer
_AWAY_S = 60.0  # for a node to be started again, where the goal can be sent again
_POLL_S = (2.0, 10.0)  # how often a running goal is asked for its result: at first, and later
_NUMBERS = itertools.count()  # of the clients in this process


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
        self._pulses: dict[str, Pulse] = {}
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
        client, pulse = self._services[name], self._pulse(name)
        end = time.monotonic() + timeout_s
        patience = _ATTEMPT_S
        while time.monotonic() < end:
            future = client.call_async(request)
            until = min(time.monotonic() + patience, end)
            while time.monotonic() < until:
                if self._spin_until(future.done, min(1.0, until - time.monotonic())):
                    return _accepted(name, future.result())
                pulse.beat()
                if pulse.silent_s > DEAD_S:
                    raise self._dead(name)
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
            self._services[name] = self._node.create_client(service, name, qos_profile=qos.SERVICE)
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
            ServerUnavailable: nobody serves it, or its node died, froze or was cut off.
            ServerLost: its node was restarted and does not know the goal any more.
            Refused: the result has an error code.
        """
        client = self._actions.get(name)
        if client is None:
            client = self._actions[name] = ActionClient(self._node, action, name, **qos.ACTION)
        self._appear(client.server_is_ready, name)
        running = _Running(self, client, name, goal, feedback, busy_code)
        away_s = DEAD_S if silence_s is None else _AWAY_S
        try:
            running.send()
            while not self._spin_until(running.ended, 1.0):
                running.look()
                if running.silent_s > away_s:
                    raise self._dead(name)
                if silence_s is None and running.lost is not None:
                    raise running.lost
                silent = silence_s is not None and time.monotonic() - running.heard_s > silence_s
                if running.lost is not None or silent:
                    running.send(again=True)
        except KeyboardInterrupt as stop:
            running.cancel(_CANCEL_S)
            raise KeyboardInterrupt(getattr(running.result, "error_msg", "")) from stop  # what was kept
        return _accepted(name, running.result)

    def _pulse(self, name: str) -> Pulse:
        if name not in self._pulses:
            self._pulses[name] = Pulse(self._node, name)
        return self._pulses[name]

    def _dead(self, name: str) -> ServerUnavailable:
        node = name.rpartition("/")[0]
        return ServerUnavailable(
            f"{name}: node {node} stopped answering; it died, hangs, or the link is cut: look at its log, "
            "then ask again (what was finished is kept)"
        )

    def latched(
        self, message: Any, name: str, timeout_s: float = 2.0, profile: QoSProfile = qos.LATCHED
    ) -> Any | None:
        """The newest message of a latched topic, or None when none came in time.

        With another ``profile`` it is the next message of a topic that is published again and again.
        """
        got: list[Any] = []
        subscription = self._node.create_subscription(message, name, got.append, profile)
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
            # By count: the list of services also names those that somebody only asks for.
            return {name for full, name in wanted.items() if self._node.count_services(full)}

        if self._spin_until(lambda: bool(found()), timeout_s / 4):
            self._spin_until(lambda: len(found()) == len(nodes), timeout_s * 3 / 4)
        there = found()
        return {name: name in there for name in nodes}

    def _appear(self, ready: Callable[[], bool], name: str) -> None:
        if not self._spin_until(ready, self._wait_s):
            where = self._node.resolve_service_name(name)
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
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
        """The graph's other nodes that are there, where ``name`` belongs to one of the graph's nodes."""
        server, known = name.rpartition("/")[0], tuple(node.name for node in NODES)
        if server not in known:
            return []
        return [node for node, there in self.sees(known, 0.0).items() if there and node != server]

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
        self,
        graph: GraphClient,
        client: ActionClient,
        name: str,
        goal: Any,
        feedback: Callable[[Any], None],
        busy_code: int,
    ) -> None:
        self._graph, self._client, self._name = graph, client, name
        self._goal, self._feedback, self._busy_code = goal, feedback, busy_code
        self._handles: list[Any] = []
        self._ask_s, self._poll_s = 0.0, _POLL_S[0]
        self.pulse = graph._pulse(name)
        self.heard_s = self._there_s = time.monotonic()
        self.lost: ServerLost | None = None
        self.result: Any = None

    def send(self, *, again: bool = False) -> None:
        """Send the goal; once more, an answer with the busy code means that the earlier one still runs."""
        self.lost = None
        for _ in range(_ATTEMPTS):
            self.heard_s = time.monotonic()
            self.pulse.beat()  # at once: a node that dies in its first second was heard before
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
        self._handles.append(handle)
        self._ask(handle, again)

    def look(self) -> None:
        """Feel the node's pulse, and ask for the result again: after a restart nobody knows the goal."""
        self.pulse.beat()
        if self._client.server_is_ready():
            self._there_s = time.monotonic()
        if self._handles and time.monotonic() - self._ask_s > self._poll_s:
            self._poll_s = min(1.5 * self._poll_s, _POLL_S[1])
            self._ask(self._handles[-1], len(self._handles) > 1)

    @property
    def silent_s(self) -> float:
        """How long the node has answered nothing, or was not in the graph [s]."""
        return max(self.pulse.silent_s, time.monotonic() - self._there_s)

    def ended(self) -> bool:
        """Whether there is a result."""
        return self.result is not None

    def cancel(self, timeout_s: float) -> None:
        """Ask every goal to end and wait for the newest one's result, as long as its node lives."""
        for handle in self._handles:
            handle.cancel_goal_async()
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not self._graph._spin_until(self.ended, 1.0):
            self.pulse.beat()
            if self.lost is not None or self.pulse.silent_s > _ATTEMPT_S:
                return

    def _ask(self, handle: Any, again: bool) -> None:
        self._ask_s = time.monotonic()
        handle.get_result_async().add_done_callback(lambda done: self._answered(done, handle, again))

    def _heard(self, message: Any) -> None:
        self.heard_s = time.monotonic()
        self._feedback(message.feedback)

    def _answered(self, future: Future, handle: Any, again: bool) -> None:
        try:
            result = result_of(self._name, future.result())
        except ServerLost as error:
            if handle is self._handles[-1]:
                self.lost = error
            return
        if not (again and self._busy_code and result.error_code == self._busy_code):
            self.result = result


def _accepted(name: str, result: Any) -> Any:
    """A response without error code, or one whose type has none."""
    code = int(getattr(result, "error_code", 0))
    if code:
        raise Refused(name, code, result.error_msg, result)
    return result
