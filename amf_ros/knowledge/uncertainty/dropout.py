"""dropout: covariance of the outputs when units of the last hidden layer are dropped, in closed form.

arXiv 2410.05026 lists last-layer dropout among its embeddings. With independent masks m_i in {0, 1/(1 - q)}
the outputs f = W (m h) + b at two inputs have, summed over outputs,

    Cov(f(x), f(x')) = q / (1 - q) sum_i |w_i|^2 h_i(x) h_i(x')        w_i the i-th column of W

so that phi_i = sqrt(q / (1 - q)) |w_i| h_i is what sampling many masks converges to, without the noise.

    phi = Dropout(policy, {}).embed(states)                    # (n, w)
"""

from __future__ import annotations

import numpy as np

from amf_ros.knowledge.uncertainty.base import States, inspectable
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Policy, Steps

RATE = 0.1  # q; scales all features alike, which selection takes out again


class Dropout:
    """Hidden units, each as large as what hangs on it."""

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Nothing."""
        return {}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        self._policy = inspectable(policy, "dropout")
        self._scales: F32 = np.sqrt(RATE / (1 - RATE)) * np.linalg.norm(self._policy.head(), axis=0)

    def embed(self, states: States) -> F32:
        """Return features (n, w)."""
        hidden = self._policy.hidden(states.observations, states.tasks)
        phi: F32 = (hidden * self._scales).astype(np.float32)
        return phi
