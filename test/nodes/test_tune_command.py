"""`amf tune` against the fine-tuner as in production: what Ctrl-C leaves."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.deadline import DEADLINE_S

from amf_ros.contract import load_contract
from amf_ros.learning.checkpoint_description import parse_description
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite


@pytest.fixture
def run(tmp_path: Path, pretrained: Path) -> RunDirectory:
    """A session directory with one demonstration, made in this process."""
    run, suite, contract = RunDirectory(tmp_path), TabletopSuite(), load_contract("panda_tabletop")
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        shown = demonstrate(RobotEnvironment(robot, suite, contract), "push_green", 2, "alone")
    DemonstrationStore(run.demonstrations).save(shown, contract)
    return run


@pytest.fixture
def tuner(run: RunDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """The fine-tuner, alone in its process."""
    words = ["--ros-args", "-r", "__node:=fine_tuner", "-p", f"session_directory:={run.root}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "amf_ros.nodes.fine_tuner", *words], stderr=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait(DEADLINE_S)


def test_ctrl_c_keeps_what_was_reached_and_says_so(run: RunDirectory, tuner: subprocess.Popen[bytes]) -> None:
    command = subprocess.Popen(
        [sys.executable, "-u", "-m", "amf_ros.cli", "tune", "--steps", "1000000", "--wait", str(DEADLINE_S)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout is not None and "fine-tuning" in command.stdout.readline()  # it trains
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate(timeout=DEADLINE_S)
    finally:
        command.kill()
    assert command.returncode in (130, -signal.SIGINT) and "Traceback" not in complaint
    assert "round_0001 is what was reached, marked as unfinished" in complaint.splitlines()[-1]
    assert not parse_description(run.checkpoints / "round_0001").making.finished
