"""Latency of the next-task service, as any node sees it: request to response, another process.

    python benchmarks/next_task_latency.py [--rollouts 4] [--calls 40] [--json]

The floor is ``task_selector/get_tasks``, the same path without a question. The session directory holds a
pre-trained checkpoint and ``--rollouts`` episodes of each of the suite's tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amf_msgs.srv import GetTasks, NextTask
from amf_ros.config import PretrainConfig
from amf_ros.contract import load_contract
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.registry import load, names
from amf_ros.ros import names as ros_names
from amf_ros.ros.clients import GraphClient
from amf_ros.ros.supervise import Graph
from amf_ros.training.pretrain import pretrain_checkpoint
from amf_ros.types import Outcome, Rollout


def prepare(folder: Path, rollouts: int) -> RunDirectory:
    """A session directory as after an evaluation; what the states are does not matter to the time."""
    run = RunDirectory(folder)
    config = PretrainConfig(demonstrations={"press_button": 1})
    config = config.model_copy(update={"training": config.training.model_copy(update={"pretrain_steps": 20})})
    pretrain_checkpoint(config, run.checkpoints, processes=1)
    store, rng = RolloutStore(run.rollouts), np.random.default_rng(0)
    width = len(load_contract("panda_tabletop").observation_names)
    for task in load("suite", "tabletop")().tasks:
        for number in range(rollouts):
            states = rng.normal(size=(150, width))
            name = f"pretrained_e{number:02d}_{task.id}"
            store.save(Rollout(name, task.id, states, Outcome.FAILURE, "pretrained", len(states)))
    return run


def latencies_ms(calls: int, ask: Callable[[], Any]) -> np.ndarray:
    ask()
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return np.array(seconds) * 1e3


def measure(run: RunDirectory, calls: int) -> dict[str, np.ndarray]:
    found = {}
    with Graph({"session_directory": str(run.root)}, run.root / "log", only=("task_selector",)) as graph:
        os.environ.update(graph.environment)
        with GraphClient(wait_s=60.0) as client:
            found["get_tasks"] = latencies_ms(
                calls, lambda: client.call(GetTasks, ros_names.GET_TASKS, GetTasks.Request())
            )
            for strategy in names("strategy"):
                request = NextTask.Request(strategy=strategy, num_tasks=3)
                found[f"next_task {strategy}"] = latencies_ms(
                    calls, lambda request=request: client.call(NextTask, ros_names.NEXT_TASK, request)
                )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=4)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="amf-latency-"))
    try:
        found = measure(prepare(folder, asked.rollouts), asked.calls)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = {name: {"p50_ms": np.median(ms), "p99_ms": np.quantile(ms, 0.99)} for name, ms in found.items()}
    if asked.json:
        print(json.dumps(rows))
        return
    floor = rows["get_tasks"]["p50_ms"]
    print(f"{asked.rollouts} roll-outs of each task, a batch of 3, {asked.calls} calls")
    print(f"{'':28}{'p50 [ms]':>10}{'p99 [ms]':>10}{'x floor':>9}")
    for name, row in rows.items():
        print(f"{name:28}{row['p50_ms']:10.1f}{row['p99_ms']:10.1f}{row['p50_ms'] / floor:9.1f}")


if __name__ == "__main__":
    main()
