"""In lock-step the graph gives what the same objects give in one process, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.deadline import DEADLINE_S
from support.graph import alive, eventually, running

from amf_msgs.action import RecordDemonstration
from amf_msgs.srv import ResetScene
from amf_ros.contract import load_contract
from amf_ros.core.values import Demonstration
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.ros import names
from amf_ros.ros.client.graph_client import GraphClient, Refused
from amf_ros.ros.start.supervise import Graph
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

NODES = ("robot", "teleop", "demo_recorder")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def graph(run: RunDirectory) -> Iterator[Graph]:
    with running(run, only=NODES, extra={"demo_recorder": {"command_timeout_s": "4.0"}}) as graph:
        yield graph


def record(client: GraphClient, run: RunDirectory, task_id: str, seed: int, id_: str) -> Demonstration:
    stamp = client.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id=task_id, seed=seed)).stamp
    goal = RecordDemonstration.Goal(
        task_id=task_id, demonstration_id=id_, seed=seed, source=1, start_stamp=stamp
    )
    client.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
    return DemonstrationStore(run.demonstrations).load(id_, load_contract("panda_tabletop"), TabletopSuite())


@pytest.mark.parametrize("task_id", ["press_button", "stack_red_on_blue"])
def test_demonstrations_over_the_graph_equal_those_in_one_process(
    graph: Graph, run: RunDirectory, task_id: str
) -> None:
    suite, contract = TabletopSuite(), load_contract("panda_tabletop")
    with GraphClient(wait_s=DEADLINE_S) as client:
        first = record(client, run, task_id, 11, f"first_{task_id}")
        record(client, run, "push_green", 5, f"between_{task_id}")
        again = record(client, run, task_id, 11, f"again_{task_id}")
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        alone = demonstrate(RobotEnvironment(robot, suite, contract), task_id, 11, "alone")
    for other in (again, alone):
        np.testing.assert_array_equal(first.observations.flat(), other.observations.flat())
        np.testing.assert_array_equal(first.actions, other.actions)
        np.testing.assert_array_equal(np.diff(first.stamps_ns), np.diff(other.stamps_ns))
        assert first.outcome == other.outcome


def test_nodes_use_the_transports_that_ship_with_the_package(graph: Graph) -> None:
    """Without them a camera's pictures get lost: the default segment of shared memory is too small."""

    def largest() -> int:
        maps = Path(f"/proc/{graph.pids()['robot']}/maps").read_text().splitlines()
        segments = [Path(line.split()[-1]) for line in maps if "/dev/shm/fast" in line]
        return max((path.stat().st_size for path in segments if path.is_file()), default=0)

    eventually(lambda: largest() > 4_000_000, "the robot uses other transports")


def test_a_demonstrator_that_dies_spoils_one_recording_and_comes_back(
    graph: Graph, run: RunDirectory
) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        before = graph.pids()["teleop"]
        os.kill(before, signal.SIGSTOP)  # hangs, then dies
        try:
            with pytest.raises(Refused) as refusal:
                goal = RecordDemonstration.Goal(task_id="push_green", demonstration_id="lost")
                goal.max_duration.sec = 5
                client.expect(ResetScene, names.RESET_SCENE)
                client.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
        finally:
            os.kill(before, signal.SIGKILL)
        assert refusal.value.code == RecordDemonstration.Result.MISSING_TOPIC
        eventually(lambda: graph.pids()["teleop"] not in (0, before), "teleop was not started again")
        assert record(client, run, "push_green", 6, "after").num_steps > 10


def test_no_process_is_left_when_the_owner_is_killed(tmp_path: Path) -> None:

    program = (
        "import time, pathlib\n"
        "from amf_ros.ros.start.supervise import Graph\n"
        f"graph = Graph({{'session_directory': {str(tmp_path)!r}}}, pathlib.Path({str(tmp_path / 'log')!r}),"
        " only=('robot', 'teleop'))\n"
        "graph.start()\n"
        "while not all(graph.pids().values()): time.sleep(0.05)\n"
        "print(*graph.pids().values(), flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    eventually(lambda: not any(alive(pid) for pid in pids), "a node outlived its owner")
