"""How a caller waits for the graph: it spins the executor itself, or another thread does.

``Calls`` sends and waits through one of these two, so that a plain program and a node's worker thread run the
same code.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.executors import Executor
from rclpy.task import Future

from amf_ros.core.errors import Cancelled
from amf_ros.ros.node.runtime import AmfNode

_SLICE_S = 0.1
_SPIN_S = 0.05


class Reply:
    """What was sent and is answered some time: ``value`` is the answer once ``done`` is true."""

    def __init__(self) -> None:
        self.future: Future | None = None
        self.value: Any = None
        self.done = False

    def is_done(self) -> bool:
        """Tell whether the answer is there."""
        return self.done


class Waiting(Protocol):
    """Sends in the executor's thread, and waits in the caller's."""

    def run(self, work: Callable[[], object]) -> None:
        """Run ``work`` in the thread that spins, so that no answer can overtake its own request."""

    def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until ``done`` and return True, or return False after ``timeout_s``.

        Raises:
            Cancelled: the caller's node was told to stop.
            KeyboardInterrupt: the person at the terminal pressed Ctrl-C.
        """

    def wake(self) -> None:
        """Look at ``done`` again at once; called in the thread that spins when something was answered."""


def begin(waiting: Waiting, make: Callable[[], Future]) -> Reply:
    """Send something from the thread that spins; the reply is done once its answer is there."""
    reply = Reply()

    def answered(future: Future) -> None:
        if not future.cancelled() and future.exception() is None:
            reply.value, reply.done = future.result(), True
            waiting.wake()

    def send() -> None:
        reply.future = make()
        reply.future.add_done_callback(answered)

    waiting.run(send)
    return reply


class Spinning:
    """A plain program's way: the calling thread spins the executor while it waits."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def run(self, work: Callable[[], object]) -> None:
        """Run ``work`` now: this is the thread that spins."""
        work()

    def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """See :class:`Waiting`."""
        end = time.monotonic() + timeout_s
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(_SPIN_S, left))
        return True

    def wake(self) -> None:
        """Do nothing: the executor returns after each callback."""


class InWorkerThread:
    """A node's way: its executor spins elsewhere, and a worker thread waits for news of it."""

    def __init__(self, node: AmfNode, should_stop: Callable[[], bool]) -> None:
        self._node, self._should_stop = node, should_stop
        self._news = threading.Event()

    def run(self, work: Callable[[], object]) -> None:
        """Hand ``work`` to the executor."""

        def task() -> None:
            work()  # and nothing returned: rclpy would wait for a future

        self._node.post(task)

    def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """See :class:`Waiting`."""
        end = time.monotonic() + timeout_s
        while True:
            self._news.clear()
            if done():
                return True
            if self._should_stop():
                raise Cancelled("stopped while waiting for the graph; what is finished is kept")
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._news.wait(min(_SLICE_S, left))

    def wake(self) -> None:
        """See :class:`Waiting`."""
        self._news.set()
