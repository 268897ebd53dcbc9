"""Processes of the graph that die, or whose starter dies: what is started again, and what is not left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.deadline import DEADLINE_S
from support.graph import alive, eventually

from amf_ros.ros.start.supervise import Graph, NodeFailed

STARTER = """
import sys, time
from pathlib import Path
from amf_ros.ros.start.supervise import Graph
folder = Path(sys.argv[1])
with Graph({"session_directory": str(folder)}, folder / "log", only=["robot", "session"]) as graph:
    while True:
        graph.check()
        time.sleep(0.1)
"""
DEAF = """
import sys, threading
from amf_ros.ros.node.runtime import AmfNode, run
class Deaf(AmfNode):
    def __init__(self):
        super().__init__("deaf")
        self.create_timer(0.05, self._hang)
    def _hang(self):
        print("hanging", flush=True)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
sys.exit(run(Deaf, grace_s=0.5))
"""


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
            eventually(lambda pid=pid: runs(pid), "the robot is not running again")  # type: ignore[misc]
            pid = graph.pids()["robot"]
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: runs(pid), "the robot is not running again")
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

        eventually(given_up, "the robot is not given up")
        assert graph.restarts() == {"robot": 0}


def family(process: subprocess.Popen[str], members: int) -> list[psutil.Process]:
    """All processes below one, once there are so many of them and their nodes are more than begun."""
    found: list[psutil.Process] = []

    def complete() -> bool:
        assert process.poll() is None, process.communicate()[0]
        found[:] = psutil.Process(process.pid).children(recursive=True)
        return len(found) >= members and all(_listens(one) for one in found)

    eventually(complete, "not all processes are there")
    return found


def _listens(process: psutil.Process) -> bool:
    """Whether a node has come as far as rclpy: that sets up DDS, with sockets."""
    try:
        words = process.cmdline()
        return not any("amf_ros.nodes" in word for word in words) or len(process.net_connections()) > 0
    except psutil.Error:
        return False


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGTERM, signal.SIGINT))],
)
@pytest.mark.parametrize("victim", ["starter", "supervisor"])
def test_whoever_of_those_above_is_ended_no_node_is_left(
    victim: str, number: signal.Signals, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", STARTER, str(tmp_path)]
    starter = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    below = family(starter, 3)
    supervisor = next(one for one in below if "amf_ros.ros.start.supervise" in one.cmdline())
    folder = Path(supervisor.cmdline()[-1]).parent
    assert folder.name.startswith("amf-") and folder.is_dir()
    os.kill(starter.pid if victim == "starter" else supervisor.pid, number)
    gone, left = psutil.wait_procs([*below, psutil.Process(starter.pid)], DEADLINE_S)
    for one in left:
        one.kill()
    said, _ = starter.communicate()
    assert left == [], said
    eventually(lambda: not folder.exists(), "the supervisor's folder is left")


@pytest.mark.parametrize(
    ("victim", "number"),
    [pytest.param("shell", signal.SIGKILL, marks=pytest.mark.slow), ("amf up", signal.SIGTERM)],
)
def test_amf_up_and_the_shell_above_it_leave_nothing(
    victim: str, number: signal.Signals, tmp_path: Path
) -> None:
    line = shlex.join([sys.executable, "-m", "amf_ros.cli", "up", f"session_directory:={tmp_path}"])
    words = ["bash", "-c", f"{line}; true"]
    shell = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    below = family(shell, 9)
    up = next(one for one in below if "amf_ros.cli" in one.cmdline())
    os.kill(shell.pid if victim == "shell" else up.pid, number)
    left = psutil.wait_procs(below, DEADLINE_S)[1]
    for one in left:
        one.kill()
    shell.wait(DEADLINE_S)
    assert left == []


def test_a_node_below_a_shell_ends_with_the_process_that_it_is_tied_to(tmp_path: Path) -> None:
    """As below ``ros2 launch`` with a prefix: the shell goes on, and would keep the node."""
    node = f"{shlex.quote(sys.executable)} -m amf_ros.nodes.robot & echo $!; wait"
    script = (
        "import os, subprocess, time; from amf_ros.ros.start.lifeline import tied_to_this_process;"
        "os.environ.update(tied_to_this_process());"
        f"subprocess.Popen(['bash', '-c', {node!r}], start_new_session=True); time.sleep(1000)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    eventually(lambda: not alive(pid), "the node outlives its launcher")
    launcher.stdout.close()


def test_a_node_that_hangs_ends_by_force_and_says_where(tmp_path: Path) -> None:
    words = [sys.executable, "-c", DEAF]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    assert "hanging" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1 and "_hang" in said and "most recent call first" in said
