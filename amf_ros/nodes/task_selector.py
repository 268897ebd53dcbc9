"""task_selector: answers which task to demonstrate next. Any node may ask; asking changes nothing.

Services ``task_selector/next_task`` and ``task_selector/get_tasks``. Reads the session directory: the newest
checkpoint, the demonstrations, the roll-outs; what is read once is remembered.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from amf_msgs.msg import Task, TaskScore
from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.data.demonstrations import DemonstrationStore
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import (
    AmfError,
    BadWeights,
    CheckpointError,
    ConfigError,
    IllConditioned,
    NoEmbeddings,
    SelectionError,
    UnknownName,
)
from amf_ros.registry import load
from amf_ros.ros import names
from amf_ros.ros.checkpoint_cache import CheckpointCache
from amf_ros.ros.conversions import duration_msg
from amf_ros.ros.goals import Codes, failed
from amf_ros.ros.parameters import declare
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import SelectorSettings
from amf_ros.selection.base import Problem, Selection, Strategy
from amf_ros.training.checkpoints import Checkpoint
from amf_ros.training.problem import build_problem, evaluations_of

Response = NextTask.Response
STRATEGY_CODES: Codes = ((UnknownName, Response.UNKNOWN_STRATEGY),)
CODES: Codes = (
    (UnknownName, Response.UNKNOWN_TASK),
    (BadWeights, Response.BAD_WEIGHTS),
    (NoEmbeddings, Response.NO_EMBEDDINGS),
    (CheckpointError, Response.NO_EMBEDDINGS),
    (IllConditioned, Response.ILL_CONDITIONED),
    (SelectionError, Response.BAD_REQUEST),
    (ConfigError, Response.UNKNOWN_STRATEGY),
)


class TaskSelectorNode(AmfNode):
    """A question in, a choice with scores and reasons out."""

    def __init__(self) -> None:
        super().__init__("task_selector")
        settings = declare(self, SelectorSettings)
        self._config = settings.selection
        self._contract = load_contract(settings.contract)
        self._suite = load("suite", settings.suite)()
        self._directory = RunDirectory(Path(settings.session_directory))
        self._demonstrations = DemonstrationStore(self._directory.demonstrations)
        self._rollouts = RolloutStore(self._directory.rollouts)
        self._cache = CheckpointCache(self._directory.checkpoints, self._contract, self._suite)
        torch.set_num_threads(1)  # many small products: a second thread only gets in the way
        self._warm_up()
        self.create_service(NextTask, names.NEXT_TASK, self._on_next_task)
        self.create_service(GetTasks, names.GET_TASKS, self._on_get_tasks)
        self.get_logger().info(f"{len(self._suite.tasks)} tasks, strategy {self._config.strategy!r}")

    def _warm_up(self) -> None:
        """The first answer shall not wait for imports and files."""
        try:
            self._strategy("")
            self._cache.newest()
        except AmfError as error:
            self.get_logger().info(f"not ready to choose: {error}")

    def _on_get_tasks(self, _: GetTasks.Request, response: GetTasks.Response) -> GetTasks.Response:
        for task in self._suite.tasks:
            limit = duration_msg(task.time_limit_s)
            response.tasks.append(Task(id=task.id, instruction=task.instruction, time_limit=limit))
        return response

    def _on_next_task(self, request: NextTask.Request, response: NextTask.Response) -> NextTask.Response:
        started = time.monotonic()
        try:
            strategy = self._strategy(request.strategy)
            checkpoint = self._cache.newest()
            problem = self._problem(request, checkpoint)
            selection = strategy.select(problem)
        except AmfError as error:
            codes = STRATEGY_CODES if getattr(error, "kind", "") == "strategy" else CODES
            return failed(response, codes, error)
        self._fill(response, problem, selection)
        response.policy_id = checkpoint.info.id
        took_ms = (time.monotonic() - started) * 1e3
        self.get_logger().info(f"{selection.strategy}: {', '.join(selection.task_ids)} ({took_ms:.0f} ms)")
        return response

    def _strategy(self, name: str) -> Strategy:
        config = self._config.model_copy(update={"strategy": name} if name else {})
        strategy: Strategy = load("strategy", config.strategy)(config)
        return strategy

    def _problem(self, request: NextTask.Request, checkpoint: Checkpoint) -> Problem:
        rollouts = self._rollouts.all()
        return build_problem(
            self._suite,
            checkpoint,
            self._demonstrations.all_usable(self._contract, self._suite),
            rollouts,
            evaluations_of(rollouts, checkpoint.info.id),
            candidates=list(request.candidate_ids),
            targets=list(request.target_ids),
            weights=[float(weight) for weight in request.target_weights],
            num_tasks=request.num_tasks,
            seed=request.seed,
            config=self._config,
        )

    def _fill(self, response: NextTask.Response, problem: Problem, selection: Selection) -> None:
        records = {record.id: record for record in problem.tasks}
        response.task_ids, response.strategy = list(selection.task_ids), selection.strategy
        response.reason = selection.reason
        for score in selection.scores:
            record = records[score.task_id]
            response.scores.append(
                TaskScore(
                    task_id=score.task_id,
                    score=float(score.score),
                    information_gain=float(score.information_gain),
                    posterior_std=float(score.posterior_std),
                    num_demonstrations=record.num_demonstrations,
                    num_episodes=record.num_episodes,
                    num_successes=record.num_successes,
                    reason=score.reason,
                )
            )


def main() -> int:
    """Entry point."""
    return run(TaskSelectorNode)


if __name__ == "__main__":
    sys.exit(main())
