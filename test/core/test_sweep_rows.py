"""The raw rows of a sweep: everything that was published can be computed again from them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amf_ros.core.errors import DataError, StorageError
from amf_ros.sweep.publish import markdown_of, publish, recompute
from amf_ros.sweep.rows import SUFFIX, read_rows
from amf_ros.sweep.statistics import collect

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COMMITTED = BENCHMARKS.parent / "docs" / "benchmarks"


def made_up(name: str, gain: float, seed: int) -> dict[str, Any]:
    rates = np.random.default_rng(seed).uniform(size=3).round(2) + [0.0, gain, gain]
    return {
        "job": {"strategy": name, "seed": seed, "setting": {"name": "mismatched"}},
        "result": {
            "demonstrations": [0, 4, 8],
            "success": rates.tolist(),
            "tasks": {"push": rates.tolist(), "pull": [0.0, 0.5, 1.0]},
            "chosen": ["push"] * 5 + ["pull"] * 3,
            "missed": [],
            "failed": 1,
            "attempts": [[1, "push", 3.0]],
            "unseen": [float("nan")] * 3,
            "seconds": {"selecting": 0.1},
        },
        "seconds": 2.0,
    }


ROWS = [made_up(name, gain, seed) for name, gain in (("amf", 0.4), ("uniform", 0.0)) for seed in range(4)]


def test_tables_and_intervals_are_computed_again_from_the_rows_alone(tmp_path: Path) -> None:
    panels = {"mismatched": collect(ROWS), "other": collect(ROWS)}
    found = publish(tmp_path, "demo", panels, reference="uniform", rows=ROWS, num_jobs=9, plot=False)
    again = recompute(tmp_path / f"demo{SUFFIX}")
    assert again.document == found.document == json.loads((tmp_path / "demo.json").read_text())
    assert markdown_of(again) == (tmp_path / "demo.md").read_text()


def test_there_is_a_row_for_each_run_with_its_choices_and_outcomes(tmp_path: Path) -> None:
    publish(
        tmp_path,
        "demo",
        {"mismatched": collect(ROWS)},
        reference="uniform",
        rows=ROWS,
        num_jobs=8,
        plot=False,
    )
    path = tmp_path / f"demo{SUFFIX}"
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len(lines) == 1 + len(ROWS)
    for line, row in zip(lines[1:], ROWS):
        told = {"setting": "mismatched", **row["job"]} | {"setting": "mismatched"}
        assert {key: line[key] for key in told} == told
        assert line["y"] == row["result"]["success"] and line["x"] == [0, 4, 8]
        wanted = {key: value for key, value in row["result"].items() if key not in ("seconds", "unseen")}
        assert {key: line["run"]["result"][key] for key in wanted} == wanted
    assert path.read_bytes()[4:8] == bytes(4)  # no time of writing: the same rows are the same bytes


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / f"odd{SUFFIX}"
    with pytest.raises(StorageError, match="odd"):
        read_rows(path)
    for data in (b"text", gzip.compress(b"[]\n"), gzip.compress(b'{"schema": "amf_sweep_rows/9"}\n'), b""):
        path.write_bytes(data)
        with pytest.raises(DataError, match="odd.rows.jsonl.gz: is no file of"):
            read_rows(path)


def test_there_are_committed_rows() -> None:
    assert {"kinematic_seeds_100.rows.jsonl.gz"} <= {path.name for path in COMMITTED.glob(f"*{SUFFIX}")}


@pytest.mark.parametrize("path", sorted(COMMITTED.glob(f"*{SUFFIX}")), ids=lambda path: path.name)
def test_the_committed_results_are_those_of_the_committed_rows(path: Path) -> None:
    words = [sys.executable, str(BENCHMARKS / "recompute.py"), str(path), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (again,) = json.loads(done.stdout)
    document = json.loads(path.with_name(path.name.replace(SUFFIX, ".json")).read_text())
    assert {key: document[key] for key in again} == again
