"""The whole loop over real processes, and with some of them killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.graph import (
    TASKS,
    connected,
    eventually,
    run_session,
    running,
    session_directory,
    small_plan,
    story,
)

from amf_msgs.action import RunSession
from amf_msgs.msg import SessionState
from amf_msgs.srv import NextTask
from amf_ros.contract import load_contract
from amf_ros.ros import names
from amf_ros.ros.client.graph_client import GraphClient, Refused
from amf_ros.ros.start import graph as description
from amf_ros.ros.start.supervise import Graph
from amf_ros.session.journal import Journal
from amf_ros.session.local import run_local
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

PLAN = small_plan()


@pytest.fixture(scope="module")
def alone(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The same session in one process."""
    folder = tmp_path_factory.mktemp("alone")
    run_local(PLAN, pretrained, folder)
    return RunDirectory(folder)


@pytest.fixture(scope="module")
def graph_run(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return session_directory(tmp_path_factory.mktemp("graph"), pretrained)


@pytest.fixture(scope="module")
def graph(graph_run: RunDirectory) -> Iterator[Graph]:
    with running(graph_run) as graph:
        yield graph


@pytest.fixture(scope="module")
def client(graph: Graph) -> Iterator[GraphClient]:
    with connected(graph) as client:
        yield client


@pytest.fixture(scope="module")
def result(client: GraphClient) -> RunSession.Result:
    return run_session(client, PLAN)


def test_a_session_runs_to_its_end(result: RunSession.Result) -> None:
    assert result.error_code == 0 and result.rounds_completed == 2
    assert {evaluation.task_id for evaluation in result.evaluations} == set(TASKS)
    assert result.checkpoint.id == "round_0002" and result.checkpoint.num_demonstrations == 4


def test_the_graph_does_what_one_process_does(
    result: RunSession.Result, graph_run: RunDirectory, alone: RunDirectory
) -> None:
    assert story(graph_run) == story(alone)
    contract, suite = load_contract("panda_tabletop"), TabletopSuite()
    recorded, simulated = (DemonstrationStore(run.demonstrations) for run in (graph_run, alone))
    own = {demo.id: demo for demo in simulated.all_usable(contract, suite)}
    for demo in recorded.all_usable(contract, suite):
        np.testing.assert_array_equal(demo.observations.flat(), own[demo.id].observations.flat())
        np.testing.assert_array_equal(demo.actions, own[demo.id].actions)
    assert recorded.attempts() == simulated.attempts()
    visited = {rollout.id: rollout for rollout in RolloutStore(alone.rollouts).all()}
    for rollout in RolloutStore(graph_run.rollouts).all():
        np.testing.assert_array_equal(rollout.observations.flat(), visited[rollout.id].observations.flat())


def test_the_same_goal_again_is_answered_from_what_is_stored(
    result: RunSession.Result, client: GraphClient, graph_run: RunDirectory
) -> None:
    files = sorted(graph_run.demonstrations.glob("*.mcap"))
    again = run_session(client, PLAN)
    assert again.checkpoint.id == result.checkpoint.id
    assert sorted(graph_run.demonstrations.glob("*.mcap")) == files


def test_another_goal_in_the_same_directory_is_refused(
    result: RunSession.Result, client: GraphClient
) -> None:
    with pytest.raises(Refused) as refusal:
        run_session(client, PLAN.model_copy(update={"seed": 4}))
    assert refusal.value.code == RunSession.Result.PLAN_CHANGED and "seed" in str(refusal.value)


def test_next_task_may_be_asked_by_anybody(result: RunSession.Result, client: GraphClient) -> None:
    request = NextTask.Request(candidate_ids=list(TASKS), target_ids=list(TASKS), num_tasks=2)
    answer = client.call(NextTask, names.NEXT_TASK, request)
    assert len(answer.task_ids) == 2 and set(answer.task_ids) <= set(TASKS)
    assert answer.policy_id == "round_0002" and answer.reason
    assert sorted(score.task_id for score in answer.scores) == sorted(TASKS)
    assert answer == client.call(NextTask, names.NEXT_TASK, request)


def test_stopping_the_graph_at_work_ends_every_node_cleanly(
    result: RunSession.Result, graph: Graph, client: GraphClient, graph_run: RunDirectory
) -> None:
    stopped: list[int] = []

    def on_state(state: Any) -> None:
        if state.phase == SessionState.PHASE_DEMONSTRATING and not stopped:
            stopped.append(state.round)
            graph.stop()

    with pytest.raises(Refused) as refusal:
        run_session(client, PLAN.model_copy(update={"num_rounds": 5}), on_state)
    assert refusal.value.code == RunSession.Result.CANCELLED and stopped == [3]
    log = (graph.logs / "supervisor.log").read_text()
    ends = [line for line in log.splitlines() if "stopped:" in line or "exited:" in line or "killing" in line]
    assert log.count("(exit status 0)") == len(description.NODES), "\n".join(ends)
    for node in description.NODES:
        assert "Traceback" not in (graph.logs / f"{node.name}.log").read_text()
    assert not list((graph_run.demonstrations / ".staging").iterdir())
    with Journal(graph_run.database, read_only=True) as journal:
        assert journal.plan is not None and journal.plan.num_rounds == 5


def test_killed_nodes_come_back_and_the_session_ends_as_if_nothing_had_happened(
    pretrained: Path, tmp_path: Path
) -> None:
    """The fine-tuner dies while it trains, the session while it evaluates, the executor while it drives."""
    plan = small_plan(fine_tune_steps=400, num_rounds=1)
    run_local(plan, pretrained, tmp_path / "alone")
    run = session_directory(tmp_path / "graph", pretrained)
    with running(run) as graph, connected(graph) as client:
        killed: dict[str, int] = {}

        def kill(name: str) -> None:
            if name not in killed:
                killed[name] = graph.pids()[name]
                os.kill(killed[name], signal.SIGKILL)

        def on_state(state: Any) -> None:
            if state.phase == SessionState.PHASE_EVALUATING and state.round == 0 and state.detail:
                kill("policy_executor")
            if state.phase == SessionState.PHASE_FINE_TUNING and "step 100/" in state.detail:
                kill("fine_tuner")
            if state.phase == SessionState.PHASE_EVALUATING and state.round == 1:
                kill("session")

        result = run_session(client, plan, on_state)
        assert result.error_code == 0
        assert set(killed) == {"policy_executor", "fine_tuner", "session"}
        eventually(lambda: all(graph.restarts()[name] == 1 for name in killed), "not restarted once")
    assert story(run) == story(RunDirectory(tmp_path / "alone"))
