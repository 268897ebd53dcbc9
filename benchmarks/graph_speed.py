"""Control steps per second: episodes over the ROS graph in lock-step, against one process.

    python benchmarks/graph_speed.py [--episodes 6] [--task tower_of_three] [--json]

Episodes are long (a task that the expert takes many steps for; a policy that knows nothing and runs into the
time limit), so that steps count and not resets. Wall time is from the reset to the result.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from amf_msgs.action import ExecutePolicy, RecordDemonstration
from amf_msgs.srv import ResetScene
from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.learning.checkpoints import load as load_checkpoint
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.ros import names
from amf_ros.ros.client.graph_client import GraphClient
from amf_ros.ros.client.ready import missing_servers
from amf_ros.ros.start.supervise import Graph
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_suite


def in_one_process(task: str, episodes: int, checkpoint: Path) -> dict[str, float]:
    policy = load_checkpoint(checkpoint).policy
    speeds = {}
    with closing(make_environment(load_suite("tabletop"))) as environment:
        for name in ("demonstrations", "roll-outs"):
            steps, started = 0, time.perf_counter()
            for seed in range(episodes):
                if name == "demonstrations":
                    steps += demonstrate(environment, task, seed, "d").num_steps
                else:
                    steps += run_policy(environment, policy, task, seed, "r").num_steps
            speeds[name] = steps / (time.perf_counter() - started)
    return speeds


def over_the_graph(task: str, episodes: int, checkpoint: Path, folder: Path) -> dict[str, float]:
    arguments = {"session_directory": str(folder), "real_time_factor": "0.0"}
    with Graph(arguments, folder / "log") as graph:
        os.environ.update(graph.environment)
        with missing_servers() as missing:
            while missing(0.1):
                graph.check()
        with GraphClient() as client:
            execute = partial(_execute, checkpoint.as_uri())
            return {
                "demonstrations": _measure(client, task, episodes, _record),
                "roll-outs": _measure(client, task, episodes, execute),
            }


def _measure(client: GraphClient, task: str, episodes: int, episode: Any) -> float:
    steps, started = 0, time.perf_counter()
    for seed in range(-1, episodes):
        if seed == 0:  # the one before was for nodes to find each other
            steps, started = 0, time.perf_counter()
        request = ResetScene.Request(task_id=task, seed=seed + 1)
        stamp = client.call(ResetScene, names.RESET_SCENE, request).stamp
        steps += episode(client, task, seed, stamp)
    return steps / (time.perf_counter() - started)


def _record(client: GraphClient, task: str, seed: int, stamp: Any) -> int:
    goal = RecordDemonstration.Goal(
        task_id=task, demonstration_id=f"d{seed + 1}", seed=seed + 1, source=1, start_stamp=stamp
    )
    result = client.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
    return int(result.demonstration.num_steps)


def _execute(uri: str, client: GraphClient, task: str, seed: int, stamp: Any) -> int:
    goal = ExecutePolicy.Goal(task_id=task, rollout_id=f"r{seed + 1}", checkpoint_uri=uri, start_stamp=stamp)
    return int(client.act(ExecutePolicy, names.EXECUTE_POLICY, goal).num_steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--task", default="tower_of_three")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="amf-speed-"))
    try:
        config = PretrainConfig(
            demonstrations={"press_button": 1}, training=TrainingConfig(pretrain_steps=50)
        )
        pretrain_checkpoint(config, folder / "pretrained", processes=1)
        checkpoint = folder / "pretrained" / "pretrained"
        alone = in_one_process(asked.task, asked.episodes, checkpoint)
        graph = over_the_graph(asked.task, asked.episodes, checkpoint, RunDirectory(folder / "run").root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if asked.json:
        print(json.dumps({"one_process": alone, "graph": graph}))
        return
    print(f"{asked.episodes} episodes of {asked.task}, control steps per second of wall time")
    print(f"{'':16}{'one process':>12}{'graph':>8}{'ratio':>8}{'x real time':>13}")
    for name, speed in alone.items():
        print(f"{name:16}{speed:12.0f}{graph[name]:8.0f}{graph[name] / speed:8.2f}{graph[name] / 20:13.1f}")


if __name__ == "__main__":
    main()
