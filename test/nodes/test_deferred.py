"""Services that threads answer: side by side, and in good order when the node leaves."""

from __future__ import annotations

import threading

from support.nodes import bench

from amf_msgs.srv import NextTask
from amf_ros.ros.deferred import Workers
from amf_ros.ros.runtime import AmfNode

DEADLINE_S = 30


class Slow(AmfNode):
    """Answers when it is let to."""

    def __init__(self, threads: int) -> None:
        super().__init__("slow")
        self.begun, self.may_answer = threading.Semaphore(0), threading.Event()
        self.workers = Workers(self, threads)
        self.workers.serve(NextTask, "ask", self.answer)

    def answer(self, request: NextTask.Request, response: NextTask.Response) -> NextTask.Response:
        self.begun.release()
        assert self.may_answer.wait(DEADLINE_S)
        response.reason = request.strategy
        return response

    def begin_shutdown(self) -> None:
        self.workers.close()

    def busy(self) -> bool:
        return self.workers.busy()


def test_each_caller_gets_its_own_answer() -> None:
    with bench() as made:
        node = made.add(lambda: Slow(4))
        client = made.client.create_client(NextTask, "ask")
        made.until(client.service_is_ready)
        futures = [client.call_async(NextTask.Request(strategy=f"number {i}")) for i in range(4)]
        for _ in futures:  # all four at the same time
            made.until(lambda: node.begun.acquire(blocking=False), "a thread to begin")
        assert not any(future.done() for future in futures)
        node.may_answer.set()
        assert [made.result(future).reason for future in futures] == [f"number {i}" for i in range(4)]
        made.until(lambda: not node.busy(), "the threads to rest")


def test_a_node_that_leaves_answers_what_it_began_and_drops_the_rest() -> None:
    with bench() as made:
        node = made.add(lambda: Slow(1))
        client = made.client.create_client(NextTask, "ask")
        made.until(client.service_is_ready)
        begun, waiting = (client.call_async(NextTask.Request(strategy=name)) for name in ("first", "second"))
        made.until(lambda: node.begun.acquire(blocking=False), "the thread to begin")
        made.until(lambda: len(node.workers._pending) == 2, "the second to wait")
        node.begin_shutdown()
        assert node.busy() and not begun.done()
        node.may_answer.set()
        assert made.result(begun).reason == "first"
        made.until(lambda: not node.busy(), "the thread to rest")
        assert not waiting.done()
