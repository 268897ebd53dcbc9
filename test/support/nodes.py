"""One node under test, in this process, and a client that asks it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.action import ActionClient
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.task import Future

from amf_ros.ros import qos
from amf_ros.ros.node.executors import make_executor
from amf_ros.ros.node.runtime import AmfNode
from support.deadline import DEADLINE_S


class Bench:
    """Spins the nodes under test and its own client node until what is waited for has come."""

    def __init__(self) -> None:
        self.client = Node("client", use_global_arguments=False)
        self.executor = EventsExecutor()
        self.executor.add_node(self.client)
        self.nodes: list[AmfNode] = []
        self._clients: dict[str, Any] = {}
        self._threaded: list[Threaded] = []

    def add(self, make: Callable[[], AmfNode]) -> Any:
        node = make()
        if node.threads > 1:
            self._threaded.append(Threaded(node))
        else:
            self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def until(self, done: Callable[[], bool], what: str = "", timeout_s: float = DEADLINE_S) -> None:
        end = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end, f"waited {timeout_s} s for {what or done}"
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, service: Any, name: str, request: Any) -> Any:
        if name not in self._clients:
            self._clients[name] = self.client.create_client(service, name)
        client = self._clients[name]
        self.until(client.service_is_ready, name)
        return self.result(client.call_async(request))

    def send(self, action: Any, name: str, goal: Any, feedback: Callable[[Any], None] | None = None) -> Sent:
        if name not in self._clients:
            self._clients[name] = ActionClient(self.client, action, name)
        client = self._clients[name]
        self.until(client.server_is_ready, name)
        heard = (lambda message: feedback(message.feedback)) if feedback else None
        return Sent(self, self.result(client.send_goal_async(goal, heard)))

    def act(self, action: Any, name: str, goal: Any) -> Any:
        return self.send(action, name, goal).result()

    def result(self, future: Future) -> Any:
        self.until(future.done, "an answer")
        return future.result()

    def listen(self, type_: Any, name: str, latched: bool = False) -> list[Any]:
        heard: list[Any] = []
        profile = qos.LATCHED if latched else qos.STREAM
        self.client.create_subscription(type_, name, heard.append, profile)
        return heard

    def close(self) -> None:
        for node in self.nodes:
            node.begin_shutdown()
        self.until(lambda: not any(node.busy() for node in self.nodes), "nodes to wind down")
        self.executor.shutdown()
        for threaded in self._threaded:
            threaded.stop()
        for node in (*self.nodes, self.client):
            for action in list(node.waitables):  # destroy_node passes them over; each keeps the participant
                action.destroy()
            node.destroy_node()


class Threaded:
    """A node whose callbacks wait: spun beside the others, by the executor that it has in production."""

    def __init__(self, node: AmfNode) -> None:
        self._executor = make_executor(node.threads)
        self._executor.add_node(node)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(DEADLINE_S)
        self._executor.shutdown()

    def _spin(self) -> None:
        while not self._over.is_set():
            self._executor.spin_once(timeout_sec=0.05)


class Sent:
    """A goal on its way."""

    def __init__(self, bench: Bench, handle: Any) -> None:
        self._bench, self._handle = bench, handle
        self._future = handle.get_result_async()
        self.status = 0

    @property
    def done(self) -> bool:
        return bool(self._future.done())

    def result(self) -> Any:
        answer = self._bench.result(self._future)
        self.status = answer.status
        return answer.result

    def cancel(self) -> Any:
        return self._bench.result(self._handle.cancel_goal_async())


@contextmanager
def bench(**parameters: Any) -> Iterator[Bench]:
    """A bench whose nodes get these ROS parameters; ``__`` stands for the dot of a nested one."""
    words = ["--ros-args", "--log-level", "error", *(str(word) for word in parameters.pop("ros_args", ()))]
    for name, value in parameters.items():
        words += ["-p", f"{name.replace('__', '.')}:={json.dumps(value)}"]
    rclpy.init(args=["test", *words])
    try:
        made = Bench()
        try:
            yield made
        finally:
            made.close()
    finally:
        rclpy.try_shutdown()
