"""The count of DDS participants that every test file ends with sees one that is left."""

from __future__ import annotations

from contextlib import ExitStack

import rclpy
from rclpy.action import ActionClient
from support.nodes import bench
from support.participants import participants

from amf_msgs.action import FineTune


def test_a_node_that_is_left_is_counted_until_it_is_destroyed() -> None:
    before = participants()
    with ExitStack() as at_end:
        context = rclpy.Context()
        rclpy.init(args=[], context=context)
        at_end.callback(context.try_shutdown)
        node = rclpy.create_node("left", context=context)
        at_end.callback(node.destroy_node)
        assert participants() == before + 1
    assert participants() == before


def test_a_bench_leaves_none_though_its_client_asked_for_an_action() -> None:
    """rclpy forgets an action client when its node is destroyed, and that client keeps the participant."""
    before = participants()
    with bench() as made:
        held = ActionClient(made.client, FineTune, "fine_tune")
        assert participants() == before + 1
    assert held and participants() == before
