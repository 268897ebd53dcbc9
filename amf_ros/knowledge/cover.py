"""What some demonstrations cover, as each uncertainty model sees it.

    covered = cover(policy, demonstrations, suite, ("features", "ensemble"))

Imports learning, policies, selection, tasks and the rest of this room.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amf_ros.core.values import Array, Demonstration
from amf_ros.knowledge.trajectories import direction, states_of
from amf_ros.knowledge.uncertainty.base import UncertaintyModel
from amf_ros.knowledge.uncertainty.loading import fit_model, make_model
from amf_ros.learning.batches import make_steps
from amf_ros.learning.coverage import MODEL_OF_OLD, Coverage
from amf_ros.policies.base import Policy
from amf_ros.selection.blas_threads import one_blas_thread
from amf_ros.tasks.base import Suite


def cover(
    policy: Policy,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    models: Sequence[str] = (MODEL_OF_OLD,),
) -> dict[str, Coverage]:
    """Return what these demonstrations cover, for each of some uncertainty models.

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
