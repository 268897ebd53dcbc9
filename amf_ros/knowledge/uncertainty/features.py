"""features: the frozen last hidden layer, phi = policy.embed(s, c). Any policy has it.

The last-layer features of arXiv 2410.05026 (there an ablation of its loss gradients): the kernel of Bayesian
linear regression on the last hidden layer.

    phi = Features(policy, {}).embed(states)                   # (n, p)
"""

from __future__ import annotations

from amf_ros.knowledge.uncertainty.base import States
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Policy, Steps


class Features:
    """What the policy itself offers for selection."""

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Nothing."""
        return {}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        self._policy = policy

    def embed(self, states: States) -> F32:
        """Return features (n, p)."""
        return self._policy.embed(states.observations, states.tasks)
