"""The raw rows of a sweep as one small file, ``<name>.rows.jsonl.gz``: one line per run and curve.

    write_rows(path, {"name": "kinematic", "reference": "uniform"}, panels, rows)
    header, panels, rows = read_rows(path)

The first line says how the sweep was made. Every other line is one run in one curve: seed, setting, strategy,
the places ``x`` and the values ``y`` of the curve, and what the run itself gave: the tasks that were chosen,
each task's success at each point, attempts, minutes. So every mean and interval can be computed again, by
``benchmarks/recompute.py``, without running anything. Imports statistics and store.files.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amf_ros.core.errors import DataError
from amf_ros.store.files import storage_errors, write_whole
from amf_ros.sweep.cluster import Row
from amf_ros.sweep.result_files import plain
from amf_ros.sweep.statistics import Curves

SUFFIX = ".rows.jsonl.gz"
_SCHEMA = "amf_sweep_rows/1"
_LEFT_OUT = ("selection_s", "seconds")  # times of this machine: other on each run, and no result


def write_rows(
    path: Path,
    header: Mapping[str, Any],
    panels: Mapping[str, Mapping[str, Curves]],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write one line per setting, strategy and seed. Equal contents give equal bytes.

    Args:
        path: of the file.
        header: what is known of the whole sweep; JSON.
        panels: setting -> strategy -> curves.
        rows: the runs; those of a curve's setting, strategy and seed say what the run gave.

    Raises:
        StorageError: the file cannot be written.
    """
    runs = {run_key(row["job"]): row for row in rows}
    lines: list[Any] = [{"schema": _SCHEMA, **header}]
    for setting, curves in panels.items():
        for strategy, own in curves.items():
            for seed, values in zip(own.seeds, own.y):
                line = {"setting": setting, "strategy": strategy, "seed": seed, "x": own.x, "y": values}
                run = runs.get((setting, strategy, seed))
                if run is not None:
                    result = {key: value for key, value in run["result"].items() if key not in _LEFT_OUT}
                    line["run"] = {"seconds": round(run["seconds"], 1), "result": result}
                lines.append(line)
    text = "".join(json.dumps(plain(line), separators=(",", ":")) + "\n" for line in lines)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, gzip.compress(text.encode(), mtime=0))


def run_key(job: Mapping[str, Any]) -> tuple[str, str, int]:
    """Return the name of a job's setting, its strategy and its seed; empty where it is of no sessions."""
    setting = job.get("setting", {})
    return str(setting.get("name", "")), str(job.get("strategy", "")), int(job.get("seed", 0))


def read_rows(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Curves]], list[Row]]:
    """Read what :func:`write_rows` wrote.

    Returns:
        The header, the panels, and the runs as far as they stand in the file.

    Raises:
        DataError: the file is damaged or something else.
        StorageError: it cannot be read.
    """
    with storage_errors(path):
        data = path.read_bytes()
    try:
        header, *lines = (json.loads(line) for line in gzip.decompress(data).decode().splitlines())
        if header.pop("schema") != _SCHEMA:
            raise DataError(f"{path}: is no file of rows of this version ({_SCHEMA})")
        return header, _panels(lines), [_run(line) for line in lines if "run" in line]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is no file of a sweep's rows ({error}); run the benchmark again") from error


def _panels(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curves]]:
    grouped: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for line in lines:
        grouped.setdefault(line["setting"], {}).setdefault(line["strategy"], []).append(line)
    return {
        setting: {strategy: _curves(own) for strategy, own in strategies.items()}
        for setting, strategies in grouped.items()
    }


def _curves(lines: Sequence[Mapping[str, Any]]) -> Curves:
    values = np.array([line["y"] for line in lines], dtype=np.float64)  # null becomes NaN
    places = np.array(lines[0]["x"], dtype=np.float64)
    return Curves(places, tuple(line["seed"] for line in lines), values)


def _run(line: Mapping[str, Any]) -> Row:
    job = {"strategy": line["strategy"], "seed": line["seed"], "setting": {"name": line["setting"]}}
    return {"job": job, **line["run"]}
