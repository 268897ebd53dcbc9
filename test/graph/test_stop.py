"""A stop outlives the death of the robot node's process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from support.deadline import DEADLINE_S
from support.graph import eventually, running

from amf_msgs.msg import RobotStatus
from amf_msgs.srv import ResetScene
from amf_ros.ros import names, qos
from amf_ros.ros.client.graph_client import GraphClient, Refused
from amf_ros.ros.start.supervise import Graph
from amf_ros.store.run_directory import RunDirectory


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    run = RunDirectory(tmp_path_factory.mktemp("run"))
    with running(run, only=("robot", "demo_recorder")) as graph:
        yield graph


def status(pid: int, graph: Graph) -> RobotStatus | None:
    """Of the robot process that is up now, if it is another one than this."""
    if graph.pids()["robot"] in (0, pid):
        return None
    with GraphClient(wait_s=DEADLINE_S) as client:
        client.expect(ResetScene, names.RESET_SCENE)
        return client.latched(RobotStatus, names.ROBOT_STATUS)


def killed(graph: Graph) -> int:
    pid = graph.pids()["robot"]
    os.kill(pid, signal.SIGKILL)
    return pid


def is_stopped(pid: int, graph: Graph) -> bool:
    found = status(pid, graph)
    return found is not None and found.status == RobotStatus.STOPPED


def test_a_stop_survives_kill_9_and_a_release_too(graph: Graph) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        assert client.call(Trigger, names.STOP, Trigger.Request()).success
    pid = killed(graph)
    eventually(lambda: is_stopped(pid, graph), "the restarted robot is not stopped")
    with GraphClient(wait_s=DEADLINE_S) as client:
        with pytest.raises(Refused) as refusal:
            client.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="press_button"))
        assert refusal.value.code == ResetScene.Response.NOT_READY
        assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
    pid = killed(graph)
    eventually(lambda: status(pid, graph) is not None, "the robot did not come back")
    with GraphClient(wait_s=DEADLINE_S) as client:
        client.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="press_button"))


def test_a_stop_sent_while_the_robot_is_dead_stops_the_next_one(graph: Graph) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        button = client.node.create_publisher(Empty, names.STOP_TOPIC, qos.EVENT)
        asked: list[Bool] = []
        client.node.create_subscription(Bool, names.STOP_ASKED, asked.append, qos.LATCHED)
        # Two of the robot and two of the recorder; the robot's third only matches publishers that latch.
        client.waiting.until(lambda: button.get_subscription_count() == 4, DEADLINE_S)
        os.kill(graph.pids()["robot"], signal.SIGSTOP)  # it hears nothing any more, and is not replaced yet
        button.publish(Empty())
        client.waiting.until(lambda: bool(asked) and asked[-1].data, DEADLINE_S)
        assert asked[-1].data, "the recorder does not hold the stop"
    pid = killed(graph)
    eventually(lambda: is_stopped(pid, graph), "the stop is lost")
    found = status(pid, graph)
    assert found is not None and "away" in found.reason
    with GraphClient(wait_s=DEADLINE_S) as client:
        assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success


def test_each_stop_is_on_disk_before_it_is_answered(graph: Graph) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        assert client.call(Trigger, names.STOP, Trigger.Request()).success
        (file,) = (Path(os.environ["ROS_HOME"]) / "amf_ros").iterdir()
        assert "stop service" in file.read_text()
        assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
        assert "stop service" not in file.read_text()
