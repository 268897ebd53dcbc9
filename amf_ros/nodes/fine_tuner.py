"""fine_tuner: makes the next checkpoint. Training runs in a thread; the node answers meanwhile.

Action ``fine_tuner/fine_tune`` with progress; cancelling keeps what was reached.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import torch

from amf_msgs.action import FineTune
from amf_ros.contract import load_contract
from amf_ros.core.errors import (
    BadRequest,
    Cancelled,
    CheckpointError,
    CheckpointExists,
    DataError,
    StorageError,
    TrainingDiverged,
    UnknownName,
)
from amf_ros.core.values import Demonstration
from amf_ros.learning.checkpoint_folder import newest
from amf_ros.learning.cloning import Progress, check_device
from amf_ros.learning.fine_tuning import Tuned, tune
from amf_ros.ros import names, requests
from amf_ros.ros.conversions import checkpoint_msg, duration_msg
from amf_ros.ros.node.goals import Codes, Goal, Goals, failed, in_background
from amf_ros.ros.node.guard import unknown_error
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.settings import TunerSettings
from amf_ros.session.stores import file_stores
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import load_robot_suite

Result = FineTune.Result
CODES: Codes = (
    (BadRequest, Result.BAD_REQUEST),
    (UnknownName, Result.NO_DATA),
    (DataError, Result.NO_DATA),
    (CheckpointExists, Result.CHECKPOINT_EXISTS),
    (CheckpointError, Result.CHECKPOINT_INVALID),
    (Cancelled, Result.CANCELLED),
    (TrainingDiverged, Result.DIVERGED),
    (StorageError, Result.WRITE_FAILED),
    (MemoryError, Result.OUT_OF_MEMORY),
    (torch.OutOfMemoryError, Result.OUT_OF_MEMORY),
)


class FineTunerNode(AmfNode):
    """Trains for one goal at a time."""

    def __init__(self) -> None:
        super().__init__("fine_tuner")
        self._settings = settings = declare(self, TunerSettings)
        check_device(settings.training.device)  # now, not when somebody has demonstrated
        self._contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        directory = RunDirectory(Path(settings.session_directory))
        stores = file_stores(directory, self._contract, self._suite, settings.allowed_policies)
        self._store, self._checkpoints = stores.demonstrations, stores.checkpoints
        self._running: Goal | None = None
        self._waiting: Goal | None = None
        self._stop = threading.Event()
        torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports a lot the first time
        self._goals = Goals(self, FineTune, names.FINE_TUNE, self._on_goal, self._on_cancel)
        self.get_logger().info(f"{settings.training.num_steps} steps on {settings.training.device}")

    def _on_goal(self, goal: Goal) -> None:
        try:
            requests.tuning(goal.request)
        except BadRequest as error:
            goal.finish(failed(Result(), CODES, error))
            return
        if self._running is None:
            self._start(goal)
        elif goal.request == self._running.request and self._waiting is None:
            self._waiting = goal  # its client was restarted: what runs is stopped, then it starts over
            self._stop.set()
        else:
            text = f"training for round {self._running.request.round}: cancel it or wait"
            goal.finish(Result(error_code=Result.BUSY, error_msg=text))

    def _start(self, goal: Goal) -> None:
        self._running = goal
        self._stop.clear()
        in_background(self, partial(self._tune, goal), partial(self._done, goal))

    def _tune(self, goal: Goal) -> Tuned:
        """Train, in the worker thread."""
        request = goal.request
        uri = request.initial_checkpoint_uri
        initial = self._checkpoints.load(uri) if uri else self._checkpoints.newest()
        return tune(
            initial,
            self._demonstrations(list(request.demonstration_ids)),
            self._suite,
            self._settings.training,
            self._checkpoints.root,
            round=request.round,
            seed=request.seed,
            num_steps=request.num_steps,
            replace_round=request.replace,
            progress=partial(self._tell, goal),
            should_stop=self._stop.is_set,
            keep_unfinished=lambda: self._waiting is None,  # else the same goal starts over
        )

    def _demonstrations(self, ids: list[str]) -> list[Demonstration]:
        if ids:
            return [self._store.load_usable(id_, self._contract, self._suite) for id_ in ids]
        return self._store.all_usable(self._contract, self._suite)

    def _tell(self, goal: Goal, now: Progress) -> None:
        left_s = now.seconds / now.step * (now.num_steps - now.step)
        goal.feedback(
            FineTune.Feedback(
                step=now.step,
                num_steps=now.num_steps,
                loss=now.loss,
                estimated_time_remaining=duration_msg(left_s),
            )
        )

    def _done(self, goal: Goal, tuned: Tuned | None, error: Any) -> None:
        self._running = None
        goal.finish(
            self.guard.of(
                self._result, "reporting a training", lambda worse, *_: unknown_error(Result(), worse)
            )(goal, tuned, error)
        )
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start(waiting)

    def _result(self, goal: Goal, tuned: Tuned | None, error: Any) -> Any:
        if tuned is not None:
            result = Result(checkpoint=checkpoint_msg(tuned.info), final_loss=tuned.loss)
            result.training_time = duration_msg(tuned.seconds)
            if not tuned.finished:
                result.error_code = Result.CANCELLED
                result.error_msg = f"stopped early; {tuned.info.id} is what was reached, marked as unfinished"
            self.get_logger().info(f"{tuned.info.id}: loss {tuned.loss:.4f}, {tuned.seconds:.1f} s")
        else:
            result = failed(Result(), CODES, error)
            result.checkpoint = checkpoint_msg(newest(self._checkpoints.root))
            self.get_logger().error(f"round {goal.request.round}: {result.error_msg}")
        return result

    def _on_cancel(self, goal: Goal) -> None:
        if goal is self._running:
            self._stop.set()
        elif goal is self._waiting:
            self._waiting = None
            goal.finish(Result(error_code=Result.CANCELLED, error_msg="cancelled before it started"))

    def begin_shutdown(self) -> None:
        """Stop training; what was reached is saved."""
        self._stop.set()

    def busy(self) -> bool:
        """Return whether training still winds down."""
        return self._running is not None


def main() -> int:
    """Run the node."""
    return run(FineTunerNode)


if __name__ == "__main__":
    sys.exit(main())
