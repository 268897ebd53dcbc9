"""One robot node per namespace: who is refused, who is not, and what claims from the wire can do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rclpy.node import Node
from support.deadline import DEADLINE_S
from support.nodes import Bench, bench

from amf_msgs.msg import RobotClaim
from amf_ros.core.errors import ConfigError
from amf_ros.ros import names, qos
from amf_ros.ros.robot import sole
from amf_ros.ros.robot.sole import AlreadyThere, Sole, refuse_second
from amf_ros.ros.start.graph_environment import transports

LISTEN_S = sole.LISTEN_S
ROBOT = (sys.executable, "-m", "amf_ros.nodes.robot", "--ros-args", "-p", "real_time_factor:=0.0")


@pytest.fixture(autouse=True)
def announcing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in transports().items():
        monkeypatch.setenv(name, value)


@contextmanager
def robot(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*ROBOT, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "lock-step" in line:
            return
    raise AssertionError(said)


def ask(namespace: str = "") -> None:
    """Once is enough where the machine is not busy."""
    for _ in range(5):
        refuse_second(namespace)


def test_a_second_robot_node_in_the_namespace_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole, "LISTEN_S", LISTEN_S)
    with robot() as first:
        up(first)
        with robot() as second:
            said, _ = second.communicate(timeout=DEADLINE_S)
        assert second.returncode in (2, 3)  # 3: the machine is so busy that it was heard only after the start
        (error,) = [line for line in said.splitlines() if "another robot node" in line]
        assert f"another robot node is up in namespace / of ROS domain {os.environ['ROS_DOMAIN_ID']}" in error
        assert f"pid {first.pid} on host" in error and "namespace:=NAME" in error
        with pytest.raises(AlreadyThere, match=f"pid {first.pid} "):
            ask()
        refuse_second("left_arm")
        with robot("-r", "__ns:=/left_arm") as elsewhere:
            up(elsewhere)
            with pytest.raises(AlreadyThere, match=f"namespace /left_arm .*pid {elsewhere.pid} "):
                ask("left_arm")
        assert first.poll() is None


def test_a_robot_node_is_not_shut_out_by_the_ghost_of_a_killed_one() -> None:
    with robot() as first:
        up(first)
        first.send_signal(signal.SIGKILL)
    with robot() as second:
        up(second)
        assert second.poll() is None


def test_of_two_started_at_once_one_stays() -> None:
    with robot() as one, robot() as other:
        end = time.monotonic() + DEADLINE_S
        while one.poll() is None and other.poll() is None:
            assert time.monotonic() < end, "both robot nodes are up"
            time.sleep(0.05)
        stays = one if other.poll() is not None else other
        left = other if stays is one else one
        assert left.returncode in (2, 3)  # refused, or up first and then told that it came second
        up(stays)


def test_no_node_can_have_such_a_namespace() -> None:
    with pytest.raises(ConfigError, match="left arm"):
        refuse_second("left arm")


class Claiming:
    """A node that claims, up for so long already."""

    def __init__(self, name: str, uptime_s: float) -> None:
        self.gave_up: list[str] = []
        self.stopped: list[str] = []
        self.node = Node(name, use_global_arguments=False)
        self.sole = Sole(self.node, self.gave_up.append, self.stopped.append)
        self.sole._claims._started_s -= uptime_s


@contextmanager
def claiming(*uptimes_s: float) -> Iterator[tuple[Bench, list[Claiming]]]:
    with bench() as made:
        them = [Claiming(f"robot_{i}", uptime_s) for i, uptime_s in enumerate(uptimes_s)]
        for one in them:
            made.executor.add_node(one.node)
        yield made, them
        for one in them:
            made.executor.remove_node(one.node)
            one.node.destroy_node()


def test_of_two_that_meet_late_the_later_one_gives_up() -> None:
    with claiming(500.0, 5.0) as (made, (before, late)):
        made.until(lambda: bool(late.gave_up), "the later one to give up")
        assert "up for 50" in late.gave_up[0] and not late.stopped
        assert not before.gave_up and not before.stopped


def test_two_that_meet_after_both_were_up_for_long_hold_their_arms() -> None:
    with claiming(500.0, 400.0) as (made, them):
        made.until(lambda: all(one.stopped for one in them), "both to stop")
        made.until(lambda: them[0].sole._claims.uptime_s > 504.0, "more claims")
        assert [len(one.stopped) for one in them] == [1, 1]
        assert not any(one.gave_up for one in them)


def test_uptimes_too_close_to_tell_are_decided_alike_by_both() -> None:
    with claiming(5.0, 5.3) as (made, them):
        made.until(lambda: any(one.gave_up for one in them), "one to give up")
        first = them[0].sole._claims._instance < them[1].sole._claims._instance
        assert [bool(one.gave_up) for one in them] == [not first, first]


def test_stray_claims_do_nothing() -> None:
    """A recording that is played, or anything else on the wire, ends no robot and stops none at once."""
    with claiming(5.0) as (made, (one,)):
        publisher = made.client.create_publisher(RobotClaim, names.ROBOT_CLAIM, qos.EVENT)
        made.until(lambda: publisher.get_subscription_count() > 0, "the robot to listen")
        count = 0

        def send() -> bool:
            nonlocal count
            count += 1
            claim = RobotClaim(host="\n" * 100, instance=f"{count}" * 1000)
            claim.uptime.sec = 2**31 - 1 if count % 2 else -(2**31)
            publisher.publish(claim)
            return count > 400

        made.until(send, "claims to be sent")
        assert not one.gave_up and not one.stopped
        assert len(one.sole._claims._heard) <= 16
        assert rclpy.ok()
