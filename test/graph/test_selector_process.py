"""task_selector as a process: killed, it comes back with the same answer; eight may ask it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.graph import eventually, running, session_directory

from amf_msgs.msg import TaskScores
from amf_msgs.srv import NextTask
from amf_ros.contract import load_contract
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.ros import names
from amf_ros.ros.clients import GraphClient
from amf_ros.ros.supervise import Graph
from amf_ros.tasks.tabletop import TabletopSuite
from amf_ros.types import Outcome, Rollout

QUESTION = NextTask.Request(num_tasks=3, seed=2, explain=True)


@pytest.fixture(scope="module")
def run(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A checkpoint and a roll-out of each task."""
    run = session_directory(tmp_path_factory.mktemp("run"), pretrained)
    rng, width = np.random.default_rng(0), len(load_contract("panda_tabletop").observation_names)
    for task in TabletopSuite().tasks:
        states = rng.normal(size=(20, width))
        rollout = Rollout(f"pretrained_e00_{task.id}", task.id, states, Outcome.FAILURE, "pretrained", 20)
        RolloutStore(run.rollouts).save(rollout)
    return run


@pytest.fixture(scope="module")
def graph(run: RunDirectory) -> Iterator[Graph]:
    with running(run, only=("task_selector",)) as graph:
        yield graph


def ask(client: GraphClient) -> str:
    return str(client.call(NextTask, names.NEXT_TASK, QUESTION))


def test_killed_it_comes_back_with_the_same_answer_and_latched_scores(graph: Graph) -> None:
    with GraphClient(wait_s=60.0) as client:
        before = ask(client)
        pid = graph.pids()["task_selector"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: graph.pids()["task_selector"] not in (0, pid), "not started again", 30.0)
        assert ask(client) == before
        scores = client.latched(TaskScores, names.SCORES, timeout_s=30.0)
        assert scores is not None and scores.error_code == 0
        assert len(scores.scores) == len(TabletopSuite().tasks)


def test_eight_clients_at_once_get_the_same_answer(graph: Graph) -> None:
    def alone(_: int) -> str:
        with GraphClient(wait_s=60.0) as client:
            return ask(client)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(alone, range(8)))
    assert len(set(answers)) == 1 and "error_code=0" in answers[0]
