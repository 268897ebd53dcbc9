"""Graphs of real processes, small: tiny networks, few steps, easy tasks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from amf_ros.config import TrainingConfig
from amf_ros.data.run_directory import RunDirectory
from amf_ros.ros.clients import GraphClient
from amf_ros.ros.ready import missing_servers
from amf_ros.ros.supervise import Graph
from amf_ros.session.plan import Plan, resolve
from amf_ros.tasks.tabletop import TabletopSuite

TRAINING = TrainingConfig(hidden=(64, 64), pretrain_steps=200)
TASKS = ("press_button", "place_red_left", "push_green")
READY_S = 90.0


def small_plan(**changes: object) -> Plan:
    data: dict[str, object] = {
        "candidates": TASKS,
        "targets": TASKS,
        "num_rounds": 2,
        "demonstrations_per_round": 2,
        "evaluation_episodes": 1,
        "fine_tune_steps": 60,
        "seed": 3,
    }
    return resolve(Plan.model_validate(data | changes), [task.id for task in TabletopSuite().tasks])


def session_directory(folder: Path, pretrained: Path) -> RunDirectory:
    """A run that starts from the pre-trained checkpoint."""
    run = RunDirectory(folder)
    shutil.copytree(pretrained, run.checkpoints / pretrained.name)
    return run


@contextmanager
def running(run: RunDirectory, **options: object) -> Iterator[Graph]:
    """A graph in lock-step; afterwards none of its processes is left."""
    arguments = {"session_directory": str(run.root), "real_time_factor": "0.0"}
    with pytest.MonkeyPatch.context() as patch:
        with Graph(arguments, run.root / "log", **options) as graph:  # type: ignore[arg-type]
            for name, value in graph.environment.items():
                patch.setenv(name, value)
            pids = list(graph.pids().values())
            yield graph
            pids += list(graph.pids().values())
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids if pid), "a node is left behind")


@contextmanager
def connected(graph: Graph) -> Iterator[GraphClient]:
    """A client of a whole graph that is up."""
    end = time.monotonic() + READY_S
    with missing_servers() as missing:
        while waiting := missing(0.1):
            graph.check()
            assert time.monotonic() < end, f"not ready: {waiting}"
    with GraphClient(wait_s=READY_S) as client:
        yield client


def eventually(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
