"""Torch modules of the built-in policies.

    network = ChunkNetwork(num_inputs=50, num_tasks=20, num_actions=8, hidden=(256, 256, 256), chunk=4)
    actions = network(inputs, tasks)            # (B, n), (B, k) -> (B, H, a), all standardised

Imports torch only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Standardise(nn.Module):
    """z-scores with a floor on the deviation, so that a feature that hardly moved does not explode later.

    Attributes:
        mean, std: (d,) in the feature's own unit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def fit(self, values: Tensor, floor: float) -> None:
        """Take mean and deviation of the rows of ``values`` (n, d); ``floor`` is in the features' unit."""
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(values.std(dim=0, correction=0).clamp(min=floor))

    def forward(self, values: Tensor) -> Tensor:
        """Return standardised values (..., d)."""
        return (values - self.mean) / self.std

    def invert(self, values: Tensor) -> Tensor:
        """Return values in their own unit (..., d)."""
        return values * self.std + self.mean


class FarAndNear(Standardise):
    """An observation at two scales: bounded z-scores for the way there, tanh(x / near) for the last bit.

    Most features are differences that matter to millimetres around zero and vary over decimetres; with
    z-scores alone the network has to be very steep there. Tabletop suite, eight demonstrations each of
    eight tasks, 80 episodes over them and two like them, two seeds: 94% with both scales, 89% without.
    """

    def __init__(
        self, size: int, clip: float, near: float, presence: Sequence[int | None] | None = None
    ) -> None:
        """Make statistics that are still to be fitted.

        Args:
            size: d.
            clip: bounds the z-scores.
            near: in the features' unit.
            presence: for each feature the one that is 0 where it is absent, else 1; None = it always is there
                (:attr:`amf_ros.contract.ObservationLayout.presence`). An absent one is 0 at both scales.
        """
        super().__init__(size)
        self.clip, self.near = clip, near
        pairs = [(i, flag) for i, flag in enumerate(presence or ()) if flag is not None]
        self._masked, self._flags = [i for i, _ in pairs], [flag for _, flag in pairs]

    def fit(self, values: Tensor, floor: float) -> None:
        """Take mean and deviation of the rows of ``values`` (n, d), of each feature where it is there."""
        super().fit(values, floor)
        for i, flag in zip(self._masked, self._flags, strict=True):
            there = values[values[:, flag] != 0, i]
            self.mean[i] = there.mean() if len(there) else 0.0
            self.std[i] = there.std(correction=0).clamp(min=floor) if len(there) else floor

    def forward(self, values: Tensor) -> Tensor:
        """Return both scales, (..., 2 d)."""
        far = super().forward(values).clamp(-self.clip, self.clip)
        if self._masked:
            far[..., self._masked] *= values[..., self._flags]
        return torch.cat([far, torch.tanh(values / self.near)], dim=-1)


class ChunkNetwork(nn.Module):
    """A perceptron from [scaled observation, task embedding] to H standardised actions."""

    def __init__(
        self,
        num_inputs: int,
        num_tasks: int,
        num_actions: int,
        hidden: tuple[int, ...],
        chunk: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_inputs, self.chunk, self.num_actions = num_inputs, chunk, num_actions
        sizes = (num_inputs + num_tasks, *hidden)
        layers = [nn.Linear(n, m) for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(sizes[-1], chunk * num_actions)
        for layer in (*layers, self.head):
            bound = 1.0 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def features(self, inputs: Tensor, tasks: Tensor) -> Tensor:
        """Return the last hidden layer h, (B, hidden[-1])."""
        h = torch.cat([inputs, tasks], dim=1)  # (B, n + k)
        for layer in self.layers:
            h = functional.gelu(layer(h))
        return h

    def forward(self, inputs: Tensor, tasks: Tensor) -> Tensor:
        """Return standardised action chunks, (B, H, a)."""
        flat: Tensor = self.head(self.features(inputs, tasks))
        return flat.view(-1, self.chunk, self.num_actions)

    def layer_gradients(
        self, inputs: Tensor, tasks: Tensor, cotangents: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Per layer (delta (B, n_out), [inputs, 1] (B, n_in + 1)): see ``policies.base.Inspectable``.

        Rows do not depend on one another, so the gradient of the sum over rows is that of each.
        """
        h = torch.cat([inputs, tasks], dim=1).detach().requires_grad_(True)
        rows, sums = [], []
        with torch.enable_grad():
            for layer in self.layers:
                rows.append(h)
                sums.append(layer(h))
                h = functional.gelu(sums[-1])
            rows.append(h)
            sums.append(self.head(h))
            deltas = torch.autograd.grad((sums[-1] * cotangents).sum(), sums)
        ones = torch.ones_like(h[:, :1])
        return [
            (delta, torch.cat([row.detach(), ones], dim=1)) for delta, row in zip(deltas, rows, strict=True)
        ]

    @torch.no_grad()
    def forget_unused(self, inputs: Tensor, tasks: Tensor) -> None:
        """Zero the weights of inputs that were zero in all training: elements of unseen tasks, absent roles.

        Their weights are still the random ones of the start; left alone they would push the activations of
        the first task that has them somewhere arbitrary.

        Args:
            inputs: scaled observations of all training (N, n).
            tasks: task embeddings of all training (N, k).
        """
        unused = ~torch.cat([inputs, tasks], dim=1).any(dim=0)  # (n + k,)
        self.layers[0].get_parameter("weight")[:, unused] = 0.0
