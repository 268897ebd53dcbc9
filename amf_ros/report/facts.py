"""The values a report shows: plain, frozen, in the order they are shown. Imports stats only.

facts.evaluations[-1].successes, facts.evaluations[-1].episodes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TaskFacts:
    """Tells of one task of the suite; ``pretraining`` is its number of demonstrations in pre-training."""

    id: str
    instruction: str = ""
    pretraining: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """Tells how often one checkpoint succeeded.

    Attributes:
        num_demonstrations: collected in this session before the checkpoint was trained.
        tasks: task id -> (successes, episodes).
    """

    checkpoint_id: str
    round: int
    num_demonstrations: int
    tasks: Mapping[str, tuple[int, int]]

    @property
    def successes(self) -> int:
        """Count the successes over all tasks."""
        return sum(done for done, _ in self.tasks.values())

    @property
    def episodes(self) -> int:
        """Count the episodes over all tasks."""
        return sum(tried for _, tried in self.tasks.values())

    def rate(self, task_id: str) -> float:
        """Return the success rate of one task; NaN where it was not evaluated."""
        done, tried = self.tasks.get(task_id, (0, 0))
        return done / tried if tried else float("nan")


@dataclass(frozen=True)
class Round:
    """Tells of one question to the strategy, and what came of it.

    Attributes:
        chosen: task ids, in the order they were demonstrated.
        scores: task id -> acquisition value; empty where the strategy gives none.
        reasons: task id -> the strategy's reason for that task.
        reason: the strategy's sentence for the first choice.
        loss: final training loss of the round's fine-tuning; NaN where it is not known.
    """

    number: int
    chosen: Sequence[str]
    scores: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    loss: float = float("nan")


@dataclass(frozen=True)
class DemonstrationFacts:
    """Tells of one demonstration; ``duration_s`` is from its first step to its last [s]."""

    id: str
    task_id: str
    outcome: str
    num_steps: int
    duration_s: float


@dataclass(frozen=True)
class Facts:
    """Holds everything that a report shows.

    Attributes:
        command: what to type to get the same again.
        seconds: phase -> wall time [s], in the order they first happened.
        score_note: what the scores mean, one sentence.
        remarks: limits of this very session, in words.
    """

    title: str
    suite: str
    strategy: str
    seed: int
    tasks: Sequence[TaskFacts]
    evaluations: Sequence[Evaluation]
    rounds: Sequence[Round]
    demonstrations: Sequence[DemonstrationFacts]
    seconds: Mapping[str, float]
    command: str = ""
    host: str = ""
    score_note: str = ""
    remarks: Sequence[str] = ()
