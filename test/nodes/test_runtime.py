"""How a node process starts and leaves: exit codes, and never a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def start(tmp_path: Path, *parameters: str) -> subprocess.Popen[str]:
    words = [word for one in ("real_time_factor:=0.0", *parameters) for word in ("-p", one)]
    return subprocess.Popen(
        [sys.executable, "-m", "amf_ros.nodes.robot", "--ros-args", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} did not come: {said}")


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_a_signal_ends_a_node_with_exit_code_0(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    """Two at once are what Ctrl-C gives below a launch process."""
    process = start(tmp_path)
    until(process, "lock-step")
    for number in numbers:
        process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in rest


def test_a_wrong_parameter_is_one_line_and_an_exit_code_of_its_own(tmp_path: Path) -> None:
    process = start(tmp_path, "velocity_scale:=7.5")
    said, _ = process.communicate(timeout=30)
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert process.returncode == 2 and len(errors) == 1 and "velocity_scale" in errors[0]
    assert "Traceback" not in said
