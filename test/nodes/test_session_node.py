"""The session node: what it refuses, and how it says which step failed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.nodes import Bench, bench

from amf_msgs.action import RunSession
from amf_msgs.msg import SessionState
from amf_ros.core.values import Outcome
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.fine_tuner import FineTunerNode
from amf_ros.nodes.policy_executor import PolicyExecutorNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.session import SessionNode
from amf_ros.nodes.task_selector import TaskSelectorNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.ros import names
from amf_ros.ros.client.answers import Refused
from amf_ros.ros.session_worker import RosWorker
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.strategies.uniform import Uniform
from amf_ros.session.base import EpisodeResult
from amf_ros.session.journal import Journal
from amf_ros.session.plan import Plan
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory

Code = RunSession.Result
SMALL: dict[str, Any] = {
    "candidate_ids": ["push_green"],
    "target_ids": ["push_green"],
    "strategy": "uniform",
    "num_rounds": 1,
}


class Content(Uniform):
    """An outsider's strategy that finds nothing worth another demonstration."""

    def select(self, problem: Problem) -> Selection:
        return replace(super().select(problem), worthwhile=False)


@pytest.fixture
def run(tmp_path: Path, pretrained: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    return run


@pytest.fixture
def session(run: RunDirectory) -> Iterator[Bench]:
    """A session node that does not wait long for others."""
    fields: dict[str, Any] = {"session_directory": str(run.root), "real_time_factor": 0.0}
    impatient = {"arrival_timeout_s": 0.3, "command_timeout_s": 0.3, "stream_timeout_s": 0.3}
    allowed = [f"{__name__}:Content"]
    with bench(server_timeout_s=0.5, allowed_strategies=allowed, **fields, **impatient) as made:
        made.add(SessionNode)
        yield made


def send(on: Bench, feedback: Any = None, **fields: Any):
    return on.send(RunSession, names.RUN_SESSION, RunSession.Goal(**(SMALL | fields)), feedback)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"candidate_ids": ["push_gren"]}, "did you mean 'push_green'"),
        ({"target_ids": ["push_gren"]}, "did you mean 'push_green'"),
        ({"strategy": "unifrom"}, "did you mean 'uniform'"),
        ({"strategy": "builtins:exec"}, "allowed_strategies"),
        ({"strategy": "os:system"}, "allowed_strategies"),
        ({"num_rounds": 0}, "num_rounds"),
        ({"demonstrations_per_round": 0}, "demonstrations_per_round"),
        ({"candidate_ids": ["push_green", "push_green"]}, "push_green"),
    ],
)
def test_a_goal_that_makes_no_sense(session: Bench, fields: dict[str, Any], text: str) -> None:
    result = send(session, **fields).result()
    assert result.error_code == Code.BAD_GOAL and text in result.error_msg


def test_a_goal_without_a_strategy_takes_the_selectors(run: RunDirectory) -> None:
    fields: dict[str, Any] = {"session_directory": str(run.root), "selection__strategy": "round_robin"}
    with bench(server_timeout_s=2.0, **fields) as made:
        made.add(SessionNode)
        made.add(TaskSelectorNode)
        result = send(made, strategy="").result()
    assert result.error_code == Code.SERVER_UNAVAILABLE and "fine_tune" in result.error_msg, result
    with Journal(run.database, read_only=True) as journal:
        assert journal.plan is not None and journal.plan.strategy == "round_robin"
        (selected,) = [entry for entry in journal.entries() if entry.key == "r001/select"]
    assert selected.value["strategy"] == "round_robin"


def test_another_strategys_answer_is_none_to_a_session(session: Bench) -> None:
    """As in one process, where a strategy without states is an error."""
    session.add(TaskSelectorNode)
    worker = session.nodes[0]._worker
    with ThreadPoolExecutor(1) as pool:
        for strategy, answers in (("amf", False), ("rebalancing", True)):
            choice = pool.submit(worker.with_plan(Plan(strategy=strategy)).select, 2, 0)
            session.until(choice.done, "a choice")
            if answers:
                assert choice.result().strategy == strategy
            else:
                with pytest.raises(Refused, match="no states of 16 of 16 tasks"):
                    choice.result()


def test_a_server_that_is_not_there_is_named(session: Bench) -> None:
    result = send(session).result()
    assert result.error_code == Code.SERVER_UNAVAILABLE and "task_selector/next_task" in result.error_msg


