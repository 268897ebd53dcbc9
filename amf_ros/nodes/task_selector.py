"""task_selector: answers which task to demonstrate next. Any node may ask; asking changes nothing.

Services ``task_selector/next_task`` and ``task_selector/get_tasks``, latched topic ``task_selector/scores``.
Reads the session directory: the newest checkpoint, the demonstrations, the roll-outs. Each caller waits in a
thread of its own, and no longer than ``answer_s``.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType

from amf_msgs.msg import Task, TaskScores
from amf_msgs.srv import GetTasks, NextTask
from amf_ros.contract import load_contract
from amf_ros.core.errors import (
    AmfError,
    BadFeatures,
    BadRequest,
    BadWeights,
    CheckpointError,
    ConfigError,
    IllConditioned,
    NoEmbeddings,
    OutOfTime,
    SelectionError,
    UnknownName,
    listed,
)
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import duration_msg, gains_msg, score_msgs
from amf_ros.ros.node.goals import Codes, failed
from amf_ros.ros.node.groups import SPARE, LimitedGroup
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.requests import question
from amf_ros.ros.selecting.selector import Answer, Question, Selector
from amf_ros.ros.settings import SelectorSettings
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Response = NextTask.Response
STRATEGY_CODES: Codes = (
    (BadRequest, Response.BAD_REQUEST),
    (UnknownName, Response.UNKNOWN_STRATEGY),
    (ConfigError, Response.UNKNOWN_STRATEGY),
)
CODES: Codes = (
    ("task", Response.UNKNOWN_TASK),
    (BadRequest, Response.BAD_REQUEST),
    (BadWeights, Response.BAD_WEIGHTS),
    (NoEmbeddings, Response.NO_EMBEDDINGS),
    (CheckpointError, Response.NO_EMBEDDINGS),
    (IllConditioned, Response.ILL_CONDITIONED),
    (BadFeatures, Response.BAD_FEATURES),
    (OutOfTime, Response.OUT_OF_TIME),
    (SelectionError, Response.BAD_REQUEST),
)
FIRST_S = 0.001
MOST_LOGGED = 10  # chosen tasks in a line of the log
MOST_LATCHED_GAINS = 65_536  # as amf_msgs/TaskScores says


class TaskSelectorNode(AmfNode):
    """A question in, a choice with scores and reasons out."""

    def __init__(self) -> None:
        super().__init__("task_selector")
        settings = declare(self, SelectorSettings)
        torch.set_num_threads(1)  # many small products: a second thread only gets in the way
        self._default = Question(strategy=settings.selection.strategy)
        self._suite = load_robot_suite(settings.suite)
        directory = RunDirectory(Path(settings.session_directory))
        self._selector = Selector(
            self._suite,
            load_contract(settings.contract),
            directory,
            settings.selection,
            settings.allowed_strategies,
            settings.allowed_policies,
            most_waiting=max(settings.threads * 3 // 4, 1),
        )
        self._answer_s, self.threads = settings.answer_s, settings.threads + SPARE
        self._told: tuple[Answer | None, str] = (None, "")
        self._telling, self._closed = threading.Lock(), False
        self._scores = self.create_publisher(TaskScores, names.SCORES, qos.LATCHED)
        self._callers, watch = LimitedGroup(settings.threads), MutuallyExclusiveCallbackGroup()
        self.create_service(NextTask, names.NEXT_TASK, self._on_next_task, callback_group=self._callers)
        self.create_service(GetTasks, names.GET_TASKS, self._on_get_tasks)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(settings.watch_s, self._watch, clock=steady, callback_group=watch)
        self._first = self.create_timer(FIRST_S, self._begin, clock=steady, callback_group=watch)
        self.get_logger().info(f"{len(self._suite.tasks)} tasks, strategy {self._default.strategy!r}")

    def _on_get_tasks(self, _: GetTasks.Request, response: GetTasks.Response) -> GetTasks.Response:
        for task in self._suite.tasks:
            limit = duration_msg(task.time_limit_s)
            response.tasks.append(Task(id=task.id, instruction=task.instruction, time_limit=limit))
        return response

    def _on_next_task(self, request: NextTask.Request, response: NextTask.Response) -> NextTask.Response:
        """In a thread of the caller's own."""
        started = time.monotonic()
        try:
            asked = question(request, self._default.strategy)
        except AmfError as error:
            return failed(response, CODES, error)
        answer = self._ask(asked, response, request.explain)
        if answer is not None:
            _fill(response, answer)
            if request.explain:
                response.target_ids, response.gains = gains_msg(answer.selection)
            took_ms = (time.monotonic() - started) * 1e3
            chosen = listed(answer.selection.task_ids, MOST_LOGGED)
            self.get_logger().info(f"{answer.selection.strategy}: {chosen} ({took_ms:.0f} ms)")
        if asked == self._default:
            self.post(self._tell)
        return response

    def _ask(self, asked: Question, response: Any, explain: bool = False) -> Answer | None:
        """Return the answer; or None, and in ``response`` the code of what is wrong."""
        codes = STRATEGY_CODES
        try:
            self._selector.check(asked.strategy)
            codes = CODES
            answer = self._selector.ask(asked, self._answer_s)
            if explain and answer.missing:
                raise NoEmbeddings(f"nothing to explain with: {answer.missing}")
        except AmfError as error:
            failed(response, codes, error)
            return None
        return answer

    def _begin(self) -> None:
        """Once: the first answer shall not wait for imports and files."""
        self.destroy_timer(self._first)
        self._watch()

    def _watch(self) -> None:
        if self._selector.changed():
            self._tell(only_news=True)

    def _tell(self, only_news: bool = False) -> None:
        """Publish the answer to the default question; one at a time, so that the newest is the last."""
        with self._telling:
            if self._closed:
                return
            problem = Response()
            answer = self._ask(self._default, problem)
            told, self._told = self._told, (answer, problem.error_msg)
            if only_news and told[0] is answer and told[1] == problem.error_msg:
                return
            message = TaskScores(error_code=problem.error_code, error_msg=problem.error_msg)
            message.header.stamp = self.get_clock().now().to_msg()
            if answer is not None:
                _fill(message, answer)
                gains = answer.selection.gains
                if gains is not None and gains.size <= MOST_LATCHED_GAINS:
                    message.target_ids, message.gains = gains_msg(answer.selection)
            self._scores.publish(message)

    def begin_shutdown(self) -> None:
        """Answer whoever waits, with a code, and take no more questions."""
        self._closed = True
        self._selector.close()

    def busy(self) -> bool:
        """Say whether a caller still waits."""
        return self._callers.active > 0 or self._telling.locked()


def _fill(message: Any, answer: Answer) -> None:
    """Return what NextTask's response and TaskScores have in common."""
    selection = answer.selection
    message.task_ids, message.scores = list(selection.task_ids), score_msgs(answer.problem, selection)
    message.strategy, message.policy_id = selection.strategy, answer.checkpoint_id
    message.worthwhile, message.reason = bool(selection.worthwhile), selection.reason


def main() -> int:
    """Entry point."""
    return run(TaskSelectorNode)


if __name__ == "__main__":
    sys.exit(main())
