"""The benchmark scripts that no other test runs: they start where the README says, and time what they say."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OVER_ROS = {"graph_speed.py", "next_task_latency.py", "kills.py"}


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.name)
def test_every_script_says_what_it_does_and_how_it_is_called(script):
    if script.name in OVER_ROS:
        pytest.importorskip("rclpy")
    said = subprocess.run(
        [sys.executable, script, "--help"], cwd=BENCHMARKS.parent, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert f"usage: {script.name}" in said.stdout and "--json" in said.stdout


def test_selection_latency_times_calls_that_follow_the_one_before(monkeypatch):
    spec = importlib.util.spec_from_file_location("selection_latency", BENCHMARKS / "selection_latency.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)  # where dataclasses look their annotations up
    spec.loader.exec_module(script)
    row = script.measure((6, 32, 4, 3, 0))
    assert (row["candidates"], row["turns"]) == (6, script.TURNS)
    assert 0 < row["warm_least_s"] <= row["warm_s"] <= row["warm_p95_s"]
    assert row["kept_mb"] > 0 and row["ratio"] is None
    assert script.shown(row).split()[0] == "6"
