"""ensemble: frozen heads with random priors, made at the end of pre-training; features times their spread.

Osband, Aslanides, Cassirer, Randomized Prior Functions for Deep Reinforcement Learning, 2018. Head m sees the
frozen hidden layer, standardised as z, and units of its own with random weights B_m, c_m:

    u_m(x) = [z / sqrt(w), tanh(B_m z / sqrt(w) + c_m) / sqrt(UNITS), 1]
    theta_m = argmin sum_i |theta u_m(x_i) - y_i - eps_i|^2 / s^2 + |theta - theta0_m|^2

with theta0_m a draw of the prior and eps noise of variance s^2: the trained head keeps its prior where no
data were. Being linear in theta it is solved, not descended. phi(x) = policy.embed(x) std_m f_m(x): states
where the heads agree hardly count. Fine-tuning never touches it: it keeps what pre-training covered.

    fitted = Ensemble.fit(policy, steps, seed=0)
    phi = Ensemble(policy, fitted).embed(states)               # (n, p)
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from amf_ros.core.errors import CheckpointError
from amf_ros.core.values import Array
from amf_ros.knowledge.uncertainty.base import States, inspectable
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Policy, Steps

HEADS, UNITS = 10, 64
NOISE = 0.1  # s, in standardised units of the action
FLOOR = 1e-3  # of a hidden unit's deviation: one that never moved must not explode later
TENSORS = ("mean", "std", "weights", "biases", "heads")


class Ensemble:
    """Heads that agree where pre-training was and keep their random priors elsewhere."""

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Solve all heads on the pre-training steps; padding past a demonstration's end counts as shown."""
        rng = np.random.default_rng(seed)
        one = inspectable(policy, "ensemble")
        hidden = one.hidden(steps.observations, steps.tasks).astype(np.float64)
        labels = one.standardise(steps.chunks).astype(np.float64)  # (N, o)
        mean, std = hidden.mean(axis=0), np.maximum(hidden.std(axis=0), FLOOR)
        weights = rng.standard_normal((HEADS, hidden.shape[1], UNITS))
        biases = rng.standard_normal((HEADS, UNITS))
        heads = []
        for w, c in zip(weights, biases, strict=True):
            u = _inputs((hidden - mean) / std, w, c)
            prior = rng.standard_normal((u.shape[1], labels.shape[1]))
            noisy = labels + NOISE * rng.standard_normal(labels.shape)
            precision = cho_factor(u.T @ u / NOISE**2 + np.eye(u.shape[1]))
            heads.append(cho_solve(precision, u.T @ noisy / NOISE**2 + prior))
        arrays = dict(zip(TENSORS, (mean, std, weights, biases, np.array(heads)), strict=True))
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        lacking = [name for name in TENSORS if name not in fitted]
        if lacking:
            raise CheckpointError(
                f"the checkpoint holds no 'ensemble' ({', '.join(lacking)} missing): name it under "
                "uncertainty in the pre-training file and pre-train again, or choose another model"
            )
        self._policy, self._fitted = policy, fitted
        self._network = inspectable(policy, "ensemble")

    def embed(self, states: States) -> F32:
        """Return features (n, p): the policy's own, times the heads' standard deviation."""
        phi = self._policy.embed(states.observations, states.tasks)
        scaled: F32 = (phi * self.spread(states)[:, None]).astype(np.float32)
        return scaled

    def spread(self, states: States) -> Array:
        """Return the deviation over heads, root mean square over outputs, (n,), in standardised units."""
        fitted = self._fitted
        z = (self._network.hidden(states.observations, states.tasks) - fitted["mean"]) / fitted["std"]
        answers = np.array(
            [
                _inputs(z, w, c) @ head
                for w, c, head in zip(fitted["weights"], fitted["biases"], fitted["heads"], strict=True)
            ]
        )  # (HEADS, n, o)
        spread: Array = np.sqrt(answers.astype(np.float64).var(axis=0, ddof=1).mean(axis=1))
        return spread


def _inputs(z: Array, weights: Array, biases: Array) -> Array:
    """u_m(x) of standardised hidden layers z, (n, w + UNITS + 1)."""
    linear = z / np.sqrt(z.shape[1])
    units = np.tanh(linear @ weights + biases) / np.sqrt(UNITS)
    joined: Array = np.concatenate([linear, units, np.ones((len(z), 1))], axis=1)
    return joined
