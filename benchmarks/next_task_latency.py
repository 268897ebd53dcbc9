"""Latency of the next-task service, as any node sees it: request to response, another process.

    python benchmarks/next_task_latency.py [--rollouts 4] [--calls 40] [--callers 8] [--json]

The floor is ``task_selector/get_tasks``, the same path without a question. The session directory holds a
pre-trained checkpoint and ``--rollouts`` episodes of each of the suite's tasks. Of ``amf``: the same question
again, another question about the same things, a question after each new roll-out, and ``--callers`` clients
with different questions at once; ``first`` is the answer of a selector that has just been started.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.core.config import PretrainConfig
from amf_ros.core.frames import Frames
from amf_ros.core.plugins import load, names
from amf_ros.core.values import Outcome, Rollout
from amf_ros.ros import names as ros_names
from amf_ros.ros.client.graph_client import GraphClient, Refused
from amf_ros.ros.start.supervise import Graph
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory

BATCH = 3
WIDTH = len(load_contract("panda_tabletop").layout.elements)
SEEDS = itertools.count(1)


def prepare(folder: Path, rollouts: int) -> RunDirectory:
    """A session directory as after an evaluation; what the states are does not matter to the time."""
    run = RunDirectory(folder)
    config = PretrainConfig(demonstrations={"press_button": 1})
    config = config.model_copy(update={"training": config.training.model_copy(update={"pretrain_steps": 20})})
    pretrain_checkpoint(config, run.checkpoints, processes=1)
    for task in load("suite", "tabletop")().tasks:
        for number in range(rollouts):
            visit(run, task.id, number)
    for directory in (run.checkpoints, run.rollouts, run.demonstrations):
        os.utime(directory, (1, 1))  # written long ago: the selector reads news twice
    return run


def visit(run: RunDirectory, task_id: str, number: int) -> None:
    states = np.random.default_rng(number).normal(size=(150, WIDTH))
    name = f"pretrained_e{number:02d}_{task_id}"
    outcome = (Outcome.FAILURE, Outcome.SUCCESS)[number % 2]  # each news moves the rate, and so the anchors
    rollout = Rollout(name, task_id, Frames.of_vectors(states), outcome, "pretrained", len(states))
    RolloutStore(run.rollouts).save(rollout)


def latencies_ms(
    calls: int, ask: Callable[[], Any], before: Callable[[], Any] = lambda: None, warm: bool = True
) -> np.ndarray:
    if warm:
        ask()
    seconds = []
    for _ in range(calls):
        before()
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return np.array(seconds) * 1e3


def next_task(client: GraphClient, strategy: str = "amf", seed: int = 0) -> None:
    client.call(
        NextTask, ros_names.NEXT_TASK, NextTask.Request(strategy=strategy, num_tasks=BATCH, seed=seed)
    )


def another(client: GraphClient, strategy: str = "amf") -> None:
    """A question that nobody asked before, so that the strategy must think."""
    next_task(client, strategy, next(SEEDS))


def at_once(callers: int, calls: int) -> np.ndarray:
    """Latencies of all calls of several callers who do not wait for one another."""

    def caller(_: int) -> np.ndarray:
        with GraphClient(wait_s=60.0) as client:
            return latencies_ms(calls, partial(another, client))

    with ThreadPoolExecutor(callers) as pool:
        return np.concatenate(list(pool.map(caller, range(callers))))


def measure(run: RunDirectory, calls: int, callers: int) -> dict[str, np.ndarray]:
    found = {}
    numbers = itertools.count(1000)
    with Graph({"session_directory": str(run.root)}, run.root / "log", only=("task_selector",)) as graph:
        os.environ.update(graph.environment)
        with GraphClient(wait_s=60.0) as client:
            client.expect(NextTask, ros_names.NEXT_TASK)
            found["next_task amf, first"] = latencies_ms(1, partial(another, client), warm=False)
            found["get_tasks"] = latencies_ms(
                calls, lambda: client.call(GetTasks, ros_names.GET_TASKS, GetTasks.Request())
            )
            found["next_task amf, asked before"] = latencies_ms(calls, partial(next_task, client))
            for strategy in names("strategy"):
                try:
                    found[f"next_task {strategy}"] = latencies_ms(calls, partial(another, client, strategy))
                except Refused as refusal:  # it needs other settings than the defaults
                    print(f"left out {strategy}: {refusal}", file=sys.stderr)
            found["next_task amf, new roll-out"] = latencies_ms(
                calls, partial(another, client), lambda: visit(run, "open_drawer", next(numbers))
            )
            found[f"next_task amf, {callers} callers at once"] = at_once(callers, calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=4)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="amf-latency-"))
    try:
        found = measure(prepare(folder, asked.rollouts), asked.calls, asked.callers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = {name: {"p50_ms": np.median(ms), "p99_ms": np.quantile(ms, 0.99)} for name, ms in found.items()}
    if asked.json:
        print(json.dumps(rows))
        return
    floor = rows["get_tasks"]["p50_ms"]
    print(f"{asked.rollouts} roll-outs of each task, a batch of {BATCH}, {asked.calls} calls")
    print(f"{'':38}{'p50 [ms]':>10}{'p99 [ms]':>10}{'x floor':>9}")
    for name, row in rows.items():
        print(f"{name:38}{row['p50_ms']:10.1f}{row['p99_ms']:10.1f}{row['p50_ms'] / floor:9.1f}")


if __name__ == "__main__":
    main()
