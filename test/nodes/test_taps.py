"""The recorder's subscriptions, with real rclpy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from support.deadline import DEADLINE_S

from amf_ros.contract import Topic
from amf_ros.ros.recording.taps import Tap

MANY = 400


def wait(condition: Callable[[], bool]) -> None:
    """Look again and again: discovery tells of itself only to an executor, and none may work here yet."""
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "nothing happened"
        time.sleep(0.01)


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    context.init()
    made = rclpy.create_node("listener", context=context)
    yield made
    made.destroy_node()
    context.shutdown()


def test_a_recorder_that_was_kept_from_its_work_finds_every_message(node: Node) -> None:
    """In lock-step the robot does not wait for it: with the contract's depth the oldest would be gone."""
    heard: list[bytes] = []
    topic = Topic("joint_states", "sensor_msgs/msg/JointState", depth=50)
    tap = Tap(node, topic, heard.append, adapt=False)
    profile = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, depth=2 * MANY)
    publisher = node.create_publisher(JointState, "joint_states", profile)
    wait(lambda: publisher.get_subscription_count() == 1 and bool(tap.publishers()))
    for count in range(MANY):
        publisher.publish(JointState(name=[str(count)]))
    assert publisher.wait_for_all_acked(Duration(seconds=10))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def spun() -> bool:
        executor.spin_once(timeout_sec=0.1)
        return len(heard) >= MANY

    wait(spun)
    executor.shutdown()
    assert len(heard) == MANY
