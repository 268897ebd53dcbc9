"""Which executor runs a node's callbacks: one place to change it (ADR 9). Imports rclpy only.

    executor = make_executor("events")
    executor.add_node(node)
    while ...: executor.spin_once(timeout_sec=0.1)

``AMF_EXECUTOR=single_threaded`` in a node's environment takes rclpy's supported executor instead of the
experimental one; everything works the same, with a quarter to a third fewer steps per second in lock-step.
"""

from __future__ import annotations

import os
from typing import Any

from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.experimental import EventsExecutor

from amf_ros.core.errors import ConfigError, shown

VARIABLE = "AMF_EXECUTOR"


def make_executor(threads: int = 1) -> Any:
    """Return an executor for one node.

    Args:
        threads: above 1, callbacks of a reentrant group run beside one another, in so many threads.

    Raises:
        ConfigError: the environment names an executor that there is not.
    """
    if threads > 1:
        return MultiThreadedExecutor(num_threads=threads)
    kind = os.environ.get(VARIABLE) or "events"
    if kind == "events":
        return EventsExecutor()
    if kind == "single_threaded":
        return SingleThreadedExecutor()
    raise ConfigError(f"{VARIABLE}={shown(kind)}: use events (the default) or single_threaded")
