"""What a strategy is given and what it answers: arrays and ids, never a policy or a message.

    selection = load("strategy", "amf")().select(problem)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class TaskRecord:
    """What is known about one task.

    Attributes:
        states: (n, p) features of states the task visits: its occupancy. May be empty (0, p).
        num_demonstrations: in the store.
        num_episodes: evaluated with the current policy.
        num_successes: of those.
        num_pretraining: demonstrations of it in pre-training; None where the checkpoint does not say.
    """

    id: str
    states: F32
    num_demonstrations: int = 0
    num_episodes: int = 0
    num_successes: int = 0
    num_pretraining: int | None = None


@dataclass(frozen=True)
class Problem:
    """One question to a strategy. Build it with :func:`amf_ros.selection.base.check` already passed.

    Attributes:
        tasks: the whole suite, in its order.
        candidates: ids that may be demonstrated, in the suite's order.
        targets: id -> weight mu(c), not negative, summing to 1.
        demonstrated: (n, p) features of the states of all demonstrations collected so far: D.
        coverage: (p, p) sum of phi phi^T over pre-training states, or None.
        num_tasks: demonstrations to plan for, at least 1.
        seed: of draws and ties; the same problem gives the same answer.
    """

    tasks: tuple[TaskRecord, ...]
    candidates: tuple[str, ...]
    targets: Mapping[str, float]
    demonstrated: F32
    coverage: F32 | None = None
    num_tasks: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """What a strategy believes about one candidate; mirrors ``amf_msgs/TaskScore``."""

    task_id: str
    score: float
    information_gain: float = float("nan")
    posterior_std: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class Selection:
    """The answer: chosen ids in order, one score per candidate (best first), one sentence why."""

    task_ids: tuple[str, ...]
    scores: tuple[Score, ...]
    strategy: str
    reason: str = ""
    extra: Mapping[str, float] = field(default_factory=dict)


class Strategy(Protocol):
    """A rule for the next task."""

    name: str
    needs_states: bool  # whether it needs occupancies: the session makes audit roll-outs if so

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError kinds; never changes the problem."""
