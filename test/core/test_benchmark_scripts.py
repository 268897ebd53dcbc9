"""The benchmark scripts that no other test runs: they start where the README says, and time what they say."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OVER_ROS = {"graph_speed.py", "next_task_latency.py", "kills.py", "reactions.py"}


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("[!_]*.py")), ids=lambda path: path.name)
def test_every_script_says_what_it_does_and_how_it_is_called(script):
    if script.name in OVER_ROS:
        pytest.importorskip("rclpy")
    said = subprocess.run(
        [sys.executable, script, "--help"], cwd=BENCHMARKS.parent, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert f"usage: {script.name}" in said.stdout and "--json" in said.stdout


def loaded(name, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)  # where dataclasses look their annotations up
    spec.loader.exec_module(script)
    return script


def test_kills_counts_what_a_killed_node_leaves_running(monkeypatch):
    pytest.importorskip("rclpy")
    script = loaded("kills", monkeypatch)
    # A starter with a node that has a process of its own; who is below whom is printed.
    node = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()"
    wrapper = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {node!r}]); input()"
    with subprocess.Popen(
        [sys.executable, "-c", wrapper], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        child = int(process.stdout.readline())
        try:
            starter = script.Starter.__new__(script.Starter)
            starter.process, starter.ever = process, {}
            starter.nodes()
            assert child in starter.ever and len(starter.ever) == 2 and starter.astray() == 0
            middle = next(one for pid, one in starter.ever.items() if pid != child)
            middle.kill()
            script.psutil.wait_procs([middle], 30.0)
            assert starter.astray() == 1
        finally:
            os.kill(child, signal.SIGKILL)
            process.kill()


def test_kills_has_a_table_where_nothing_was_killed(monkeypatch):
    pytest.importorskip("rclpy")
    rows = [{"over": "up", "seed": "0", "killed": "the starter", "whole_s": "", "left": "0", "shm_mb": ""}]
    shown = loaded("kills", monkeypatch).table(rows)
    assert "| the starter | 1 | – | – | 0 |" in shown and shown.endswith("0 kills of nodes")


@pytest.mark.parametrize("name", ["zero_shot", "zero_shot_before"])
def test_zero_shot_tables_of_the_docs_come_again_from_the_outcomes_of_all_starts(name, monkeypatch):
    script = loaded("zero_shot", monkeypatch)
    docs = BENCHMARKS.parent / "docs"
    document = json.loads((docs / "benchmarks" / f"{name}.json").read_text())
    section = (docs / "benchmarks.md").read_text().split("## 6. Zero-shot")[1]
    for rows in document.values():
        _, cells = script.table(rows)
        shown = [cell for cell in cells if cell[0].startswith(("all ", "stack_")) and "," in cell[0]]
        assert len(shown) == 6
        for question, success, interval, _, by_seed in shown:
            lines = [line for line in section.splitlines() if line.startswith(f"| {question} |")]
            assert any(f" {success} {interval} ({by_seed}) " in line for line in lines)


def test_selection_latency_times_calls_that_follow_the_one_before(monkeypatch):
    script = loaded("selection_latency", monkeypatch)
    row = script.measure((6, 32, 4, 3, 0))
    assert (row["candidates"], row["turns"]) == (6, script.TURNS)
    assert 0 < row["warm_least_s"] <= row["warm_s"] <= row["warm_p95_s"]
    assert row["kept_mb"] > 0 and row["ratio"] is None
    assert script.shown(row).split()[0] == "6"
