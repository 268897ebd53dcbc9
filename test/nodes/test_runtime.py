"""How a node process starts and leaves: exit codes, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.deadline import DEADLINE_S

from amf_ros.ros.start.shared_memory import FOLDER, remove_left_behind

BROKEN = """
import threading
from amf_ros.ros.node.runtime import AmfNode, run
class Broken(AmfNode):
    def __init__(self):
        super().__init__("broken")
        self.create_timer(0.01, self._up)  # while the node is made, a signal ends it at once, in good order
    def _up(self):
        threading.Thread(target=self._work, daemon=True).start()
        self.get_logger().info("up", once=True)
    def _work(self):
        while True:
            self.post(sum, range(1000))
    def busy(self):
        raise RuntimeError("out of everything that is guarded")
run(Broken)
"""


def start(tmp_path: Path, *parameters: str, namespace: str = "") -> subprocess.Popen[str]:
    words = [word for one in ("real_time_factor:=0.0", *parameters) for word in ("-p", one)]
    words += ["-r", f"__ns:=/{namespace}"]
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
    rest, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0 and "Traceback" not in rest


def test_a_wrong_parameter_is_one_line_and_an_exit_code_of_its_own(tmp_path: Path) -> None:
    process = start(tmp_path, "velocity_scale:=7.5")
    said, _ = process.communicate(timeout=DEADLINE_S)
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert process.returncode == 2 and len(errors) == 1 and "velocity_scale" in errors[0]
    assert "Traceback" not in said


def test_shared_memory_of_a_killed_node_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    def segments() -> set[Path]:
        return {path for path in FOLDER.glob("fast*_el") if "port" not in path.name}

    def owned(process: subprocess.Popen[str]) -> set[Path]:
        """What a process has open tells which are its own, whatever else runs here."""
        files = Path(f"/proc/{process.pid}/fd").iterdir()
        return {path for path in (Path(os.path.realpath(file)) for file in files) if path in segments()}

    killed, living = start(tmp_path), start(tmp_path, namespace="elsewhere")
    try:
        until(killed, "lock-step")
        until(living, "lock-step")
        left = owned(killed)
        assert left
        killed.kill()
        killed.wait()
        for path in left:
            os.utime(path, (0, 0))
        assert left <= segments()
        kept = owned(living)
        for path in kept:
            os.utime(path, (0, 0))
        remove_left_behind()
        assert not left & segments() and not any(path.with_name(path.name[:-3]).exists() for path in left)
        assert kept and kept <= segments()
    finally:
        killed.kill()
        living.kill()
        for process in (killed, living):
            process.communicate()


def test_an_error_outside_all_guards_is_told_and_ends_a_node_whose_threads_are_at_work() -> None:
    """Taking the interpreter apart beside them aborted in C++, or hung."""
    words = [sys.executable, "-c", BROKEN]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(process, "up")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1 and "RuntimeError: out of everything" in rest and "terminate" not in rest
