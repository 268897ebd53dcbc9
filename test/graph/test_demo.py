"""`amf demo` as a user runs it: interrupted, continued, finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.deadline import DEADLINE_S

CONFIG = """
pretraining: {pretraining}
tasks: [press_button, push_green]
demonstrations: 2
demonstrations_per_round: 1
evaluation_episodes: 0
final_episodes: 1
fine_tune_steps: 5
"""
PRETRAINING = "demonstrations: {press_button: 2}\ntraining: {hidden: [16], pretrain_steps: 60}\n"
REPOSITORY = str(Path(__file__).parents[2])


class Demo:
    """One run of the command."""

    def __init__(self, folder: Path, *more: str) -> None:
        words = ["demo", "--config", "small.yaml", "--out", "runs/demo", "--strategy", "round_robin", *more]
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "amf_ros.cli", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([REPOSITORY, os.environ["PYTHONPATH"]])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, text: str) -> None:
        """Read what it says until a line holds ``text``."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if text in line:
                return
        pytest.fail(f"ended before it said {text!r}:\n" + "\n".join(self.lines))

    def end(self) -> int:
        """Its exit code."""
        rest, _ = self.process.communicate(timeout=DEADLINE_S)
        self.lines += rest.splitlines()
        return self.process.returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(CONFIG.format(pretraining=tmp_path / "pretraining.yaml"))
    (tmp_path / "pretraining.yaml").write_text(PRETRAINING)
    return tmp_path


def test_an_interrupted_demo_leaves_nothing_and_continues_to_its_report(folder: Path) -> None:
    first = Demo(folder)
    first.until("round 1/2   choose")
    family = psutil.Process(first.process.pid).children(recursive=True)
    assert len(family) > 7
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 130
    assert first.lines[-1] == "stopped; the same command continues the demo"
    assert psutil.wait_procs(family, timeout=DEADLINE_S)[1] == []
    assert not (folder / "runs/demo/summary.json").exists()

    second = Demo(folder)
    assert second.end() == 0, "\n".join(second.lines)
    assert "continuing the unfinished demo in runs/demo" in second.lines
    assert any("reusing runs/pretrained/" in line for line in second.lines)
    assert second.lines[-1] == "runs/demo/report.html"
    assert not any("start       evaluate" in line for line in second.lines), "done before the interrupt"
    _check_files(folder / "runs/demo")


def _check_files(demo: Path) -> None:
    summary = json.loads((demo / "summary.json").read_text())
    assert summary["rounds"] == 2 and summary["strategy"] == "round_robin"
    assert summary["demonstrations"] == ["push_green", "press_button"]
    for key in ("success_before", "success_after"):
        assert summary[key]["episodes"] == 2
        assert {name: one["episodes"] for name, one in summary[key]["tasks"].items()} == {
            "press_button": 1,
            "push_green": 1,
        }
    phases = {"pre-training", "starting the graph", "evaluating", "fine_tuning", "report"}
    assert phases <= summary["seconds"].keys()
    assert Path(summary["report"]) == demo / "report.html"
    page = (demo / "report.html").read_text()
    assert page.count("data:image/webp;base64,") == 2 and page.rstrip().endswith("</html>")
    assert sorted(path.suffix for path in (demo / "demonstrations").glob("*.mcap")) == [".mcap"] * 2
    assert (demo / "log" / "session.log").is_file()
