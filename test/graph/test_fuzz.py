"""Hostile messages end no node, and every request is answered: a short run of benchmarks/fuzz.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from amf_ros.ros.start import graph

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_message_request_or_goal_ends_a_node(tmp_path: Path) -> None:
    words = [sys.executable, "benchmarks/fuzz.py", "--messages", "280", "--seed", "7", "--json"]
    ran = subprocess.run([*words, "--keep", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    reports = json.loads(ran.stdout)
    assert [report["node"] for report in reports] == [node.name for node in graph.NODES]
    for report in reports:
        assert report["exit_code"] is None, report["log"]
        assert report["unanswered"] == []
        assert report["interfaces"] >= 2, "it was hardly found"
        assert report["messages"] >= 40 and report["caught"] == {}
    assert ran.returncode == 0
