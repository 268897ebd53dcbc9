"""Processes of the graph that die, or whose starter dies: what is started again, and what is not left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.graph import eventually

from amf_ros.ros.supervise import Graph, NodeFailed

NODE_UP_S = 60.0


def test_a_killed_node_is_started_again_and_is_no_failure_of_the_graph(tmp_path: Path) -> None:
    """check() is asked all the time, so also in the moment in which the supervisor calls the node EXITED."""
    arguments = {"session_directory": str(tmp_path), "real_time_factor": "0.0"}
    with Graph(arguments, tmp_path / "log", only=["robot"]) as graph:

        def runs(killed: int) -> bool:
            graph.check()
            state, pid = graph.states()["robot"]
            return state == "RUNNING" and pid != killed

        pid = 0
        for _ in range(5):
            eventually(lambda pid=pid: runs(pid), "the robot is not running again", NODE_UP_S)  # type: ignore[misc]
            pid = graph.pids()["robot"]
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: runs(pid), "the robot is not running again", NODE_UP_S)
        assert graph.restarts() == {"robot": 5}


def test_a_node_with_a_wrong_parameter_is_given_up_at_its_first_word(tmp_path: Path) -> None:
    """Whether it took more or less time to say so than the supervisor calls a start."""
    extra = {"robot": {"velocity_scale": "7.5"}}
    with Graph({"session_directory": str(tmp_path)}, tmp_path / "log", only=["robot"], extra=extra) as graph:

        def given_up() -> bool:
            try:
                graph.check()
            except NodeFailed as error:
                assert "node robot cannot run: error: " in str(error) and "velocity_scale" in str(error)
                return True
            return False

        eventually(given_up, "the robot is not given up", NODE_UP_S)
        assert graph.restarts() == {"robot": 0}
