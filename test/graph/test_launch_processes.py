"""Processes under upstream ``ros2 launch``: none outlives it, and a second graph is not started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support.deadline import DEADLINE_S
from support.graph import connect_when_ready

from amf_ros.ros.start.graph import NODES
from amf_ros.ros.start.graph_environment import graph_environment

pytest.importorskip("ros2launch", reason="ros2 launch is not installed (it comes with ROS 2)")

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "amf.launch.py"
ROS2_LAUNCH = (
    sys.executable,
    "-c",
    "import sys; from ros2cli.cli import main; sys.exit(main())",
    "launch",
    str(LAUNCH_FILE),
)


@pytest.fixture(autouse=True)
def environment(ros_domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in graph_environment(ros_domain).items():
        monkeypatch.setenv(name, value)


@contextmanager
def launched(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    words = [*ROS2_LAUNCH, f"session_directory:={folder}", "real_time_factor:=0.0"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    below: list[psutil.Process] = []
    try:
        with connect_when_ready():
            below = psutil.Process(process.pid).children(recursive=True)
            assert len(below) == len(NODES)
            yield process, below
    finally:
        process.kill()
        process.wait()
        for one in psutil.wait_procs(below, DEADLINE_S)[1]:
            one.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nodes_end_with_the_launch_process(number: signal.Signals, tmp_path: Path) -> None:
    with launched(tmp_path) as (process, below):
        os.kill(process.pid, number)
        process.wait(DEADLINE_S)
        assert psutil.wait_procs(below, DEADLINE_S)[1] == []


@pytest.mark.parametrize("second", ["ros2 launch", "amf up"])
def test_a_second_graph_beside_a_launched_one_is_refused(second: str, tmp_path: Path) -> None:
    up = (sys.executable, "-m", "amf_ros.cli", "up")
    words = [*(up if second == "amf up" else ROS2_LAUNCH), f"session_directory:={tmp_path / 'second'}"]
    with launched(tmp_path / "first") as (process, below):
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        said = [
            line for line in (done.stdout + done.stderr).splitlines() if "another robot node is up" in line
        ]
        assert done.returncode == 1 and len(said) == 1
        assert not (tmp_path / "second").exists() and "process started" not in done.stdout + done.stderr
        assert process.poll() is None and all(one.is_running() for one in below)
