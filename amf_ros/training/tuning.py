"""One round's fine-tuning as a whole: checkpoint + demonstrations -> checkpoint.

The fine-tuner node and the in-process session both call this, so equal stores give equal checkpoints.

    tuned = tune(load(uri), demonstrations, suite, TrainingConfig(), run.checkpoints, round=3, seed=7)
    tuned.info
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from amf_ros.config import TrainingConfig
from amf_ros.tasks.base import Suite
from amf_ros.training.checkpoints import Checkpoint, policy_name, save
from amf_ros.training.cloning import Progress, fine_tune, ignore, never, train_anew
from amf_ros.types import CheckpointInfo, Demonstration

Start = Literal["pretrained", "scratch"]
"""Where a round's training begins: pi_0, or random weights (an ablation: what pre-training contributes)."""


@dataclass(frozen=True)
class Tuned:
    """What was made.

    Attributes:
        loss: mean over the last logging window; NaN when it was stopped before the first.
        finished: False when ``should_stop`` ended it early; the checkpoint is what was reached.
        seconds: of training, wall clock [s].
    """

    checkpoint: Checkpoint
    loss: float
    finished: bool
    seconds: float

    @property
    def info(self) -> CheckpointInfo:
        """Of the checkpoint."""
        return self.checkpoint.info


def round_id(round: int) -> str:
    """Id of the checkpoint that a round's fine-tuning makes; ids sort by round, after ``pretrained``."""
    return f"round_{round:04d}"


def is_round_id(checkpoint_id: str) -> bool:
    """Whether a round's fine-tuning made the checkpoint, by its id."""
    return re.fullmatch(r"round_\d{4,}", checkpoint_id) is not None


def tune(
    initial: Checkpoint,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    root: Path | None,
    *,
    round: int,
    seed: int,
    num_steps: int = 0,
    start: Start = "pretrained",
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> Tuned:
    """Fine-tune and save ``root/round_<round>``, with the coverage of the initial checkpoint.

    Args:
        initial: stays as it is.
        demonstrations: all usable ones, oldest first.
        suite: embeds their tasks.
        config: how to train.
        root: the run's checkpoints; one of the same round is replaced whole. None = save nothing.
        round: after which round this is.
        seed: of the batches.
        num_steps: gradient steps; 0 = ``config.num_steps``, or ``config.pretrain_steps`` from scratch.
        start: what training begins with.
        progress: called now and then.
        should_stop: asked before each gradient step.

    Raises:
        DataError: there is nothing to learn from.
        TrainingDiverged: the loss is not finite; nothing is saved.
        StorageError: the disk is full or not writable.
    """
    wanted = num_steps or (config.num_steps if start == "pretrained" else config.pretrain_steps)
    last = Progress(0, wanted, float("nan"), 0.0)

    def note(now: Progress) -> None:
        nonlocal last
        last = now
        progress(now)

    train = fine_tune if start == "pretrained" else train_anew
    policy = train(initial, demonstrations, suite, config, wanted, seed, note, should_stop)
    info = CheckpointInfo(round_id(round), "", policy_name(policy), round, len(demonstrations))
    made = replace(initial, policy=policy, info=info)
    if root is not None:
        made = replace(made, info=save_checkpoint(root, made))
    return Tuned(made, last.loss, last.step == wanted, last.seconds)


def save_checkpoint(root: Path, checkpoint: Checkpoint, stamp_ns: int | None = None) -> CheckpointInfo:
    """Write ``root/<id>`` with all that the checkpoint holds. Raises as :func:`save`."""
    return save(
        root,
        checkpoint.info.id,
        checkpoint.policy,
        round=checkpoint.info.round,
        num_demonstrations=checkpoint.info.num_demonstrations,
        coverage=checkpoint.coverage,
        pretraining=checkpoint.pretraining,
        stamp_ns=stamp_ns,
    )
