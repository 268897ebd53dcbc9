"""One round's fine-tuning as a whole: stored checkpoint + demonstrations -> stored checkpoint.

The fine-tuner node and the in-process session both call this, so equal stores give equal checkpoints.

    tuned = tune(load(uri), demonstrations, suite, TrainingConfig(), run.checkpoints, round=3, seed=7)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amf_ros.config import TrainingConfig
from amf_ros.tasks.base import Suite
from amf_ros.training.checkpoints import Checkpoint, save
from amf_ros.training.cloning import Progress, fine_tune, ignore, never
from amf_ros.types import CheckpointInfo, Demonstration


@dataclass(frozen=True)
class Tuned:
    """What was made.

    Attributes:
        loss: mean over the last logging window; NaN when it was stopped before the first.
        finished: False when ``should_stop`` ended it early; the checkpoint is what was reached.
        seconds: of training, wall clock [s].
    """

    checkpoint: CheckpointInfo
    loss: float
    finished: bool
    seconds: float


def round_id(round: int) -> str:
    """Id of the checkpoint that a round's fine-tuning makes; ids sort by round, after ``pretrained``."""
    return f"round_{round:04d}"


def tune(
    initial: Checkpoint,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    root: Path,
    *,
    round: int,
    seed: int,
    num_steps: int = 0,
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> Tuned:
    """Fine-tune and save ``root/round_<round>``, with the coverage of the initial checkpoint.

    Args:
        initial: stays as it is.
        demonstrations: all usable ones, oldest first.
        suite: embeds their tasks.
        config: how to train.
        root: the run's checkpoints; one of the same round is replaced whole.
        round: after which round this is.
        seed: of the batches.
        num_steps: gradient steps; 0 = ``config.num_steps``.
        progress: called now and then.
        should_stop: asked before each gradient step.

    Raises:
        DataError: there is nothing to learn from.
        TrainingDiverged: the loss is not finite; nothing is saved.
        StorageError: the disk is full or not writable.
    """
    wanted = num_steps or config.num_steps
    last = Progress(0, wanted, float("nan"), 0.0)

    def note(now: Progress) -> None:
        nonlocal last
        last = now
        progress(now)

    policy = fine_tune(initial, demonstrations, suite, config, wanted, seed, note, should_stop)
    info = save(
        root,
        round_id(round),
        policy,
        round=round,
        num_demonstrations=len(demonstrations),
        coverage=initial.coverage,
        pretraining=initial.pretraining,
    )
    return Tuned(info, last.loss, last.step == wanted, last.seconds)
