"""What a session is made of: the phases, the state it reports and the worker that does the steps.

Imports types and selection's values. The loop (:mod:`amf_ros.session.loop`) knows only this protocol,
so the same code runs in-process (:class:`amf_ros.session.local.LocalWorker`) and over ROS actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from amf_ros.core.values import CheckpointInfo, Outcome
from amf_ros.selection.base import Selection


class Phase(IntEnum):
    """What a session is doing. Same numbers as ``amf_msgs/SessionState.PHASE_*``."""

    IDLE = 0
    SELECTING = 1
    DEMONSTRATING = 2
    FINE_TUNING = 3
    EVALUATING = 4


@dataclass(frozen=True)
class State:
    """Where a session stands; mirrors ``amf_msgs/SessionState``.

    Attributes:
        round: first round = 1; 0 before the first selection.
        task_id: being demonstrated or evaluated; empty otherwise.
        detail: one line for the operator.
        checkpoint: in use; None before the first is known.
    """

    phase: Phase
    round: int
    num_rounds: int
    task_id: str = ""
    detail: str = ""
    checkpoint: CheckpointInfo | None = None


@dataclass(frozen=True)
class EpisodeResult:
    """Says how one demonstration or roll-out ended; ``duration_s`` is on the robot's clock [s]."""

    outcome: Outcome
    num_steps: int
    duration_s: float = 0.0


@dataclass(frozen=True)
class Tuning:
    """What one fine-tuning made; ``loss`` is the mean over the last logging window."""

    checkpoint: CheckpointInfo
    loss: float


Note = Callable[[str], None]  # one line about work that goes on, shown as State.detail


class Worker(Protocol):
    """Does the steps of one session. Every call blocks until the step is done.

    Each call is idempotent: after a crash the loop makes the last call again with the same arguments,
    and the stores must end up as if it had been made once. Work that is stopped raises Cancelled and
    counts as not done. Other failures raise another AmfError; the loop passes it on.
    """

    def checkpoint(self) -> CheckpointInfo:
        """Return the checkpoint that the session starts from. Called once, before everything else."""

    def select(self, num_tasks: int, seed: int) -> Selection:
        """Ask the plan's strategy, over the plan's candidates and targets, with all that is stored."""

    def demonstrate(self, task_id: str, demonstration_id: str, seed: int) -> EpisodeResult:
        """Reset the scene with ``seed`` and record one demonstration under that id."""

    def fine_tune(self, initial: CheckpointInfo, round: int, num_steps: int, seed: int, note: Note) -> Tuning:
        """Train from ``initial`` on every usable demonstration; ``num_steps`` 0 = the worker's default."""

    def rollout(self, checkpoint: CheckpointInfo, task_id: str, rollout_id: str, seed: int) -> EpisodeResult:
        """Reset the scene with ``seed``, run that checkpoint's policy, keep the visited states."""
