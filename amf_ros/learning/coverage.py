"""What pre-training covered, for each uncertainty model: moments of its features, no data.

It is kept in the checkpoint; :func:`amf_ros.knowledge.cover.cover` makes it. Imports core only.

    info = save(root, "pretrained", policy, round=0, num_demonstrations=0, coverage=covered)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.errors import CheckpointError
from amf_ros.core.values import Array

Fitted = Mapping[str, NDArray[Any]]
"""What an uncertainty model learned from the pre-training steps, by name."""

MODEL_OF_OLD = "features"  # checkpoints once held one tensor "coverage", of this model
_COVERAGE, _FITTED = "coverage", "fitted"


@dataclass(frozen=True)
class Coverage:
    """What one uncertainty model knows of pre-training.

    Attributes:
        moments: (p + k, p + k) sum over demonstrations of the mean of x x^T over that demonstration's
            steps, x = [phi(s, c), e_c / |e_c|]; (p, p), of phi alone, in old checkpoints.
        fitted: what the model learned from the steps, by name.
    """

    moments: Array
    fitted: Fitted = field(default_factory=dict)

    def blocks(self, width: int, num_task: int, task_weight: float, scale: float) -> Array:
        """Moments of [sqrt(1 - lambda) phi / scale, sqrt(lambda) e / |e|], or of phi alone for lambda = 0.

        Args:
            width: p of the features.
            num_task: k of the task embedding.
            task_weight: lambda.
            scale: of the features, as those of a problem were divided by it.

        Raises:
            CheckpointError: the moments are of other sizes.
        """
        size = len(self.moments)
        if size not in (width, width + num_task):
            raise CheckpointError(
                f"the checkpoint's coverage is of {size} features, its policy has {width} and {num_task} of "
                "the task; pre-train again"
            )
        if not task_weight:
            return self.moments[:width, :width]
        if size == width:
            raise CheckpointError(
                "the checkpoint's coverage holds no moments of the task embedding: pre-train again, or set "
                f"task_weight (now {task_weight:g}) to 0 or coverage to false"
            )
        parts = [np.full(width, np.sqrt(1 - task_weight) / scale), np.full(num_task, np.sqrt(task_weight))]
        factors = np.concatenate(parts)
        scaled: Array = self.moments * np.outer(factors, factors)
        return scaled


def to_tensors(covered: Mapping[str, Coverage]) -> dict[str, NDArray[Any]]:
    """Return it by name, for a checkpoint: ``coverage.<model>`` and ``fitted.<model>.<name>``."""
    tensors = {}
    for model, known in covered.items():
        tensors[f"{_COVERAGE}.{model}"] = np.asarray(known.moments, order="C")
        for name, value in known.fitted.items():
            tensors[f"{_FITTED}.{model}.{name}"] = np.asarray(value, order="C")
    return tensors


def from_tensors(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Coverage]:
    """Read what :func:`to_tensors` wrote, or an old checkpoint's; other tensors are passed over."""
    fitted: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in tensors.items():
        if key.startswith(_FITTED + "."):
            model, _, name = key[len(_FITTED) + 1 :].rpartition(".")
            fitted.setdefault(model, {})[name] = value
    covered = {
        key[len(_COVERAGE) + 1 :]: Coverage(value, fitted.get(key[len(_COVERAGE) + 1 :], {}))
        for key, value in tensors.items()
        if key.startswith(_COVERAGE + ".")
    }
    if _COVERAGE in tensors:
        covered.setdefault(MODEL_OF_OLD, Coverage(tensors[_COVERAGE]))
    return covered
