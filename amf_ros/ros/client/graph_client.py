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
from types import TracebackType
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from amf_ros.ros import qos
from amf_ros.ros.client.answers import Refused, ServerLost, ServerUnavailable
from amf_ros.ros.client.calls import Calls
from amf_ros.ros.client.goal import SendAgain
from amf_ros.ros.client.waiting import Spinning
from amf_ros.ros.node.runtime import AmfNode

__all__ = ["GraphClient", "Refused", "SendAgain", "ServerLost", "ServerUnavailable"]

_NUMBERS = itertools.count()  # of the clients in this process


class GraphClient(Calls):
    """Calls over a node of its own, for as long as the ``with`` block lasts.

    Args:
        namespace: of the graph.
        wait_s: how long a server may take to appear [s].
    """

    def __init__(self, namespace: str = "", wait_s: float = 10.0) -> None:
        self._namespace, self.wait_s = namespace, wait_s
        self._context = rclpy.Context()

    def __enter__(self) -> GraphClient:
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        name = f"amf_client_{os.getpid()}_{next(_NUMBERS)}"  # two nodes of one name share a logger
        node = AmfNode(name, namespace=self._namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        super().__init__(node, Spinning(self._executor), self.wait_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._actions.values():
            client.destroy()
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        self._context.destroy()

    def latched(
        self, message: Any, name: str, timeout_s: float = 2.0, profile: QoSProfile = qos.LATCHED
    ) -> Any | None:
        """Return the newest message of a latched topic, or None when none came in time.

        With another ``profile`` it is the next message of a topic that is published again and again.
        """
        got: list[Any] = []
        subscription = self.node.create_subscription(message, name, got.append, profile)
        self.waiting.until(lambda: bool(got), timeout_s)
        self.node.destroy_subscription(subscription)
        return got[-1] if got else None
