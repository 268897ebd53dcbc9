"""Which servers of the graph are not there yet: how a starter knows that the graph is up.

with missing_servers() as missing:
    while missing(wait_s=0.2): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import SingleThreadedExecutor

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
    """Gives a function of a wait [s] that lists the services and actions not yet offered."""
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
