"""Callbacks that wait in threads of their own: side by side, up to a number, and the others go on."""

from __future__ import annotations

import threading

from std_srvs.srv import Trigger
from support.deadline import DEADLINE_S
from support.nodes import bench

from amf_msgs.srv import NextTask
from amf_ros.ros.node.groups import SPARE, LimitedGroup
from amf_ros.ros.node.runtime import AmfNode


class Slow(AmfNode):
    """Answers when it is let to."""

    def __init__(self, most: int) -> None:
        super().__init__("slow")
        self.threads = most + SPARE
        self.begun, self.may_answer = threading.Semaphore(0), threading.Event()
        self.group = LimitedGroup(most)
        self.create_service(NextTask, "ask", self.answer, callback_group=self.group)
        self.create_service(Trigger, "quick", lambda _, response: response)

    def answer(self, request: NextTask.Request, response: NextTask.Response) -> NextTask.Response:
        self.begun.release()
        assert self.may_answer.wait(DEADLINE_S)
        response.reason = request.strategy
        return response


def test_callers_wait_side_by_side_and_get_their_own_answers() -> None:
    with bench() as made:
        node = made.add(lambda: Slow(4))
        client = made.client.create_client(NextTask, "ask")
        made.until(client.service_is_ready)
        futures = [client.call_async(NextTask.Request(strategy=f"number {i}")) for i in range(4)]
        for _ in futures:  # all four at the same time
            made.until(lambda: node.begun.acquire(blocking=False), "a thread to begin")
        assert node.group.active == 4 and not any(future.done() for future in futures)
        node.may_answer.set()
        assert [made.result(future).reason for future in futures] == [f"number {i}" for i in range(4)]
        made.until(lambda: node.group.active == 0, "the threads to rest")


def test_more_callers_than_room_wait_and_others_are_served_meanwhile() -> None:
    with bench() as made:
        node = made.add(lambda: Slow(2))
        client = made.client.create_client(NextTask, "ask")
        made.until(client.service_is_ready)
        futures = [client.call_async(NextTask.Request(strategy=f"number {i}")) for i in range(6)]
        for _ in range(2):
            made.until(lambda: node.begun.acquire(blocking=False), "a thread to begin")
        for _ in range(10):
            made.call(Trigger, "quick", Trigger.Request())
        assert node.group.active == 2 and not node.begun.acquire(blocking=False)
        node.may_answer.set()
        assert [made.result(future).reason for future in futures] == [f"number {i}" for i in range(6)]
