"""task_selector as a process: killed, it comes back with the same answer; eight may ask it at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from support.deadline import DEADLINE_S
from support.graph import eventually, running, session_directory

from amf_msgs.msg import TaskScores
from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.core.frames import Frames
from amf_ros.core.values import Outcome, Rollout
from amf_ros.ros import names
from amf_ros.ros.client.answers import Refused
from amf_ros.ros.client.graph_client import GraphClient
from amf_ros.ros.node.runtime import AmfNode
from amf_ros.ros.start.supervise import Graph
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

QUESTION = NextTask.Request(num_tasks=3, seed=2, explain=True)


@pytest.fixture(scope="module")
def run(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A checkpoint and a roll-out of each task."""
    run = session_directory(tmp_path_factory.mktemp("run"), pretrained)
    rng, width = np.random.default_rng(0), len(load_contract("panda_tabletop").layout.elements)
    for task in TabletopSuite().tasks:
        states = rng.normal(size=(20, width))
        rollout = Rollout(
            f"pretrained_e00_{task.id}", task.id, Frames.of_vectors(states), Outcome.FAILURE, "pretrained", 20
        )
        RolloutStore(run.rollouts).save(rollout)
    return run


@pytest.fixture(scope="module")
def graph(run: RunDirectory) -> Iterator[Graph]:
    with running(run, only=("task_selector",)) as graph:
        yield graph


def ask(client: GraphClient) -> str:
    return str(client.call(NextTask, names.NEXT_TASK, QUESTION))


def test_killed_it_comes_back_with_the_same_answer_and_latched_scores(graph: Graph) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        before = ask(client)
        pid = graph.pids()["task_selector"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: graph.pids()["task_selector"] not in (0, pid), "not started again")
        assert ask(client) == before
        scores = client.latched(TaskScores, names.SCORES, timeout_s=DEADLINE_S)
        assert scores is not None and scores.error_code == 0
        assert len(scores.scores) == len(TabletopSuite().tasks)


def test_answers_wait_until_a_busy_caller_takes_them(graph: Graph) -> None:
    """With rclpy's queue of ten, those of a caller who looks away, or of others, push them out."""
    rclpy.init(args=[])
    node = AmfNode("busy_caller")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        client = node.create_client(NextTask, names.NEXT_TASK)
        assert client.wait_for_service(timeout_sec=60.0)
        futures = [client.call_async(NextTask.Request(seed=seed, strategy="uniform")) for seed in range(40)]
        with GraphClient(wait_s=DEADLINE_S) as other:
            for _ in range(40):
                ask(other)
        end = time.monotonic() + DEADLINE_S
        while not all(future.done() for future in futures) and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        assert sum(future.done() for future in futures) == 40
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def test_a_large_question_keeps_nobody_waiting(graph: Graph) -> None:
    rclpy.init(args=[])
    node = AmfNode("greedy_caller")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        client = node.create_client(NextTask, names.NEXT_TASK)
        assert client.wait_for_service(timeout_sec=60.0)
        large = client.call_async(NextTask.Request(num_tasks=NextTask.Request.MOST_TASKS, seed=1))
        with GraphClient(wait_s=DEADLINE_S) as other:
            for seed in range(10):
                other.call(NextTask, names.NEXT_TASK, NextTask.Request(strategy="uniform", seed=seed))
                other.call(GetTasks, names.GET_TASKS, GetTasks.Request())
            executor.spin_once(timeout_sec=0.0)
            assert not large.done()
            with pytest.raises(Refused, match="at most 1000") as refused:
                other.call(NextTask, names.NEXT_TASK, NextTask.Request(num_tasks=100_000))
            assert refused.value.code == NextTask.Response.BAD_REQUEST
        executor.spin_until_future_complete(large, timeout_sec=60.0)
        answer = large.result()
        assert answer.error_code in (NextTask.Response.NONE, NextTask.Response.OUT_OF_TIME)
        assert len(answer.task_ids) == (0 if answer.error_code else 1000)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def readme_client() -> str:
    """The Python client that README shows."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    (block,) = [one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "create_client" in one]
    return block


def run_client(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=DEADLINE_S)


def test_the_client_in_readme_gets_an_answer(graph: Graph) -> None:
    done = run_client(readme_client())
    assert done.returncode == 0, done.stderr
    answered, _, reason = done.stdout.partition("] ")
    assert any(task.id in answered for task in TabletopSuite().tasks) and reason.strip()


def test_the_client_in_readme_does_not_wait_for_ever() -> None:
    source = readme_client()
    assert "(5, 20, 60)" in source
    alone = source.replace("task_selector/next_task", "nobody/next_task").replace("(5, 20, 60)", "(0.2, 0.2)")
    done = run_client(alone)
    assert done.returncode == 1 and "TimeoutError: nobody/next_task does not answer" in done.stderr


def test_eight_clients_at_once_get_the_same_answer(graph: Graph) -> None:
    def alone(_: int) -> str:
        with GraphClient(wait_s=DEADLINE_S) as client:
            return ask(client)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(alone, range(8)))
    assert len(set(answers)) == 1 and "error_code=0" in answers[0]
