"""What a policy offers: infer, embed, save. Everything batched, float32, numpy in and out.

    chunk = policy.infer(observations, tasks)      # (B, d), (B, k) -> (B, H, a)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class PolicySpec:
    """What a policy was made for; a checkpoint is refused where it differs from the running contract.

    Attributes:
        observation_names: d names of the observation vector's elements.
        action_names: a names of the action vector's elements.
        task_names: k names of the task embedding's elements (or just ``("0", "1", ...)``).
        contract_hash: of the contract the data were made with.
        fps: rate of the actions [Hz].
        chunk: H, actions per inference.
    """

    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    task_names: tuple[str, ...]
    contract_hash: str
    fps: float
    chunk: int


class Policy(Protocol):
    """A task-conditioned policy with a fixed embedding for selection."""

    spec: PolicySpec

    def infer(self, observations: F32, tasks: F32) -> F32:
        """Action chunks (B, H, a) for observations (B, d) and task embeddings (B, k)."""

    def embed(self, observations: F32, tasks: F32) -> F32:
        """Features phi (B, p) of the frozen pre-trained network, unit norm: what selection works on."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Everything needed to rebuild it, by name, for safetensors."""

    def settings(self) -> Mapping[str, Any]:
        """Plain values needed to rebuild it, for YAML."""
