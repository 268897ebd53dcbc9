"""An uncertainty model by name. Imports registry and this package.

model = make_model("ensemble", policy, fitted)
fitted = fit_model("ensemble", policy, steps)
"""

from __future__ import annotations

from amf_ros.core.plugins import load
from amf_ros.knowledge.uncertainty.base import UncertaintyModel
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import Policy, Steps

SEED = 0  # one for all: a model's draws are part of its definition


def make_model(name: str, policy: Policy, fitted: Fitted) -> UncertaintyModel:
    """Return the registered model, or the one at ``package.module:Object``, for this policy.

    Raises:
        UnknownName: no such model.
        ConfigError: it cannot be imported, or the policy lacks what it needs.
        CheckpointError: it needs what was not fitted when the checkpoint was made.
    """
    model: UncertaintyModel = load("uncertainty", name)(policy, fitted)
    return model


def fit_model(name: str, policy: Policy, steps: Steps) -> Fitted:
    """Return what the model keeps of the pre-training steps. Raises as :func:`make_model`."""
    fitted: Fitted = load("uncertainty", name).fit(policy, steps, SEED)
    return fitted
