"""A session's steps over the graph: the same calls as the in-process worker, through services and actions.

    worker = RosWorker(RunDirectory(path), calls, step_timeout_s, Source.TELEOPERATION)
    result = run(plan, worker.with_plan(plan), journal)   # in a worker thread; the node spins meanwhile

A step whose server died is made again from its reset on; ids make that safe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from builtin_interfaces.msg import Time
from rcl_interfaces.srv import GetParameters

from amf_msgs.action import ExecutePolicy, FineTune, RecordDemonstration
from amf_msgs.srv import NextTask, ResetScene
from amf_ros.core.errors import Cancelled, CheckpointError
from amf_ros.core.plugins import load
from amf_ros.core.values import CheckpointInfo, Outcome, Source
from amf_ros.learning.checkpoint_folder import newest
from amf_ros.ros import names
from amf_ros.ros.client.answers import Refused, ServerLost, ServerUnavailable
from amf_ros.ros.client.calls import Calls
from amf_ros.ros.conversions import to_checkpoint, to_seconds
from amf_ros.ros.selecting import fallback
from amf_ros.selection.base import Score, Selection
from amf_ros.session.base import EpisodeResult, Note, Tuning
from amf_ros.session.plan import Plan
from amf_ros.store.run_directory import RunDirectory

T = TypeVar("T")
ATTEMPTS = 4
PAUSE_S = 0.5
OPERATOR_S = 0.5  # how often it is asked whether a person has put the scene in place
SELECT_S, SELECT_ANSWER_S = 150.0, 30.0  # the selector itself gives up after its `answer_s`
STRATEGY = "selection.strategy"

# Something died or hung for a moment: the same step again may well succeed.
_RECORDER_AGAIN = {
    RecordDemonstration.Result.STALE_STREAM,
    RecordDemonstration.Result.MISSING_TOPIC,
    RecordDemonstration.Result.BUSY,
    RecordDemonstration.Result.CANCELLED,
}
_EXECUTOR_AGAIN = {
    ExecutePolicy.Result.STALE_OBSERVATION,
    ExecutePolicy.Result.ROBOT_FAULT,
    ExecutePolicy.Result.BUSY,
    ExecutePolicy.Result.NO_CHECKPOINT,
    ExecutePolicy.Result.CANCELLED,
}
_SELECTOR_AGAIN = {NextTask.Response.OUT_OF_TIME}  # others were asking too, or much was new
_TUNER_AGAIN = {FineTune.Result.BUSY, FineTune.Result.CANCELLED}


class RosWorker:
    """Implements :class:`amf_ros.session.base.Worker`.

    Args:
        directory: of the session.
        calls: that wait in this worker's thread.
        step_timeout_s: how long one goal may run [s].
        source: who demonstrates; kept with every recording.
    """

    def __init__(
        self,
        directory: RunDirectory,
        calls: Calls,
        step_timeout_s: float,
        source: Source = Source.SCRIPTED_EXPERT,
    ) -> None:
        self._directory, self._calls, self._log = directory, calls, calls.node.get_logger()
        self._step_timeout_s, self._source = step_timeout_s, source
        self._plan = Plan()
        calls.prepare(
            services={
                names.RESET_SCENE: ResetScene,
                names.NEXT_TASK: NextTask,
                names.SELECTOR_PARAMETERS: GetParameters,
            },
            actions={
                names.RECORD_DEMONSTRATION: RecordDemonstration,
                names.FINE_TUNE: FineTune,
                names.EXECUTE_POLICY: ExecutePolicy,
            },
        )

    def with_plan(self, plan: Plan) -> RosWorker:
        """Return the same clients, asking about this plan's candidates and targets."""
        self._plan = plan
        return self

    def checkpoint(self) -> CheckpointInfo:
        """Return the newest of the run directory.

        Raises:
            CheckpointError: there is none.
        """
        found = newest(self._directory.checkpoints)
        if found is None:
            raise CheckpointError(
                f"no checkpoint in {self._directory.checkpoints}: put one there that 'amf pretrain' made"
            )
        return found

    def select(self, num_tasks: int, seed: int) -> Selection:
        """Ask ``task_selector/next_task``.

        Raises:
            Refused: with its code; also where another strategy would have answered instead of the plan's.
        """
        request = NextTask.Request(
            candidate_ids=list(self._plan.candidates),
            target_ids=list(self._plan.targets),
            num_tasks=num_tasks,
            strategy=self._plan.strategy,
            seed=seed,
        )

        def once() -> Any:
            return self._calls.call(NextTask, names.NEXT_TASK, request, SELECT_S, SELECT_ANSWER_S)

        response = self._again(once, _SELECTOR_AGAIN)
        if response.strategy in fallback.NAMES and response.strategy != self._named():
            raise Refused(names.NEXT_TASK, response.NO_EMBEDDINGS, response.reason)
        scores = tuple(
            Score(s.task_id, s.score, s.information_gain, s.posterior_std, s.reason) for s in response.scores
        )
        return Selection(
            tuple(response.task_ids), scores, response.strategy, response.reason, response.worthwhile
        )

    def configured_strategy(self) -> str:
        """Return the selector's own strategy: that of a goal which names none. Raises as :meth:`select`."""
        request = GetParameters.Request(names=[STRATEGY])
        values = self._calls.call(GetParameters, names.SELECTOR_PARAMETERS, request).values
        if not values or not values[0].string_value:
            raise ServerUnavailable(f"{names.SELECTOR_PARAMETERS} does not say {STRATEGY}; name a strategy")
        return str(values[0].string_value)

    def _named(self) -> str:
        """Return what the plan's strategy calls itself in its answers."""
        return str(load("strategy", self._plan.strategy).name)

    def demonstrate(self, task_id: str, demonstration_id: str, seed: int) -> EpisodeResult:
        """Reset the scene, record until the demonstrator says that it is over."""
        self._calls.expect_action(
            FineTune, names.FINE_TUNE
        )  # nobody shall demonstrate for a trainer that could not start

        def once() -> EpisodeResult:
            goal = RecordDemonstration.Goal(
                task_id=task_id,
                demonstration_id=demonstration_id,
                seed=seed,
                source=int(self._source),
                start_stamp=self._start(task_id, seed),
            )
            result = self._act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
            made = result.demonstration
            if result.error_msg:  # kept all the same
                self._log.warning(f"{made.id}: {result.error_msg}")
            return EpisodeResult(Outcome(made.outcome), made.num_steps, to_seconds(made.duration))

        return self._again(once, _RECORDER_AGAIN)

    def fine_tune(self, initial: CheckpointInfo, round: int, num_steps: int, seed: int, note: Note) -> Tuning:
        """Train on every usable demonstration of the store."""

        def on_feedback(now: FineTune.Feedback) -> None:
            left = to_seconds(now.estimated_time_remaining)
            note(f"step {now.step}/{now.num_steps}, loss {now.loss:.4f}, {left:.0f} s left")

        def once() -> Tuning:
            goal = FineTune.Goal(
                initial_checkpoint_uri=initial.uri, num_steps=num_steps, round=round, seed=seed
            )
            result = self._act(FineTune, names.FINE_TUNE, goal, on_feedback)
            return Tuning(to_checkpoint(result.checkpoint), result.final_loss)

        return self._again(once, _TUNER_AGAIN)

    def rollout(self, checkpoint: CheckpointInfo, task_id: str, rollout_id: str, seed: int) -> EpisodeResult:
        """Reset the scene and let that checkpoint's policy drive."""

        def once() -> EpisodeResult:
            goal = ExecutePolicy.Goal(
                task_id=task_id,
                rollout_id=rollout_id,
                checkpoint_uri=checkpoint.uri,
                start_stamp=self._start(task_id, seed),
            )
            result = self._act(ExecutePolicy, names.EXECUTE_POLICY, goal)
            return EpisodeResult(Outcome(result.outcome), result.num_steps, to_seconds(result.elapsed))

        return self._again(once, _EXECUTOR_AGAIN)

    def _start(self, task_id: str, seed: int) -> Time:
        """Bring the scene to a start; where a person does that, wait until it is done."""
        request = ResetScene.Request(task_id=task_id, seed=seed)
        asked = False
        while True:
            try:
                return self._calls.call(ResetScene, names.RESET_SCENE, request).stamp
            except Refused as refusal:
                if refusal.code != ResetScene.Response.OPERATOR_REQUIRED:
                    raise
                if not asked:
                    self._log.info(f"waiting for a person: {refusal}")
                asked = True
                self._calls.pause(OPERATOR_S)

    def _act(
        self, action: Any, name: str, goal: Any, feedback: Callable[[Any], None] = lambda message: None
    ) -> Any:
        """Return the result of a goal; a node that is started again meanwhile does not know the goal."""
        away_s, limit_s = self._calls.wait_s, self._step_timeout_s
        return self._calls.act(action, name, goal, feedback, away_s=away_s, timeout_s=limit_s)

    def _again(self, once: Callable[[], T], transient: set[int]) -> T:
        """Make a step; when its server was lost or hung, make it again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return once()
            except (ServerLost, Refused) as error:
                lasting = isinstance(error, Refused) and error.code not in transient
                if lasting or attempt == ATTEMPTS:
                    raise _with_code(error) from error
                self._calls.pause(PAUSE_S)
                self._log.warning(f"once more ({attempt} of {ATTEMPTS - 1}): {error}")
        raise Cancelled("no attempt was made")  # unreachable: ATTEMPTS is positive


def _with_code(error: ServerLost | Refused) -> ServerLost | Refused:
    """Return the same error, with what a session's caller needs to look it up."""
    if isinstance(error, ServerLost):
        return error
    return Refused(error.name, error.code, f"{error.name}: {error} (code {error.code})", error.result)
