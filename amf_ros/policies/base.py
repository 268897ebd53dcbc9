"""What a policy offers: infer, embed, save, and be trained. Everything batched, numpy in and out.

    chunk = policy.infer(observations, tasks)      # B frames, (B, k) -> (B, H, a)

Observations are :class:`~amf_ros.core.frames.Frames`: ``observations["observation.state"]`` is (B, d)
float32, a picture (B, height, width, channels) uint8. A policy that takes vectors only has a
:class:`~amf_ros.policies.flat.FlatView`. Imports config, frames and layout only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amf_ros.contract import ObservationLayout
from amf_ros.core.config import TrainingConfig
from amf_ros.core.frames import Frames

if TYPE_CHECKING:
    import torch

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class PolicySpec:
    """What a policy was made for; a checkpoint is refused where it differs from the running contract.

    Attributes:
        layout: the entries of the observations.
        action_names: a names of the action vector's elements.
        task_names: k names of the task embedding's elements (or just ``("0", "1", ...)``).
        contract_hash: of the contract the data were made with.
        fps: rate of the actions [Hz].
        chunk: H, actions per inference.
    """

    layout: ObservationLayout
    action_names: tuple[str, ...]
    task_names: tuple[str, ...]
    contract_hash: str
    fps: float
    chunk: int


@dataclass(frozen=True)
class Steps:
    """What is cloned: N steps of demonstrations, each with the H actions that follow it.

    Attributes:
        observations: N frames.
        tasks: (N, k) task embeddings.
        chunks: (N, H, a) actions; past the end of a demonstration the last action is repeated.
        valid: (N, H) 1 where the action was demonstrated, 0 where it is padding.
        demonstrations: (N,) number of the demonstration that the step is of; None = all of one.
    """

    observations: Frames
    tasks: F32
    chunks: F32
    valid: F32
    demonstrations: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.observations)


class Policy(Protocol):
    """A task-conditioned policy with a fixed embedding for selection."""

    spec: PolicySpec

    def infer(self, observations: Frames, tasks: F32) -> F32:
        """Give action chunks (B, H, a) for B observations and task embeddings (B, k)."""

    def embed(self, observations: Frames, tasks: F32) -> F32:
        """Give features phi (B, p) of the frozen pre-trained network, of unit norm, for selection."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return everything needed to rebuild it, by name, for safetensors."""

    def settings(self) -> Mapping[str, Any]:
        """Return plain values needed to rebuild it, for YAML."""


@runtime_checkable
class Inspectable(Protocol):
    """What uncertainty models beyond plain features ask of a policy; optional.

    All of it is about the frozen pre-trained network pi_0, read as a last hidden layer h and a linear head
    with o = H a outputs in standardised units: f(s, c) = W h(s, c) + b.
    """

    def hidden(self, observations: Frames, tasks: F32) -> F32:
        """Give the last hidden layer h, (B, w)."""

    def head(self) -> F32:
        """Give W, (o, w), without the bias."""

    def predict(self, observations: Frames, tasks: F32) -> F32:
        """Give the outputs f, (B, o), standardised."""

    def standardise(self, chunks: F32) -> F32:
        """Express action chunks (B, H, a) in the contract's units as outputs (B, o)."""

    def layer_gradients(self, observations: Frames, tasks: F32, cotangents: F32) -> list[tuple[F32, F32]]:
        """Give the gradient of <cotangent, f> for each row, layer by layer, the head last.

        Args:
            observations: B frames.
            tasks: (B, k).
            cotangents: (B, o).

        Returns:
            Per linear layer the pair (delta (B, n_out), inputs (B, n_in + 1)): the gradient with respect to
            its weights and bias is their outer product; the last input is 1, for the bias.
        """


class Objective(Protocol):
    """The loss of a policy on fixed steps; the optimisation loop draws the rows."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what to optimise, as torch optimisers take it."""

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Scalar loss on the steps with these row numbers (B,)."""


@runtime_checkable
class Trainable(Policy, Protocol):
    """What cloning needs beyond :class:`Policy`: to begin, to be kept, and to begin again.

    The built-in training works on any such class that is also :class:`GradientTrained` or
    :class:`ClosedForm`.
    """

    @classmethod
    def create(cls, spec: PolicySpec, steps: Steps, config: TrainingConfig, seed: int) -> Trainable:
        """Make an untrained policy, normalised for these steps."""

    @classmethod
    def restore(
        cls, spec: PolicySpec, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> Trainable:
        """Rebuild the policy that gave these tensors and settings. Raises CheckpointError."""

    def finish_pretraining(self, steps: Steps) -> None:
        """End pre-training: called once after it, with the steps it was trained on."""

    def fine_tunable(self, steps: Steps, config: TrainingConfig) -> Trainable:
        """Make a copy that is ready to be fine-tuned on these steps; self stays as it is."""


@runtime_checkable
class GradientTrained(Trainable, Protocol):
    """A policy that learns by gradient steps."""

    def objective(self, steps: Steps, config: TrainingConfig) -> Objective:
        """Return the cloning loss on these steps."""


@runtime_checkable
class ClosedForm(Trainable, Protocol):
    """A policy that learns by solving for its answer."""

    def fit(self, steps: Steps, config: TrainingConfig) -> float:
        """Learn these steps, in place; the mean L1 error on them in standardised units."""


@runtime_checkable
class InputEmbedding(Policy, Protocol):
    """A policy that is the data it learned, and embeds inputs [s, c] as they are (a Gaussian process).

    Attributes:
        task_columns: k, the trailing columns of :meth:`embed` that are the task's embedding.
    """

    task_columns: int

    def pretraining_inputs(self) -> F32:
        """Return the embedded inputs of the pre-training steps, (n, p), in place of a coverage."""
