"""What pre-training covered, for each uncertainty model: moments of its features, no data.

    covered = coverage(policy, demonstrations, suite, ("features", "ensemble"))
    info = save(root, "pretrained", policy, round=0, num_demonstrations=0, coverage=covered)

Imports policies, tasks and the rest of training below checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.errors import CheckpointError
from amf_ros.policies.base import Policy
from amf_ros.selection.threads import one_blas_thread
from amf_ros.tasks.base import Suite
from amf_ros.training.batches import make_steps
from amf_ros.training.trajectories import direction, states_of
from amf_ros.training.uncertainty.base import Fitted, UncertaintyModel
from amf_ros.training.uncertainty.loading import fit_model, make_model
from amf_ros.types import Array, Demonstration

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


def coverage(
    policy: Policy,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    models: Sequence[str] = (MODEL_OF_OLD,),
) -> dict[str, Coverage]:
    """What these demonstrations cover, for each of some uncertainty models.

    Raises:
        DataError: there are no steps to cover anything.
        UnknownName: no such model, or a task outside the suite.
        ConfigError: the policy lacks what a model needs.
    """
    steps = make_steps(demonstrations, suite.embedding, policy.spec.chunk)
    covered = {}
    with one_blas_thread():
        for name in models:
            fitted = fit_model(name, policy, steps)
            model = make_model(name, policy, fitted)
            means = [_mean(model, policy, demo, suite) for demo in demonstrations if demo.num_steps]
            covered[name] = Coverage(sum(means[1:], means[0]), fitted)
    return covered


def _mean(model: UncertaintyModel, policy: Policy, demo: Demonstration, suite: Suite) -> Array:
    """Mean of x x^T over a demonstration's steps, (p + k, p + k)."""
    e = suite.embedding(demo.task_id)
    phi = model.embed(states_of(demo, demo.task_id, e, policy.spec.chunk)).astype(np.float64)
    x = np.concatenate([phi, np.tile(direction(e).astype(np.float64), (len(phi), 1))], axis=1)
    mean: Array = x.T @ x / len(x)
    return mean


def to_tensors(covered: Mapping[str, Coverage]) -> dict[str, NDArray[Any]]:
    """By name, for a checkpoint: ``coverage.<model>`` and ``fitted.<model>.<name>``."""
    tensors = {}
    for model, known in covered.items():
        tensors[f"{_COVERAGE}.{model}"] = np.asarray(known.moments, order="C")
        for name, value in known.fitted.items():
            tensors[f"{_FITTED}.{model}.{name}"] = np.asarray(value, order="C")
    return tensors


def from_tensors(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Coverage]:
    """What :func:`to_tensors` wrote, or an old checkpoint's; other tensors are passed over."""
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
