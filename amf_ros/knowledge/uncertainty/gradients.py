"""Gradients of the cloning loss as features: of the last layer, or of the whole network.

arXiv 2410.05026 embeds a state by the gradient of the loss with respect to the last layer. With the policy
read as a Gaussian around f = W h + b, the loss is |y - f|^2 / 2 in standardised units and

    phi(x) = grad_{W, b} loss = (f(x) - y) (x) [h(x), 1]

projected to 512 (:mod:`.projection`). A state without a demonstrated y draws one from the predictive
distribution N(f(x), s^2), with a seed of its own: y - f is then s times a standard normal vector.

    phi = LossGradient(policy, {"std": np.array(0.2)}).embed(states)       # (n, 512)
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.errors import CheckpointError
from amf_ros.knowledge.uncertainty.base import States, inspectable
from amf_ros.knowledge.uncertainty.projection import project
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Policy, Steps


class LossGradientPredictive:
    """Gradient of the last layer, all labels drawn from the predictive distribution.

    s is 1: it scales all features alike, which selection takes out again.
    """

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Nothing."""
        return {}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        self._policy = inspectable(policy, "loss_gradient_predictive")
        self._outputs = len(self._policy.head())

    def embed(self, states: States) -> F32:
        """Return features (n, 512)."""
        hidden = self._policy.hidden(states.observations, states.tasks)
        with_one = np.concatenate([hidden, np.ones_like(hidden[:, :1])], axis=1)
        return project([(self._residual(states), with_one)], "last layer")

    def _residual(self, states: States) -> F32:
        """Residuals f - y of drawn labels in standardised units, (n, o)."""
        rng = np.random.default_rng(states.seed)
        return rng.standard_normal((len(states), self._outputs), dtype=np.float32)


class LossGradient(LossGradientPredictive):
    """Gradient of the last layer with the demonstrated labels where there are any, as in the paper.

    s is the root mean square of f - y over the pre-training steps. On data that pi_0 fits well the labels
    leave nothing of the gradient: such states look certain, wherever they are.
    """

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Return the residuals' root mean square s."""
        one = inspectable(policy, "loss_gradient")
        labelled = States(steps.observations, steps.tasks, steps.chunks, steps.valid)
        residual, outputs = _shown(one.predict(steps.observations, steps.tasks), policy, labelled), one.head()
        shown = steps.valid.sum() * (len(outputs) // steps.valid.shape[1])
        return {"std": np.array(np.sqrt(np.square(residual, dtype=np.float64).sum() / shown))}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        super().__init__(policy, fitted)
        self._frozen = policy
        if "std" not in fitted:
            raise CheckpointError(
                "the checkpoint was made without 'loss_gradient': name it under uncertainty in the "
                "pre-training file, or choose 'loss_gradient_predictive', which needs nothing from it"
            )
        self._std = float(fitted["std"])

    def _residual(self, states: States) -> F32:
        if states.chunks is None:
            drawn: F32 = np.float32(self._std) * super()._residual(states)
            return drawn
        return _shown(self._policy.predict(states.observations, states.tasks), self._frozen, states)


class FullGradient:
    """Gradient of the whole network in one direction of its outputs, projected to 512.

    phi(x) = grad_theta <g, f(x)> with g a vector of signs, drawn once for all states: <phi, phi'> =
    g^T Theta(x, x') g, which on average over g is the trace of the neural tangent kernel Theta. A direction
    per state, as drawn labels have, would leave unequal states uncorrelated on average.
    """

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Nothing."""
        return {}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        self._policy = inspectable(policy, "full_gradient")
        signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), len(self._policy.head()))
        self._direction: F32 = signs

    def embed(self, states: States) -> F32:
        """Return features (n, 512)."""
        directions = np.tile(self._direction, (len(states), 1))
        pairs = self._policy.layer_gradients(states.observations, states.tasks, directions)
        return project(pairs, "all layers")


def _shown(outputs: F32, policy: Policy, states: States) -> F32:
    """Residuals f - y of demonstrated labels, (n, o); 0 past the end of a demonstration."""
    if states.chunks is None or states.valid is None:
        raise ValueError("states without labels")
    labels = inspectable(policy, "loss_gradient").standardise(states.chunks)
    known = np.repeat(states.valid, outputs.shape[1] // states.valid.shape[1], axis=1)
    residual: F32 = ((outputs - labels) * known).astype(np.float32)
    return residual
