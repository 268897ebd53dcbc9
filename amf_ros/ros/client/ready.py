"""Which servers and nodes of the graph are there.

with missing_servers() as missing:        # how a starter knows that the graph is up
while missing(wait_s=0.2): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from amf_ros.ros import names

SERVICES = (
    names.RESET_SCENE,
    names.NEXT_TASK,
    names.FINISH_RECORDING,
    names.LOAD_CHECKPOINT,
)
ACTIONS = (names.RECORD_DEMONSTRATION, names.FINE_TUNE, names.EXECUTE_POLICY, names.RUN_SESSION)


@contextmanager
def missing_servers(namespace: str = "") -> Iterator[Callable[[float], list[str]]]:
    """Give a function of a wait [s] that lists the services and actions not yet offered."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("amf_wait", namespace=namespace, context=context, enable_rosout=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    prefix = node.get_namespace().rstrip("/") + "/"

    def missing(wait_s: float) -> list[str]:
        executor.spin_once(timeout_sec=wait_s)
        wanted = {name: prefix + name for name in SERVICES}
        wanted |= {name: f"{prefix}{name}/_action/send_goal" for name in ACTIONS}
        # By count: the list of services also names those that somebody only asks for.
        return [name for name, full in wanted.items() if not node.count_services(full)]

    try:
        yield missing
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def seen(
    node: Node, until: Callable[[Callable[[], bool], float], bool], nodes: tuple[str, ...], timeout_s: float
) -> dict[str, bool]:
    """Tell which nodes are in the graph, by their parameter services.

    Node names travel in messages of their own, which came seconds later than the services on busy cores.
    Returns early when all are there, and after a quarter of the time when none is.

    Args:
        node: that looks; the others are in its namespace.
        until: waits for a condition for so many seconds.
        nodes: their names.
        timeout_s: to look for them [s].
    """
    home = node.get_namespace().rstrip("/")
    wanted = {f"{home}/{name}/get_parameters": name for name in nodes}

    def found() -> set[str]:
        # By count: the list of services also names those that somebody only asks for.
        return {name for full, name in wanted.items() if node.count_services(full)}

    if until(lambda: bool(found()), timeout_s / 4):
        until(lambda: len(found()) == len(nodes), timeout_s * 3 / 4)
    there = found()
    return {name: name in there for name in nodes}
