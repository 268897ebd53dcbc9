"""Many callers of the next-task service at once: is every question answered, and how long does it take?

    python benchmarks/callers.py [--callers 50] [--seconds 60] [--processes 4] [--depth 1000] [--json]

Each caller is a ROS node with a client of its own; it asks a question that nobody asked before, waits for the
answer and asks the next. A question without an answer after ``--deadline`` seconds is lost. The limit is a
bare rclpy service that answers the same at once: what then is left is ROS and the machine. ``--depth 10``
shows what callers with rclpy's usual queue lose.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from next_task_latency import prepare
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from amf_msgs.msg import TaskScore
from amf_msgs.srv import NextTask
from amf_ros.ros import names, qos
from amf_ros.ros.start.supervise import Graph

BATCH = 3
CHECK_S = 0.2


class Caller:
    """One node that asks, and asks again as soon as it is answered."""

    def __init__(self, number: int, context: Any, depth: int, strategy: str, deadline_s: float) -> None:
        self.node = Node(f"caller_{number}", context=context, start_parameter_services=False)
        self._client = self.node.create_client(NextTask, names.NEXT_TASK, qos_profile=QoSProfile(depth=depth))
        self._strategy, self._deadline_s, self._seed = strategy, deadline_s, number * 1_000_000
        self._future: Any = None
        self._asked_s = 0.0
        self.seconds: list[float] = []
        self.asked = self.lost = self.refused = 0
        self.go_on = True

    def ready(self) -> bool:
        """Whether the service is there."""
        return bool(self._client.service_is_ready())

    def ask(self) -> None:
        """Send the next question."""
        self._seed, self.asked, self._asked_s = self._seed + 1, self.asked + 1, time.perf_counter()
        request = NextTask.Request(num_tasks=BATCH, strategy=self._strategy, seed=self._seed)
        self._future = self._client.call_async(request)
        self._future.add_done_callback(self._answered)

    def check(self) -> None:
        """Count an answer that does not come as lost, and go on."""
        if self._future is not None and time.perf_counter() - self._asked_s > self._deadline_s:
            self._client.remove_pending_request(self._future)
            self._future, self.lost = None, self.lost + 1
            if self.go_on:
                self.ask()

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return self._future is not None

    def _answered(self, future: Any) -> None:
        if future is not self._future:
            return
        self.seconds.append(time.perf_counter() - self._asked_s)
        self.refused += bool(future.result().error_code)
        self._future = None
        if self.go_on:
            self.ask()


def call(first: int, count: int, asked: argparse.Namespace, strategy: str) -> dict[str, Any]:
    """Some of the callers, in a process of their own."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    executor = SingleThreadedExecutor(context=context)
    callers = [
        Caller(number, context, asked.depth, strategy, asked.deadline)
        for number in range(first, first + count)
    ]
    for caller in callers:
        executor.add_node(caller.node)
    _spin(executor, lambda: not all(caller.ready() for caller in callers), 60.0)
    for caller in callers:
        caller.ask()
    _spin(executor, lambda: True, asked.seconds, callers)
    for caller in callers:
        caller.go_on = False
    _spin(executor, lambda: any(caller.waiting for caller in callers), asked.deadline + 1, callers)
    executor.shutdown()
    for caller in callers:
        caller.node.destroy_node()
    rclpy.try_shutdown(context=context)
    return {
        "asked": sum(caller.asked for caller in callers),
        "lost": sum(caller.lost for caller in callers),
        "refused": sum(caller.refused for caller in callers),
        "seconds": [second for caller in callers for second in caller.seconds],
    }


def _spin(
    executor: Any, wanted: Callable[[], bool], timeout_s: float, callers: Sequence[Caller] = ()
) -> None:
    end = time.monotonic() + timeout_s
    checked = time.monotonic()
    while wanted() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
        if time.monotonic() - checked > CHECK_S:
            checked = time.monotonic()
            for caller in callers:
                caller.check()


def serve(task_ids: list[str]) -> None:
    """A service that answers at once, with as many scores: the limit."""
    rclpy.init(args=[])
    node = rclpy.create_node("bare")
    scores = [TaskScore(task_id=task_id, reason="bare") for task_id in task_ids]

    def answer(_: Any, response: Any) -> Any:
        response.task_ids, response.scores, response.strategy = task_ids[:BATCH], scores, "bare"
        return response

    node.create_service(NextTask, names.NEXT_TASK, answer, qos_profile=qos.SERVICE)
    rclpy.spin(node)


@contextmanager
def bare(task_ids: list[str], domain: int) -> Iterator[None]:
    os.environ.update(ROS_DOMAIN_ID=str(domain), ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(task_ids,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def ask_all(asked: argparse.Namespace, strategy: str) -> dict[str, Any]:
    """Every caller's questions, together."""
    shares = [len(part) for part in np.array_split(np.arange(asked.callers), asked.processes)]
    starts = np.cumsum([0, *shares[:-1]])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.processes, mp_context=spawn) as pool:
        parts = [pool.submit(call, int(at), n, asked, strategy) for at, n in zip(starts, shares) if n]
        told = [part.result() for part in parts]
    ms = np.array([second for part in told for second in part["seconds"]]) * 1e3
    row = {name: sum(part[name] for part in told) for name in ("asked", "lost", "refused")}
    percentiles = {"median_ms": 0.5, "p99_ms": 0.99, "worst_ms": 1.0}
    return {
        **row,
        "answered": len(ms),
        "per_second": len(ms) / asked.seconds,
        **{name: float(np.quantile(ms, at)) if len(ms) else float("nan") for name, at in percentiles.items()},
    }


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    run = prepare(folder, asked.rollouts)
    found = {}
    with Graph({"session_directory": str(run.root)}, run.root / "log", only=("task_selector",)) as graph:
        os.environ.update(graph.environment)
        for strategy in asked.strategy:
            found[f"task_selector, {strategy}"] = ask_all(asked, strategy)
    task_ids = [path.name.split("_e00_")[1].split(".")[0] for path in run.rollouts.glob("*_e00_*")]
    with bare(sorted(task_ids), int(os.environ["ROS_DOMAIN_ID"])):
        found["bare service"] = ask_all(asked, "")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--depth", type=int, default=qos.SERVICE_DEPTH)
    parser.add_argument("--deadline", type=float, default=30.0)
    parser.add_argument("--rollouts", type=int, default=4)
    parser.add_argument("--strategy", nargs="*", default=["amf"])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="amf-callers-"))
    try:
        found = measure(asked, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if asked.json:
        print(json.dumps(found))
    else:
        print(f"{asked.callers} callers for {asked.seconds:g} s, queues of {asked.depth}")
        print(f"{'':26}" + "".join(f"{name:>11}" for name in next(iter(found.values()))))
        for name, row in found.items():
            cells = (f"{value:11.0f}" for value in row.values())
            print(f"{name:26}" + "".join(cells))
    if any(row["lost"] for row in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
