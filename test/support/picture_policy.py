"""A small policy that looks at a picture: two convolutions beside the joints, trained by gradient steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from amf_ros.core.config import TrainingConfig
from amf_ros.core.frames import Frames
from amf_ros.policies.base import F32, PolicySpec, Steps

NAME = "support.picture_policy:PicturePolicy"
WIDTH = 16


class Network(nn.Module):
    """Features of pictures (B, c, height, width), vectors (B, d) and tasks (B, k), and chunks of actions."""

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__()
        pictures = [entry for entry in spec.layout.entries if not entry.is_vector]
        (height, width, channels) = pictures[0].shape
        self.eyes = nn.Sequential(
            nn.Conv2d(channels, 4, 5, stride=4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            seen = self.eyes(torch.zeros(1, channels, height, width)).shape[1]
        self.join = nn.Linear(seen + len(spec.layout.elements) + len(spec.task_names), WIDTH)
        self.head = nn.Linear(WIDTH, spec.chunk * len(spec.action_names))

    def features(self, picture: Tensor, vector: Tensor, tasks: Tensor) -> Tensor:
        return torch.tanh(self.join(torch.cat([self.eyes(picture), vector, tasks], dim=1)))


class PicturePolicy:
    """Implements ``policies.base.GradientTrained``."""

    def __init__(self, spec: PolicySpec, network: Network) -> None:
        self.spec, self.network = spec, network
        self._pictures = [e.name for e in spec.layout.entries if not e.is_vector]
        self._vectors = [e.name for e in spec.layout.entries if e.is_vector]

    @classmethod
    def create(cls, spec: PolicySpec, steps: Steps, config: TrainingConfig, seed: int) -> PicturePolicy:
        torch.manual_seed(seed)
        return cls(spec, Network(spec))

    def _inputs(self, observations: Frames, tasks: F32) -> tuple[Tensor, Tensor, Tensor]:
        picture = observations[self._pictures[0]]
        assert picture.dtype == np.uint8  # as the camera gave it
        scaled = torch.from_numpy(picture.astype(np.float32) / 255.0).permute(0, 3, 1, 2)
        vectors = np.concatenate([observations[name] for name in self._vectors], axis=1)
        return scaled, torch.from_numpy(vectors), torch.from_numpy(np.asarray(tasks, np.float32))

    def chunks(self, observations: Frames, tasks: F32) -> Tensor:
        out: Tensor = self.network.head(self.network.features(*self._inputs(observations, tasks)))
        return 0.1 * out.view(len(observations), self.spec.chunk, len(self.spec.action_names))

    @torch.inference_mode()
    def infer(self, observations: Frames, tasks: F32) -> F32:
        answer: F32 = self.chunks(observations, tasks).numpy()
        return answer

    @torch.inference_mode()
    def embed(self, observations: Frames, tasks: F32) -> F32:
        h = self.network.features(*self._inputs(observations, tasks))
        phi: F32 = (h / h.norm(dim=1, keepdim=True)).numpy()
        return phi

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        return {name: value.detach().numpy() for name, value in self.network.state_dict().items()}

    def settings(self) -> Mapping[str, Any]:
        return {}

    @classmethod
    def restore(
        cls, spec: PolicySpec, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> PicturePolicy:
        network = Network(spec)
        network.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()})
        return cls(spec, network)

    def finish_pretraining(self, steps: Steps) -> None:
        """Nothing is left to do."""

    def fine_tunable(self, steps: Steps, config: TrainingConfig) -> PicturePolicy:
        return self.restore(self.spec, self.tensors(), {})

    def objective(self, steps: Steps, config: TrainingConfig) -> PictureObjective:
        return PictureObjective(self, steps)


class PictureObjective:
    """L1 on the rows that are drawn: only their pictures are gathered."""

    def __init__(self, policy: PicturePolicy, steps: Steps) -> None:
        self._policy, self._steps = policy, steps

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self._policy.network.parameters())}]

    def loss(self, rows: Tensor) -> Tensor:
        chosen, steps = rows.numpy(), self._steps
        chunks = self._policy.chunks(steps.observations[chosen], steps.tasks[chosen])
        wanted, valid = torch.from_numpy(steps.chunks[chosen]), torch.from_numpy(steps.valid[chosen])
        return ((chunks - wanted).abs() * valid[:, :, None]).mean()
