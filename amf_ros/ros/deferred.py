"""Services that threads answer, so that the executor stays free and callers do not wait for one another.

    workers = Workers(node, threads=4)
    workers.serve(NextTask, names.NEXT_TASK, answer)      # answer(request, response) -> response, in a thread
    workers.submit(work)

rclpy sends what a service's callback returns, so a callback that computes holds up all others, and one that
awaits makes the events executor spin at full load (``ros/goals.py``). Here the callback returns at once;
what rclpy then wants to send, with the header of its request, is a note that a thread takes up, and the
thread's answer is sent from the executor.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from rclpy.node import Node

from amf_ros.ros.goals import failed

Answer = Callable[[Any, Any], Any]


class Workers:
    """A few threads of one node."""

    def __init__(self, node: Node, threads: int) -> None:
        self._node = node
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"{node.get_name()}-work")
        self._lock = threading.Lock()
        self._pending: set[Future[None]] = set()

    def serve(self, service: Any, name: str, answer: Answer) -> None:
        """Offer a service whose requests are answered in the threads, each as soon as one is free.

        An error that ``answer`` lets out is told to its caller as UNKNOWN: the response type needs
        ``error_code`` and ``error_msg``.
        """
        made: Any = self._node.create_service(service, name, lambda request, response: (request, response))
        send = made.send_response
        # The one place where rclpy hands out the header that an answer needs.
        made.send_response = lambda asked, header: self.submit(
            partial(self._respond, answer, asked, partial(send, header=header))
        )

    def submit(self, work: Callable[[], object]) -> None:
        """Run ``work`` in a thread; nothing once the workers are closed."""
        try:
            future = self._pool.submit(_told, work)
        except RuntimeError:  # closed: whoever asked asks again, elsewhere
            return
        with self._lock:
            self._pending.add(future)
        future.add_done_callback(self._ended)

    def busy(self) -> bool:
        """Whether a thread is at work or has work waiting."""
        return bool(self._pending)

    def close(self) -> None:
        """Take no more work, and forget what no thread has begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)

    def _respond(self, answer: Answer, asked: tuple[Any, Any], send: Callable[[Any], None]) -> None:
        request, response = asked
        try:
            response = answer(request, response)
        except Exception as error:  # noqa: BLE001 - the service stays up, whatever a strategy raises
            traceback.print_exc()
            response = failed(type(response)(), (), error)
        if self._node.executor is not None:
            self._node.executor.create_task(send, response)


def _told(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:  # noqa: BLE001 - a thread has nobody to tell but the log
        traceback.print_exc()
