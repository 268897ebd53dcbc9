"""What a strategy is given and what it answers: arrays and ids, never a policy or a message.

strategy = load("strategy", "amf")(SelectionConfig())
selection = strategy.select(problem)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class TaskRecord:
    """Holds what is known about one task.

    Attributes:
        states: (n, p) features of states the task visits: its occupancy. May be empty (0, p).
        num_demonstrations: in the store.
        num_episodes: evaluated with the current policy.
        num_successes: of those.
        num_pretraining: demonstrations of it in pre-training; None where the checkpoint does not say.
        weights: (n,) of the states, not negative, of any positive sum; None = all alike.
        demonstration_s: what one usable demonstration takes an operator, with resets and failed attempts
            [s]; NaN where nobody knows.
        loss: of the current policy on the task's own demonstrations; NaN where there are none.
        num_audited: episodes of the policy that the session started from.
        num_audit_successes: of those.
        effective_sample_size: of the importance weights behind ``states`` [demonstrations]; NaN where the
            occupancy does not come from them.
    """

    id: str
    states: F32
    num_demonstrations: int = 0
    num_episodes: int = 0
    num_successes: int = 0
    num_pretraining: int | None = None
    weights: F32 | None = None
    demonstration_s: float = float("nan")
    loss: float = float("nan")
    num_audited: int = 0
    num_audit_successes: int = 0
    effective_sample_size: float = float("nan")


@dataclass(frozen=True)
class Problem:
    """Asks a strategy for the next tasks; every built-in one passes it to :func:`check` first.

    Attributes:
        tasks: the whole suite, in its order.
        candidates: ids that may be demonstrated, in the suite's order.
        targets: id -> weight mu(c), not negative, summing to 1.
        demonstrated: (n, p) features of the states of all demonstrations collected so far: D.
        coverage: (p, p) sum of phi phi^T over pre-training states, or None. A demonstration counts for
            as many states here and in ``demonstrated`` (evenly spaced ones do).
        anchors: (m, p) features of states where the policy is known to act well; None = none. They count
            as demonstrated.
        task_columns: k, where rows are plain inputs [s, c] and their last k columns the task's embedding;
            0 where rows are features of a network, to be compared by their inner product.
        num_tasks: demonstrations to plan for, at least 1.
        seed: of draws and ties, not negative; the same problem gives the same answer.
    """

    tasks: tuple[TaskRecord, ...]
    candidates: tuple[str, ...]
    targets: Mapping[str, float]
    demonstrated: F32
    coverage: F32 | None = None
    num_tasks: int = 1
    seed: int = 0
    anchors: F32 | None = None
    task_columns: int = 0


class Score(NamedTuple):
    """Holds what a strategy believes about one candidate; mirrors ``amf_msgs/TaskScore``."""

    task_id: str
    score: float
    information_gain: float = float("nan")
    posterior_std: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class Selection:
    """Answers a problem: chosen ids in order, one score per candidate (best first), one sentence why.

    Attributes:
        worthwhile: False where the best score is below ``SelectionConfig.stop_below``.
        targets: columns of ``gains``.
        gains: (candidates in the order of ``scores``, targets) [nat]: what a demonstration of each
            candidate would teach each target, per state of the target; None where it is not computed.
    """

    task_ids: tuple[str, ...]
    scores: tuple[Score, ...]
    strategy: str
    reason: str = ""
    worthwhile: bool = True
    targets: tuple[str, ...] = ()
    gains: F32 | None = field(default=None, compare=False)


class Strategy(Protocol):
    """Chooses the next task by some rule. The class is called with a ``SelectionConfig``.

    ``name`` and ``needs_states`` are attributes of the class: both are read before there is an instance. A
    class may also say ``audit_episodes``: how many episodes of each task the session runs its first policy
    for before it asks; without it, 1 where states are needed, else none.
    """

    name: str
    needs_states: bool  # whether it needs occupancies: the session makes audit roll-outs if so

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError kinds; never changes the problem."""


def changed_records(problem: Problem, earlier: Problem) -> list[tuple[TaskRecord, TaskRecord]] | None:
    """Return records that are others than in an earlier problem, and those; None where ids or weights may be.

    At a glance: equal candidates and targets that are not the same objects are not compared.
    """
    if problem.candidates is not earlier.candidates or problem.targets is not earlier.targets:
        return None
    if len(problem.tasks) != len(earlier.tasks):
        return None
    pairs = [(now, old) for now, old in zip(problem.tasks, earlier.tasks) if now is not old]
    return pairs if all(now.id == old.id for now, old in pairs) else None


def best(scores: Mapping[str, float], seed: int) -> str:
    """Return the id with the largest score; ``seed`` and the ids decide between scores equal to rounding.

    The order of ``scores`` plays no part, so the answer does not change when tasks change places.
    """
    top = max(scores.values())
    tied = [key for key, score in scores.items() if top - score <= 1e-9 * max(abs(top), 1e-300)]
    if len(tied) == 1:
        return tied[0]
    return min(tied, key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest())


def ranked(scores: Sequence[Score]) -> tuple[Score, ...]:
    """Return scores best first; equal ones keep their order."""
    return tuple(sorted(scores, key=lambda score: -score.score))
