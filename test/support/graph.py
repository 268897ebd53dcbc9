"""Graphs of real processes, small: tiny networks, few steps, easy tasks."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from amf_msgs.action import RunSession
from amf_msgs.msg import SessionState
from amf_ros.core.config import TrainingConfig
from amf_ros.ros import names
from amf_ros.ros.client.graph_client import GraphClient, SendAgain
from amf_ros.ros.client.ready import missing_servers
from amf_ros.ros.start.supervise import Graph
from amf_ros.session.journal import Journal
from amf_ros.session.plan import Plan, resolve
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite
from support.deadline import DEADLINE_S

TRAINING = TrainingConfig(hidden=(64, 64), pretrain_steps=200)
TASKS = ("press_button", "place_red_left", "push_green")


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
def running(run: RunDirectory, suite: str = "tabletop", **options: object) -> Iterator[Graph]:
    """A graph in lock-step; afterwards none of its processes is left."""
    arguments = {"session_directory": str(run.root), "real_time_factor": "0.0", "suite": suite}
    with pytest.MonkeyPatch.context() as patch:
        with Graph(arguments, run.root / "log", **options) as graph:  # type: ignore[arg-type]
            for name, value in graph.environment.items():
                patch.setenv(name, value)
            yield graph
        log = (graph.logs / "supervisor.log").read_text()
        pids = [int(pid) for pid in re.findall(r"spawned: '\w+' with pid (\d+)", log)]
        assert pids
        eventually(lambda: not any(alive(pid) for pid in pids), "a node is left behind")


def connected(graph: Graph) -> AbstractContextManager[GraphClient]:
    """A client of a whole graph, once that is up."""
    return connect_when_ready(graph.check)


@contextmanager
def connect_when_ready(check: Callable[[], None] = lambda: None) -> Iterator[GraphClient]:
    """A client of the whole graph in this process's domain, once that is up."""
    end = time.monotonic() + DEADLINE_S
    with missing_servers() as missing:
        while waiting := missing(0.1):
            check()
            assert time.monotonic() < end, f"not ready: {waiting}"
    with GraphClient(wait_s=DEADLINE_S) as client:
        yield client


def eventually(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def goal_of(plan: Plan) -> RunSession.Goal:
    return RunSession.Goal(
        candidate_ids=list(plan.candidates),
        target_ids=list(plan.targets),
        strategy=plan.strategy,
        num_rounds=plan.num_rounds,
        demonstrations_per_round=plan.demonstrations_per_round,
        evaluation_episodes=plan.evaluation_episodes,
        final_episodes=plan.final_episodes,
        fine_tune_steps=plan.fine_tune_steps,
        attempts=plan.attempts,
        go_on=plan.go_on,
        stop_early=plan.stop_early,
        seed=plan.seed,
    )


def run_session(
    client: GraphClient, plan: Plan, on_state: Callable[[SessionState], None] = lambda _: None
) -> RunSession.Result:
    """As ``amf session`` does: when nothing is heard, the session node may have been restarted."""
    return client.act(
        RunSession,
        names.RUN_SESSION,
        goal_of(plan),
        feedback=lambda message: on_state(message.state),
        again=SendAgain(3.0, RunSession.Result.BUSY),
    )


def story(run: RunDirectory) -> dict[str, object]:
    """What a session did, but for the times it took and where it did it."""
    with Journal(run.database, read_only=True) as journal:
        return {entry.key: _timeless(entry.value) for entry in journal.entries()}


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in ("uri", "stamp_ns")}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
