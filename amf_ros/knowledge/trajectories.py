"""A demonstration or roll-out as the states that selection embeds. Imports types and the models' protocol.

states = states_of(demonstration, "open_drawer", suite.embedding("open_drawer"), chunk=4, count=10)
"""

from __future__ import annotations

import hashlib

import numpy as np

from amf_ros.core.values import Array, Demonstration, Rollout
from amf_ros.knowledge.uncertainty.base import States
from amf_ros.policies.base import F32

Trajectory = Demonstration | Rollout


def states_of(
    trajectory: Trajectory, task_id: str, embedding: Array, chunk: int, count: int | None = None
) -> States:
    """Return states of a trajectory as those of a task, with actions where it demonstrates that very task.

    Args:
        trajectory: whose observations are used.
        task_id: which task they are asked about.
        embedding: its embedding (k,).
        chunk: H, actions per state.
        count: evenly spaced states, first and last among them; None = all.
    """
    steps = len(trajectory.observations)
    rows = np.arange(steps)
    if count is not None and steps > count:
        rows = np.linspace(0, steps - 1, count).round().astype(int)
    chunks = valid = None
    if isinstance(trajectory, Demonstration) and trajectory.task_id == task_id:
        ahead = rows[:, None] + np.arange(chunk)[None]  # (n, H)
        chunks = trajectory.actions[np.minimum(ahead, steps - 1)].astype(np.float32)
        valid = (ahead < steps).astype(np.float32)
    return States(
        observations=trajectory.observations[rows].float32(),
        tasks=np.tile(np.asarray(embedding, dtype=np.float32), (len(rows), 1)),
        chunks=chunks,
        valid=valid,
        seed=int.from_bytes(hashlib.sha256(f"{trajectory.id}/{task_id}".encode()).digest()[:8], "big"),
    )


def direction(embedding: Array) -> F32:
    """Return a task embedding at unit length, (k,); zeros stay zeros."""
    vector = np.asarray(embedding, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    unit: F32 = (vector / length if length else vector).astype(np.float32)
    return unit