def test_a_selection_that_fails(session: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session.add(TaskSelectorNode)
    (tmp_path / "rollouts" / "broken.safetensors").write_bytes(b"not a roll-out")
    result = send(session).result()
    assert result.error_code == Code.SELECTION_FAILED
    assert "broken.safetensors" in result.error_msg and "code 100" in result.error_msg


def test_a_demonstration_that_fails(session: Bench) -> None:
    for make in (TaskSelectorNode, RobotNode, DemoRecorderNode, FineTunerNode):  # nobody demonstrates
        session.add(make)
    result = send(session).result()
    assert result.error_code == Code.DEMONSTRATION_FAILED and "teleop/command" in result.error_msg


@pytest.mark.parametrize(
    ("demonstrator", "source"), [("person", "TELEOPERATION"), ("expert", "SCRIPTED_EXPERT")]
)
def test_who_demonstrates_is_kept_with_the_recording(
    run: RunDirectory, demonstrator: str, source: str
) -> None:
    (run.checkpoints / "round_0001").write_text("the session ends here, after its demonstration")
    fields: dict[str, Any] = {"session_directory": str(run.root), "real_time_factor": 0.0}
    with bench(demonstrator=demonstrator, **fields) as made:
        # The scripted expert stands in for the person's device: both publish on the same topic.
        for make in (SessionNode, TaskSelectorNode, RobotNode, TeleopNode, DemoRecorderNode, FineTunerNode):
            made.add(make)
        assert send(made).result().error_code == Code.FINE_TUNING_FAILED
    store = DemonstrationStore(run.demonstrations)
    assert [store.info(id_).source.name for id_ in store.ids()] == [source]


@pytest.mark.parametrize(
    ("fields", "tried", "code"),
    [
        ({}, 3, Code.DEMONSTRATION_FAILED),
        ({"attempts": 2}, 2, Code.DEMONSTRATION_FAILED),
        ({"attempts": 5, "go_on": True}, 5, Code.NONE),
    ],
)
def test_the_goal_says_how_often_a_demonstration_is_tried_and_what_then(
    session: Bench, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], tried: int, code: int
) -> None:
    seeds: list[int] = []

    def fail(worker: RosWorker, task_id: str, demonstration_id: str, seed: int) -> EpisodeResult:
        seeds.append(seed)
        return EpisodeResult(Outcome.FAILURE, 1)

    monkeypatch.setattr(RosWorker, "demonstrate", fail)
    session.add(TaskSelectorNode)
    result = send(session, **fields).result()
    assert result.error_code == code, result.error_msg
    assert len(set(seeds)) == len(seeds) == tried
    if code:
        assert f"failed {tried} times in a row" in result.error_msg
    else:
        assert result.rounds_completed == 1 and list(result.missed_ids) == ["push_green"]


def test_a_fine_tuning_that_fails(session: Bench, run: RunDirectory) -> None:
    for make in (TaskSelectorNode, RobotNode, TeleopNode, DemoRecorderNode, FineTunerNode):
        session.add(make)
    (run.checkpoints / "round_0001").write_text("a file where a folder shall be")
    result = send(session).result()
    assert result.error_code == Code.FINE_TUNING_FAILED and "round_0001" in result.error_msg


def test_an_evaluation_that_fails(session: Bench, run: RunDirectory) -> None:
    for make in (RobotNode, PolicyExecutorNode):
        session.add(make)
    run.rollouts.rmdir()
    run.rollouts.write_text("a file where a folder was")
    result = send(session, evaluation_episodes=1).result()
    assert result.error_code == Code.EVALUATION_FAILED and "rollouts" in result.error_msg


def test_another_plan_in_the_same_directory(session: Bench) -> None:
    send(session).result()
    result = send(session, seed=9).result()
    assert result.error_code == Code.PLAN_CHANGED and "seed" in result.error_msg


def test_one_session_at_a_time_which_others_may_follow_and_cancel(session: Bench, run: RunDirectory) -> None:
    for make in (RobotNode, PolicyExecutorNode):
        session.add(make)
    states = session.listen(SessionState, names.SESSION_STATE, latched=True)
    first = send(session, evaluation_episodes=50)
    session.until(lambda: any(s.phase == SessionState.PHASE_EVALUATING for s in states), "evaluation")
    assert send(session, seed=9).result().error_code == Code.BUSY
    heard: list[Any] = []
    second = send(session, heard.append, evaluation_episodes=50)
    session.until(lambda: bool(heard), "feedback for the one that follows")
    second.cancel()
    assert second.result().error_code == first.result().error_code == Code.CANCELLED
    session.until(lambda: states[-1].phase == SessionState.PHASE_IDLE, "the state to be idle")
    with Journal(run.database, read_only=True) as journal:
        assert journal.plan is not None


@pytest.mark.parametrize("stop_early", [True, False])
def test_a_session_that_stops_early_says_so(session: Bench, stop_early: bool) -> None:
    session.add(TaskSelectorNode)
    states = session.listen(SessionState, names.SESSION_STATE, latched=True)
    result = send(session, strategy=f"{__name__}:Content", stop_early=stop_early, num_rounds=3).result()
    assert result.stopped_early == stop_early and result.rounds_completed == 0
    # Nobody is there to demonstrate to the session that goes on.
    assert result.error_code == (Code.NONE if stop_early else Code.SERVER_UNAVAILABLE)
    session.until(lambda: states[-1].phase == SessionState.PHASE_IDLE, "the session to end")
    assert states[-1].stopped_early == stop_early


def test_without_a_checkpoint(tmp_path: Path) -> None:
    with bench(session_directory=str(tmp_path)) as made:
        made.add(SessionNode)
        result = send(made).result()
    assert result.error_code == Code.UNKNOWN and "amf pretrain" in result.error_msg
