"""Every service, action and client of the graph has room for the answers to many callers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rclpy.action import ActionClient, ActionServer
from rclpy.node import Node
from support.nodes import bench

from amf_msgs.action import FineTune
from amf_msgs.srv import GetTasks
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.fine_tuner import FineTunerNode
from amf_ros.nodes.policy_executor import PolicyExecutorNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.session import SessionNode
from amf_ros.nodes.task_selector import TaskSelectorNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names, qos
from amf_ros.ros.client.graph_client import GraphClient, ServerUnavailable

NODES = (
    DemoRecorderNode,
    FineTunerNode,
    PolicyExecutorNode,
    RobotNode,
    SessionNode,
    TaskSelectorNode,
    TeleopNode,
)


def test_every_end_of_every_service_is_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depths: dict[str, int] = {}
    for owner, name in (
        (Node, "create_client"),
        (Node, "create_service"),
        (ActionClient, "__init__"),
        (ActionServer, "__init__"),
    ):
        monkeypatch.setattr(owner, name, _told(getattr(owner, name), depths))
    with bench(session_directory=str(tmp_path), real_time_factor=0.0) as made:
        depths.clear()  # the test's own client
        for make in NODES:
            made.add(make)
    with GraphClient(wait_s=0.0) as client:
        for ask in (
            lambda: client.call(GetTasks, names.GET_TASKS, GetTasks.Request()),
            lambda: client.act(FineTune, names.FINE_TUNE, FineTune.Goal()),
        ):
            with pytest.raises(ServerUnavailable):
                ask()
    assert (
        sum("__init__" in one for one in depths) >= 8 and sum("create_service" in one for one in depths) > 8
    )
    shallow = {one: depth for one, depth in depths.items() if depth < qos.SERVICE_DEPTH}
    assert not shallow


def _told(real: Callable[..., Any], depths: dict[str, int]) -> Callable[..., Any]:
    """Tells the depth of each service that a call makes."""
    signature = inspect.signature(real)

    def spy(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        given.apply_defaults()
        values = given.arguments
        name = values.get("srv_name") or values.get("action_name")
        for option, value in values.items():
            if option == "qos_profile" or option.endswith("_service_qos_profile"):
                depths[f"{real.__qualname__} {name} {option}"] = value.depth
        return real(*args, **options)

    return spy
