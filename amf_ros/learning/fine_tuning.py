"""Does one round's fine-tuning as a whole: from a checkpoint and demonstrations to the next checkpoint.

The fine-tuner node and the in-process session both call this, so equal stores give equal checkpoints.

    tuned = tune(load(uri), demonstrations, suite, TrainingConfig(), run.checkpoints, round=3, seed=7)
    tuned.info
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import Cancelled, CheckpointExists
from amf_ros.core.values import CheckpointInfo, Demonstration
from amf_ros.learning.checkpoint_description import Making, parse_description
from amf_ros.learning.checkpoint_folder import list_checkpoints
from amf_ros.learning.checkpoints import Checkpoint, as_path, fingerprint, load, policy_name, save_checkpoint
from amf_ros.learning.cloning import Progress, fine_tune, ignore, never, train_anew
from amf_ros.tasks.base import Suite

Start = Literal["pretrained", "scratch"]
"""Where a round's training begins: pi_0, or random weights (an ablation: what pre-training contributes)."""


@dataclass(frozen=True)
class Tuned:
    """Says what one fine-tuning made.

    Attributes:
        loss: mean over the last logging window; NaN when it was stopped before the first.
        finished: False when ``should_stop`` ended it early; the checkpoint is what was reached.
        seconds: of training, wall clock [s]; 0 where the checkpoint stood there already.
    """

    checkpoint: Checkpoint
    loss: float
    finished: bool
    seconds: float

    @property
    def info(self) -> CheckpointInfo:
        """Describe the checkpoint."""
        return self.checkpoint.info


def round_id(round: int) -> str:
    """Name the checkpoint that a round's fine-tuning makes; ids sort by round, after ``pretrained``."""
    return f"round_{round:04d}"


def is_round_id(checkpoint_id: str) -> bool:
    """Return whether a round's fine-tuning made the checkpoint, by its id."""
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
    replace_round: bool = False,
    start: Start = "pretrained",
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
    keep_unfinished: Callable[[], bool] = lambda: True,
) -> Tuned:
    """Fine-tune and save ``root/round_<round>``, with the coverage of the initial checkpoint.

    What the same arguments made before is returned as it is. A finished checkpoint gives way to nothing but
    a finished one, and only where ``replace_round`` says so; one that was stopped early gives way to any.

    Args:
        initial: stays as it is.
        demonstrations: all usable ones, oldest first.
        suite: embeds their tasks.
        config: how to train.
        root: the run's checkpoints. None = save nothing.
        round: after which round this is; 0 = the one after the highest in ``root``.
        seed: of the batches.
        num_steps: gradient steps; 0 = ``config.num_steps``, or ``config.pretrain_steps`` from scratch.
        replace_round: train anew, and replace what this round has.
        start: what training begins with.
        progress: called now and then.
        should_stop: asked before each gradient step.
        keep_unfinished: asked when training was stopped: whether to save what was reached.

    Raises:
        DataError: there is nothing to learn from.
        CheckpointExists: the round has a finished checkpoint that was made from something else.
        Cancelled: stopped early, and what was reached is not kept; says why.
        TrainingDiverged: the loss is not finite; nothing is saved.
        StorageError: the disk is full or not writable.
    """
    wanted = num_steps or (config.num_steps if start == "pretrained" else config.pretrain_steps)
    made_from = recipe(initial, demonstrations, suite, config, wanted, seed, start)
    if root is not None:
        found = _made_before(root, round, made_from, replace_round)
        if found is not None:
            return found
        round = round or 1 + max((info.round for info in list_checkpoints(root)), default=0)
    last = Progress(0, wanted, float("nan"), 0.0)

    def note(now: Progress) -> None:
        nonlocal last
        last = now
        progress(now)

    train = fine_tune if start == "pretrained" else train_anew
    policy = train(initial, demonstrations, suite, config, wanted, seed, note, should_stop)
    finished = last.step == wanted
    info = CheckpointInfo(round_id(round), "", policy_name(policy), round, len(demonstrations))
    made = replace(initial, policy=policy, info=info, fingerprint="")
    if root is not None:
        if not finished:
            _check_worth_keeping(root, info.id, last, keep_unfinished())
        loss = last.loss if math.isfinite(last.loss) else None
        stored = save_checkpoint(root, made, making=Making(finished=finished, recipe=made_from, loss=loss))
        made = replace(made, info=stored, fingerprint=parse_description(root / info.id).sha256)
    return Tuned(made, last.loss, finished, last.seconds)


def recipe(
    initial: Checkpoint,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    num_steps: int,
    seed: int,
    start: Start,
) -> str:
    """Return a digest of everything that a fine-tuning's result follows from, but the program itself."""
    digest = hashlib.sha256(fingerprint(initial).encode())
    digest.update(json.dumps([config.model_dump(mode="json"), num_steps, seed, start]).encode())
    for demo in demonstrations:
        digest.update(f"{demo.id}/{demo.task_id}/{demo.num_steps}".encode())
        demo.observations.update(digest)
        for array in (demo.actions, suite.embedding(demo.task_id)):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _made_before(root: Path, round: int, made_from: str, replace_round: bool) -> Tuned | None:
    """Return the finished checkpoint of this round, or where ``round`` is 0 of any, if this recipe made it.

    Raises:
        CheckpointExists: the round has a finished one of another recipe, and it is not to be replaced.
    """
    for info in list_checkpoints(root):
        making = parse_description(as_path(info.uri)).making
        if replace_round or not making.finished or (round and info.id != round_id(round)):
            continue
        if making.recipe == made_from:
            return Tuned(load(info.uri), math.nan if making.loss is None else making.loss, True, 0.0)
        if round:
            raise CheckpointExists(
                f"{info.id} exists in {root} and was made from other demonstrations, steps or settings: take "
                "another round (amf tune without --round takes the next), or ask for it with --replace"
            )
    return None


def _check_worth_keeping(root: Path, checkpoint_id: str, last: Progress, wanted: bool) -> None:
    """Check that what was reached early may take its place. Raises Cancelled where it may not."""
    stopped = f"stopped after {last.step} of {last.num_steps} steps"
    path = root / checkpoint_id
    if path.exists() and parse_description(path).making.finished:
        raise Cancelled(f"{stopped}; {checkpoint_id} stands as it was")
    if not last.step or not wanted:
        raise Cancelled(f"{stopped}; nothing was saved")
