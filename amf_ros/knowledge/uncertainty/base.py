"""What an uncertainty model is. Imports errors and policies.base.

class Mine:
    @classmethod
    def fit(cls, policy, steps, seed): return {}
    def __init__(self, policy, fitted): ...
    def embed(self, states): ...                               # (n, p)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from amf_ros.core.errors import ConfigError
from amf_ros.core.frames import Frames
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Inspectable, Policy, Steps


@dataclass(frozen=True)
class States:
    """States of one trajectory, as a model sees them.

    Attributes:
        observations: n frames.
        tasks: (n, k) task embeddings.
        chunks: (n, H, a) the actions that were demonstrated from there on; None where nobody showed any.
        valid: (n, H) 1 where ``chunks`` was demonstrated, 0 where it is padding.
        seed: of draws, a function of the trajectory alone: it is embedded alike in every round.
    """

    observations: Frames
    tasks: F32
    chunks: F32 | None = None
    valid: F32 | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.observations)


class UncertaintyModel(Protocol):
    """Features phi with k(x, x') = <phi(x), phi(x')>; a class, registered or given as package.module:Object.

    ``embed`` is a function of pi_0, of what was fitted and of the states: fine-tuning changes nothing.
    """

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Return what it keeps of the pre-training steps, by name, for the checkpoint; often nothing."""

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        """``fitted`` is what :meth:`fit` gave when pi_0 was pre-trained, empty where the checkpoint has none.

        Raises:
            ConfigError: the policy lacks what the model needs.
            CheckpointError: the model needs what was not fitted.
        """

    def embed(self, states: States) -> F32:
        """Return features (n, p) float32; also of no states, (0, p)."""


def inspectable(policy: Policy, model: str) -> Inspectable:
    """Return the policy, known to offer what ``model`` needs.

    Raises:
        ConfigError: it lacks a method.
    """
    if isinstance(policy, Inspectable):
        return policy
    wanted = ("hidden", "head", "predict", "standardise", "layer_gradients")
    lacking = [name for name in wanted if not hasattr(policy, name)]
    raise ConfigError(
        f"{model!r} needs {', '.join(lacking)}, which policy {type(policy).__qualname__} lacks: give it "
        "these methods (amf_ros.policies.base.Inspectable), or choose 'features'"
    )
