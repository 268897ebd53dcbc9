"""Demonstrations -> the steps that are cloned, each with the chunk of actions that follows it.

    steps = make_steps(demonstrations, suite.embedding, chunk=4)

Imports types, errors and policies.base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from amf_ros.core.errors import DataError
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, Demonstration
from amf_ros.policies.base import Steps


def make_steps(
    demonstrations: Sequence[Demonstration], embedding: Callable[[str], Array], chunk: int
) -> Steps:
    """Make steps of all demonstrations, in order; N is the sum of their lengths.

    Args:
        demonstrations: at least one with at least one step, all with the same layout. Their pictures are not
            copied.
        embedding: task id -> embedding (k,).
        chunk: H, actions per step; a chunk that runs past the end repeats the last action, marked invalid.

    Raises:
        DataError: nothing to learn from, or a demonstration with values that are not finite, named.
    """
    shown = [d for d in demonstrations if d.num_steps]
    if not shown:
        raise DataError(f"{len(demonstrations)} demonstrations hold no steps to learn from; record one first")
    parts = [_chunked(d, embedding(d.task_id), chunk) for d in shown]
    tasks, chunks, valid = (np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True))
    observations = Frames.joined([d.observations for d in shown]).float32()
    lengths = [d.num_steps for d in shown]
    return Steps(observations, tasks, chunks, valid, np.repeat(np.arange(len(parts)), lengths))


def _chunked(demo: Demonstration, embedding: Array, chunk: int) -> tuple[Array, Array, Array]:
    """Give the embedding of each step, the actions from there on, and which of them were demonstrated."""
    steps = demo.num_steps
    if demo.observations.first_bad() or not np.isfinite(demo.actions).all():
        raise DataError(
            f"demonstration {demo.id!r} holds values that are not finite; discard or record it again"
        )
    ahead = np.arange(steps)[:, None] + np.arange(chunk)[None]  # (T, H)
    chunks = demo.actions[np.minimum(ahead, steps - 1)]  # (T, H, a)
    return np.tile(embedding, (steps, 1)), chunks, (ahead < steps).astype(np.float64)
