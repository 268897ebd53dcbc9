"""Demonstrations -> the steps that are cloned, each with the chunk of actions that follows it.

    steps = make_steps(demonstrations, suite.embedding, chunk=4)

Imports types, errors and policies.base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from amf_ros.core.errors import DataError
from amf_ros.core.values import Array, Demonstration
from amf_ros.policies.base import Steps


def make_steps(
    demonstrations: Sequence[Demonstration], embedding: Callable[[str], Array], chunk: int
) -> Steps:
    """Steps of all demonstrations, in order; N is the sum of their lengths.

    Args:
        demonstrations: at least one with at least one step, all with the same features.
        embedding: task id -> embedding (k,).
        chunk: H, actions per step; a chunk that runs past the end repeats the last action, marked invalid.

    Raises:
        DataError: nothing to learn from, or a demonstration with values that are not finite, named.
    """
    parts = [_chunked(d, embedding(d.task_id), chunk) for d in demonstrations if d.num_steps]
    if not parts:
        raise DataError(f"{len(demonstrations)} demonstrations hold no steps to learn from; record one first")
    observations, tasks, chunks, valid = (
        np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True)
    )
    lengths = [len(part[0]) for part in parts]
    return Steps(observations, tasks, chunks, valid, np.repeat(np.arange(len(parts)), lengths))


def _chunked(demo: Demonstration, embedding: Array, chunk: int) -> tuple[Array, Array, Array, Array]:
    steps = demo.num_steps
    if not (np.isfinite(demo.observations).all() and np.isfinite(demo.actions).all()):
        raise DataError(
            f"demonstration {demo.id!r} holds values that are not finite; discard or record it again"
        )
    ahead = np.arange(steps)[:, None] + np.arange(chunk)[None]  # (T, H)
    chunks = demo.actions[np.minimum(ahead, steps - 1)]  # (T, H, a)
    return demo.observations, np.tile(embedding, (steps, 1)), chunks, (ahead < steps).astype(np.float64)
