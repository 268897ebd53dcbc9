"""session: runs the active fine-tuning loop over the graph: select, demonstrate, fine-tune, evaluate, repeat.

Action ``session/run_session``, latched topic ``session/state``. The loop runs in a thread; every step that is
done stands in SQLite, so that the same goal sent again continues a session that was interrupted.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from amf_msgs.action import RunSession
from amf_msgs.msg import SessionState, TaskEvaluation
from amf_ros.core.config import parse
from amf_ros.core.errors import AmfError, Cancelled, ConfigError, PlanChanged, UnknownName
from amf_ros.core.plugins import load
from amf_ros.core.values import Source
from amf_ros.ros import names, qos
from amf_ros.ros.client.answers import ServerLost, ServerUnavailable
from amf_ros.ros.client.calls import Calls
from amf_ros.ros.client.waiting import InWorkerThread
from amf_ros.ros.conversions import checkpoint_msg
from amf_ros.ros.node.goals import Codes, Goal, Goals, failed, in_background
from amf_ros.ros.node.guard import unknown_error
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.robot.stopping import StopKeeper
from amf_ros.ros.session_worker import RosWorker
from amf_ros.ros.settings import SessionSettings
from amf_ros.session.base import Phase, State
from amf_ros.session.journal import Journal
from amf_ros.session.loop import Result as Outcome
from amf_ros.session.loop import run as run_session
from amf_ros.session.plan import MAX_ATTEMPTS, Plan, resolve
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Result = RunSession.Result
CODES: Codes = (
    (PlanChanged, Result.PLAN_CHANGED),
    (Cancelled, Result.CANCELLED),
    (ServerUnavailable, Result.SERVER_UNAVAILABLE),
    (ServerLost, Result.SERVER_UNAVAILABLE),
    (UnknownName, Result.BAD_GOAL),
    (ConfigError, Result.BAD_GOAL),
)
PHASE_CODES = {
    Phase.SELECTING: Result.SELECTION_FAILED,
    Phase.DEMONSTRATING: Result.DEMONSTRATION_FAILED,
    Phase.FINE_TUNING: Result.FINE_TUNING_FAILED,
    Phase.EVALUATING: Result.EVALUATION_FAILED,
}


class SessionNode(AmfNode):
    """One session at a time; clients that ask for the one that runs follow it."""

    def __init__(self) -> None:
        super().__init__("session")
        self._settings = settings = declare(self, SessionSettings)
        self._suite = load_robot_suite(settings.suite)
        self._directory = RunDirectory(Path(settings.session_directory))
        self._plan: Plan | None = None
        self._followers: list[Goal] = []
        self._stop = threading.Event()
        self._state = State(Phase.IDLE, 0, 0)
        self._stopped_early = False
        self._publisher = self.create_publisher(SessionState, names.SESSION_STATE, qos.LATCHED)
        self._stop_keeper = StopKeeper(self)
        self._goals = Goals(self, RunSession, names.RUN_SESSION, self._on_goal, self._on_cancel)
        waiting = InWorkerThread(self, self._stop.is_set)
        calls = Calls(self, waiting, settings.server_timeout_s)
        person = settings.demonstrator == "person"
        source = Source.TELEOPERATION if person else Source.SCRIPTED_EXPERT
        self._worker = RosWorker(self._directory, calls, settings.step_timeout_s, source)
        self._tell(self._state)
        self.get_logger().info(f"session directory {self._directory.root}")

    def _on_goal(self, goal: Goal) -> None:
        try:
            plan = resolve(self._to_plan(goal.request), [task.id for task in self._suite.tasks])
            if plan.strategy:
                load("strategy", plan.strategy, self._settings.allowed_strategies)
        except AmfError as error:
            goal.finish(Result(error_code=Result.BAD_GOAL, error_msg=str(error)))
            return
        if self._plan is not None and (plan != self._plan or self._stop.is_set()):
            text = "a session is running: cancel it or wait"
            goal.finish(Result(error_code=Result.BUSY, error_msg=text))
            return
        self._followers.append(goal)
        if self._plan is None:
            self._plan = plan
            self._stop.clear()
            self._stopped_early = False
            in_background(self, partial(self._run, plan), self._done)

    def _to_plan(self, request: RunSession.Goal) -> Plan:
        data = {
            "suite": self._settings.suite,
            "candidates": list(request.candidate_ids),
            "targets": list(request.target_ids),
            "strategy": request.strategy,  # empty: the selector's own, asked when the session begins
            "num_rounds": request.num_rounds,
            "demonstrations_per_round": request.demonstrations_per_round,
            "evaluation_episodes": request.evaluation_episodes,
            "final_episodes": request.final_episodes,
            "fine_tune_steps": request.fine_tune_steps,
            "attempts": request.attempts or MAX_ATTEMPTS,
            "go_on": request.go_on,
            "stop_early": request.stop_early,
            "seed": request.seed,
        }
        return parse(data, Plan, names.RUN_SESSION)

    def _run(self, plan: Plan) -> Outcome:
        """In the worker thread."""
        if not plan.strategy:
            plan = plan.model_copy(update={"strategy": self._worker.configured_strategy()})
            load("strategy", plan.strategy, self._settings.allowed_strategies)
        with Journal(self._directory.database) as journal:
            worker = self._worker.with_plan(plan)
            return run_session(plan, worker, journal, self._tell, self._stop.is_set)

    def _tell(self, state: State) -> None:
        """From either thread."""
        self._state = state
        message = SessionState(
            stamp=self.get_clock().now().to_msg(),
            phase=int(state.phase),
            round=state.round,
            num_rounds=state.num_rounds,
            task_id=state.task_id,
            detail=state.detail,
            checkpoint=checkpoint_msg(state.checkpoint),
            stopped_early=self._stopped_early,
        )
        self._publisher.publish(message)
        for goal in tuple(self._followers):
            goal.feedback(RunSession.Feedback(state=message))

    def _done(self, outcome: Outcome | None, error: Any) -> None:
        result = self.guard.of(
            self._result, "reporting a session", lambda worse, *_: unknown_error(Result(), worse)
        )(outcome, error)
        followers, self._followers, self._plan = self._followers, [], None
        for goal in followers:
            goal.finish(result)
        self._tell(
            State(Phase.IDLE, self._state.round, self._state.num_rounds, "", result.error_msg or "done")
        )

    def _result(self, outcome: Outcome | None, error: Any) -> Any:
        if outcome is not None:
            return self._success(outcome)
        result = self._failure(error)
        self.get_logger().error(f"session ended in round {self._state.round}: {result.error_msg}")
        return result

    def _success(self, outcome: Outcome) -> Any:
        evaluations = [
            TaskEvaluation(task_id=task_id, num_episodes=tried, num_successes=done)
            for task_id, (tried, done) in outcome.evaluations.items()
        ]
        self._stopped_early = outcome.stopped_early
        return Result(
            rounds_completed=outcome.rounds_completed,
            missed_ids=outcome.missed,
            stopped_early=outcome.stopped_early,
            checkpoint=checkpoint_msg(outcome.checkpoint),
            evaluations=evaluations,
        )

    def _failure(self, error: Any) -> Any:
        by_phase = PHASE_CODES.get(self._state.phase, Result.UNKNOWN)
        result = failed(Result(), (*CODES, (AmfError, by_phase)), error)
        result.rounds_completed = max(self._state.round - 1, 0)
        result.checkpoint = checkpoint_msg(self._state.checkpoint)
        return result

    def _on_cancel(self, goal: Goal) -> None:
        self._stop.set()

    def begin_shutdown(self) -> None:
        """Stop before the next step; what is done is stored."""
        self._stop.set()

    def busy(self) -> bool:
        """Say whether the session still winds down."""
        return self._plan is not None


def main() -> int:
    """Entry point."""
    return run(SessionNode)


if __name__ == "__main__":
    sys.exit(main())
