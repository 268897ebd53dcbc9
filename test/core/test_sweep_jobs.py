"""Sweeps: every job once, killed and resumed, failures told, no process left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from amf_ros.core.errors import ConfigError, DataError, UnknownName
from amf_ros.sweep.jobs import key_of, plain, run

# What the processes of a sweep import: they know modules by name, and this one has none for them.
SCRIPT = """
import os, sys, threading
from pathlib import Path
from amf_ros.core.errors import UnknownName
from amf_ros.sweep.jobs import run

def work(job):
    if job["seed"] == 2:
        raise UnknownName("task", "opne", ["open"])
    if job.get("_hang") and job["seed"] == 1:
        print("hanging", flush=True)
        threading.Event().wait()
    if job.get("_die") and job["seed"] == 0:
        os._exit(7)
    return {"square": job["seed"] ** 2, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}

if __name__ == "__main__":
    how = {"_" + word: True for word in sys.argv[2:]}
    try:
        rows = run("squares", work, [{"seed": s, **how} for s in range(5)], Path(sys.argv[1]), workers=2)
    except KeyboardInterrupt:
        sys.exit(130)
    print([row["result"]["square"] for row in rows])
    sys.exit(0 if {row["result"]["threads"] for row in rows} == {"1"} else 9)
"""


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    (tmp_path / "sweep.py").write_text(SCRIPT)
    return [sys.executable, str(tmp_path / "sweep.py"), str(tmp_path / "out")]


def square(job: dict[str, Any]) -> dict[str, Any]:
    return {"square": job["seed"] ** 2}


def refuse(job: dict[str, Any]) -> dict[str, Any]:
    raise UnknownName("task", "opne", ["open"])


def results(folder: Path) -> set[Path]:
    return {path for path in folder.glob("squares/*") if path.name.endswith(".json")}


def test_processes_do_all_jobs_and_tell_the_one_that_fails(script: list[str], tmp_path: Path) -> None:
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0, 1, 9, 16]\n"
    assert "failed: seed=2: unknown task 'opne': did you mean 'open'?" in done.stderr
    assert "1 of 5 jobs failed" in done.stderr
    (kept,) = (tmp_path / "out" / "squares").glob("*.failed.txt")
    assert "Traceback" in kept.read_text()


def test_a_killed_sweep_leaves_no_process_and_continues_with_what_is_missing(
    script: list[str], tmp_path: Path
) -> None:
    child = subprocess.Popen([*script, "hang"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    assert child.stdout.readline() == "hanging\n"  # by then the other process does the other jobs
    assert any("seed=4" in line for line in iter(child.stderr.readline, ""))
    family = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.communicate(timeout=30)
    assert len(family) >= 2 and psutil.wait_procs(family, timeout=20)[1] == []
    before = {path: path.stat().st_mtime_ns for path in results(tmp_path / "out")}
    assert len(before) == 3
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[0, 1, 9, 16]\n"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_ctrl_c_ends_a_job_that_would_never_end(script: list[str], tmp_path: Path) -> None:
    child = subprocess.Popen([*script, "hang"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "hanging\n"
    family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=30)
    assert child.returncode == 130 and "Traceback" not in complaint
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_process_that_dies_is_a_failure_with_advice(script: list[str]) -> None:
    done = subprocess.run([*script, "die"], capture_output=True, text=True, timeout=60)
    assert "failed: seed=0" in done.stderr and "a worker process died" in done.stderr


def test_a_second_run_makes_nothing_and_fresh_makes_all(tmp_path: Path) -> None:
    made: list[int] = []

    def work(job: dict[str, Any]) -> dict[str, Any]:
        made.append(job["seed"])
        return square(job)

    jobs = [{"seed": seed, "_folder": "here"} for seed in range(3)]
    first = run("squares", work, jobs, tmp_path, workers=1, progress=False)
    moved = [{**job, "_folder": "there"} for job in jobs]
    again = run("squares", work, moved, tmp_path, workers=1, progress=False)
    assert made == [0, 1, 2]
    assert [row["result"] for row in again] == [row["result"] for row in first]
    assert [row["job"] for row in again] == moved
    run("squares", work, jobs[:1], tmp_path, workers=1, progress=False, fresh=True)
    assert made == [0, 1, 2, 0]


def test_a_sweep_of_failures_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="all 2 jobs failed, the first with: unknown task 'opne'"):
        run("squares", refuse, [{"seed": 0}, {"seed": 1}], tmp_path, workers=1, progress=False)
    assert not results(tmp_path)
    run("squares", square, [{"seed": 0}, {"seed": 1}], tmp_path, workers=1, progress=False)
    assert len(results(tmp_path)) == 2 and not list(tmp_path.rglob("*.failed.txt"))


def test_a_key_depends_on_what_is_asked_alone() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1, "_out": "x"})
    assert key_of({"a": 1}) != key_of({"a": 2})


@pytest.mark.parametrize("job", [{"array": np.zeros(2)}, {"rate": float("nan")}])
def test_a_job_that_is_no_plain_data_is_refused(job: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plain data"):
        run("squares", square, [job], tmp_path, workers=1)


def test_a_job_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed=0 stands twice"):
        run("squares", square, [{"seed": 0}, {"seed": 0, "_cache": "x"}], tmp_path, workers=1)


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers is 0"):
        run("squares", square, [{"seed": 0}], tmp_path, workers=0)


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    run("squares", square, [{"seed": 0}], tmp_path, workers=1, progress=False)
    (path,) = results(tmp_path)
    path.write_text("{")
    with pytest.raises(DataError, match=f"{path.name}: is no result"):
        run("squares", square, [{"seed": 0}], tmp_path, workers=1, progress=False)


def test_results_are_plain() -> None:
    mixed = {"nan": float("nan"), "array": np.array([1.0, np.inf]), "count": np.int64(3), "pair": (1, "a")}
    assert json.dumps(plain(mixed), allow_nan=False) == (
        '{"nan": null, "array": [1.0, null], "count": 3, "pair": [1, "a"]}'
    )


def test_threads_and_environment_are_as_before(tmp_path: Path) -> None:
    before = {name: value for name, value in os.environ.items() if name.endswith("NUM_THREADS")}
    run("squares", square, [{"seed": 0}], tmp_path, workers=1, progress=False)
    assert {n: v for n, v in os.environ.items() if n.endswith("NUM_THREADS")} == before


def test_without_ray_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="pip install -r requirements/benchmarks.txt"):
        run("squares", square, [{"seed": 0}], tmp_path, ray_address="auto", progress=False)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_does_the_jobs_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(job: dict[str, Any]) -> dict[str, Any]:  # one of this function's own travels by value
        if job["seed"] == 1:
            raise UnknownName("task", "opne", ["open"])
        return {"square": job["seed"] ** 2, "pid": os.getpid()}

    jobs = [{"seed": seed} for seed in range(3)]
    rows = run("squares", work, jobs, tmp_path, ray_address="local", progress=False)
    assert [row["result"]["square"] for row in rows] == [0, 4]
    assert os.getpid() not in {row["result"]["pid"] for row in rows}
    assert "failed: seed=1: unknown task 'opne': did you mean 'open'?" in capsys.readouterr().err
