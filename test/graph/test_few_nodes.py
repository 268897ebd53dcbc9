"""The amf commands where only some nodes of a graph are there, or where one of them hangs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.deadline import DEADLINE_S
from support.graph import eventually
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app
from amf_ros.ros.start import graph


@contextmanager
def started(name: str, directory: Path, **values: str) -> Iterator[subprocess.Popen[bytes]]:
    """One node in a process of its own."""
    node = next(node for node in graph.NODES if node.name == name)
    process = subprocess.Popen(graph.command(node, {"session_directory": str(directory), **values}))
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def amf(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("who", ["expert", "person"])
def test_status_misses_teleop_only_where_no_person_demonstrates(
    tmp_path: Path, ros_domain: int, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amf_ros.cli.status._GRAPH_WAIT_S", 6.0)
    others = [node.name for node in graph.nodes({"demonstrator": who}) if node.name != "demo_recorder"]
    wanted = f"graph: 1 of {len(others) + 1} nodes run; missing: {', '.join(others)}"
    with started("demo_recorder", tmp_path, demonstrator=who):
        eventually(lambda: wanted in amf("status", "-d", tmp_path).output, wanted)


def test_a_recorder_that_is_frozen_is_said_not_to_answer(tmp_path: Path, ros_domain: int) -> None:
    """Whoever comes after it froze cannot see it at all."""
    with started("demo_recorder", tmp_path) as recorder, started("fine_tuner", tmp_path):
        two = "2 of 7 nodes run"
        eventually(lambda: two in amf("status", "-d", tmp_path).output, two)
        recorder.send_signal(signal.SIGSTOP)
        refused = amf("record", "press_button", "--wait", "5")
    assert refused.exit_code == 1
    said = str(refused.exception) + refused.output
    assert "/demo_recorder/get_parameters does not answer in ROS domain" in said
    assert "where fine_tuner can be seen: its node hangs, died" in said
