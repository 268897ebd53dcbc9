"""A session's steps over the graph: the same calls as the in-process worker, through services and actions.

    worker = RosWorker(node, RunDirectory(path), calls, Source.TELEOPERATION)
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
from amf_ros.ros.client.calls import Action, Calls
from amf_ros.ros.conversions import to_checkpoint, to_seconds
from amf_ros.ros.node.runtime import AmfNode
from amf_ros.ros.selecting import fallback
from amf_ros.selection.base import Score, Selection
from amf_ros.session.base import EpisodeResult, Note, Tuning
from amf_ros.session.plan import Plan
from amf_ros.store.run_directory import RunDirectory

T = TypeVar("T")
ATTEMPTS = 4
PAUSE_S = 0.5
SELECT_ANSWER_S = 120.0
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
        source: who demonstrates; kept with every recording.
    """

    def __init__(
        self,
        node: AmfNode,
        directory: RunDirectory,
        calls: Calls,
        source: Source = Source.SCRIPTED_EXPERT,
    ) -> None:
        self._directory, self._calls, self._log = directory, calls, node.get_logger()
        self._source = source
        self._plan = Plan()
        self._reset = node.create_client(ResetScene, names.RESET_SCENE)
        self._next_task = node.create_client(NextTask, names.NEXT_TASK)
        self._parameters = node.create_client(GetParameters, names.SELECTOR_PARAMETERS)
        self._record = Action(node, RecordDemonstration, names.RECORD_DEMONSTRATION)
        self._tune = Action(node, FineTune, names.FINE_TUNE)
        self._execute = Action(node, ExecutePolicy, names.EXECUTE_POLICY)

    def with_plan(self, plan: Plan) -> RosWorker:
        """The same clients, asking about this plan's candidates and targets."""
        self._plan = plan
        return self

    def checkpoint(self) -> CheckpointInfo:
        """The newest of the run directory.

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
            response = self._calls.service(self._next_task, request, SELECT_ANSWER_S)
            _check(names.NEXT_TASK, response)
            return response

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
        """The selector's own strategy: that of a goal which names none. Raises as :meth:`select`."""
        request = GetParameters.Request(names=[STRATEGY])
        values = self._calls.service(self._parameters, request).values
        if not values or not values[0].string_value:
            raise ServerUnavailable(f"{names.SELECTOR_PARAMETERS} does not say {STRATEGY}; name a strategy")
        return str(values[0].string_value)

    def _named(self) -> str:
        """What the plan's strategy calls itself in its answers."""
        return str(load("strategy", self._plan.strategy).name)

    def demonstrate(self, task_id: str, demonstration_id: str, seed: int) -> EpisodeResult:
        """Reset the scene, record until the demonstrator says that it is over."""
        self._calls.expect(self._tune)  # nobody shall demonstrate for a trainer that could not start

        def once() -> EpisodeResult:
            goal = RecordDemonstration.Goal(
                task_id=task_id,
                demonstration_id=demonstration_id,
                seed=seed,
                source=int(self._source),
                start_stamp=self._start(task_id, seed),
            )
            result = self._calls.action(self._record, goal)
            _check(names.RECORD_DEMONSTRATION, result)
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
            result = self._calls.action(self._tune, goal, on_feedback)
            _check(names.FINE_TUNE, result)
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
            result = self._calls.action(self._execute, goal)
            _check(names.EXECUTE_POLICY, result)
            return EpisodeResult(Outcome(result.outcome), result.num_steps, to_seconds(result.elapsed))

        return self._again(once, _EXECUTOR_AGAIN)

    def _start(self, task_id: str, seed: int) -> Time:
        response = self._calls.service(self._reset, ResetScene.Request(task_id=task_id, seed=seed))
        _check(names.RESET_SCENE, response)
        return response.stamp

    def _again(self, once: Callable[[], T], transient: set[int]) -> T:
        """Make a step; when its server was lost or hung, make it again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return once()
            except (ServerLost, Refused) as error:
                lasting = isinstance(error, Refused) and error.code not in transient
                if lasting or attempt == ATTEMPTS:
                    raise
                self._calls.pause(PAUSE_S)
                self._log.warning(f"once more ({attempt} of {ATTEMPTS - 1}): {error}")
        raise Cancelled("no attempt was made")  # unreachable: ATTEMPTS is positive


def _check(what: str, answer: Any) -> None:
    if answer.error_code:
        text = f"{what}: {answer.error_msg} (code {answer.error_code})"
        raise Refused(what, answer.error_code, text, answer)
