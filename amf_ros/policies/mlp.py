"""The built-in policy: a task-conditioned perceptron that predicts chunks of actions.

Inputs are the contract's observations as one vector, at two scales beside the task's embedding; outputs are H
actions of the contract. After the first fine-tuning it holds two networks, the trained one and the
frozen pre-trained pi_0, mixed per task by the adaptive prior (:mod:`amf_ros.policies.prior`).

    policy = MlpPolicy.create(spec, steps, TrainingConfig(), seed=0)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amf_ros.core.config import Model, TrainingConfig, parse
from amf_ros.core.errors import CheckpointError, ConfigError
from amf_ros.core.frames import Frames
from amf_ros.policies.base import F32, PolicySpec, Steps
from amf_ros.policies.flat import FlatView
from amf_ros.policies.network import ChunkNetwork, FarAndNear, Standardise
from amf_ros.policies.prior import AdaptivePrior

WHO = "policy 'mlp'"
OBSERVATION_FLOOR = 0.02  # m, rad or sine: smaller variations are not blown up to a whole z
OBSERVATION_CLIP = 5.0
OBSERVATION_NEAR = 0.03  # m, rad or sine: what counts as nearly there
ACTION_FLOOR = 1e-3  # rad, m or gripper fraction per step


class MlpPolicy:
    """See the module. Inference runs where the parameters are; numpy in and out."""

    def __init__(
        self,
        spec: PolicySpec,
        hidden: tuple[int, ...],
        network: ChunkNetwork,
        inputs: FarAndNear,
        outputs: Standardise,
        frozen: ChunkNetwork | None = None,
        prior: AdaptivePrior | None = None,
    ) -> None:
        """Use :meth:`create` or :meth:`restore`. ``frozen`` is pi_0 once fine-tuned, else None."""
        self.spec, self._flat = spec, FlatView(spec.layout, WHO)
        self._hidden = hidden
        self._network, self._inputs, self._outputs = network, inputs, outputs
        self._frozen, self._prior = frozen, prior
        for module in (inputs, outputs, frozen):
            if module is not None:
                module.requires_grad_(False)

    @classmethod
    def create(cls, spec: PolicySpec, steps: Steps, config: TrainingConfig, seed: int) -> MlpPolicy:
        """Make a policy with random weights drawn from ``seed`` and the statistics of ``steps``."""
        generator = torch.Generator().manual_seed(seed)
        flat = FlatView(spec.layout, WHO)
        d, k, a = len(flat), len(spec.task_names), len(spec.action_names)
        inputs, outputs = _inputs(spec), Standardise(a)
        inputs.fit(torch.from_numpy(flat.rows(steps.observations)), OBSERVATION_FLOOR)
        outputs.fit(torch.from_numpy(steps.chunks[:, 0]), ACTION_FLOOR)
        network = ChunkNetwork(2 * d, k, a, config.hidden, spec.chunk, generator)
        policy = cls(spec, config.hidden, network, inputs, outputs)
        policy._to(config.device)
        return policy

    def _to(self, device: str) -> None:
        for module in (self._network, self._inputs, self._outputs, self._frozen, self._prior):
            if module is not None:
                module.to(device)

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        array = np.ascontiguousarray(values, dtype=np.float32)
        return torch.from_numpy(array).to(self._inputs.mean.device)

    def _rows(self, observations: Frames) -> Tensor:
        return self._tensor(self._flat.rows(observations))

    @property
    def pretrained(self) -> ChunkNetwork:
        """pi_0."""
        return self._network if self._frozen is None else self._frozen

    @torch.inference_mode()
    def infer(self, observations: Frames, tasks: F32) -> F32:
        """Return action chunks (B, H, a) in the contract's units for B observations and (B, k)."""
        x, c = self._inputs(self._rows(observations)), self._tensor(tasks)
        actions = self._network(x, c)
        if self._frozen is not None and self._prior is not None:
            actions = self._prior.mix(actions, self._frozen(x, c), self._prior.rows(c))
        return _numpy(self._outputs.invert(actions))

    @torch.inference_mode()
    def embed(self, observations: Frames, tasks: F32) -> F32:
        """Return phi = [h, 1] / ||[h, 1]|| with h the last hidden layer of pi_0, (B, hidden[-1] + 1).

        pi_0 and the statistics never change while fine-tuning, so features of one session are
        comparable from the first round to the last (method.md, "In weight space").
        """
        h = self.pretrained.features(self._inputs(self._rows(observations)), self._tensor(tasks))
        phi = torch.cat([h, torch.ones_like(h[:, :1])], dim=1)
        return _numpy(phi / phi.norm(dim=1, keepdim=True))

    @torch.inference_mode()
    def hidden(self, observations: Frames, tasks: F32) -> F32:
        """Return the last hidden layer of pi_0, (B, hidden[-1])."""
        h = self.pretrained.features(self._inputs(self._rows(observations)), self._tensor(tasks))
        return _numpy(h)

    def head(self) -> F32:
        """Return the weights of pi_0's last layer, (H a, hidden[-1])."""
        return _numpy(self.pretrained.head.weight)

    @torch.inference_mode()
    def predict(self, observations: Frames, tasks: F32) -> F32:
        """Return what pi_0 answers, standardised and flat, (B, H a)."""
        return _numpy(self.pretrained(self._inputs(self._rows(observations)), self._tensor(tasks)).flatten(1))

    def standardise(self, chunks: F32) -> F32:
        """Return action chunks (B, H, a) in the contract's units as the network's outputs, (B, H a)."""
        return _numpy(self._outputs(self._tensor(chunks)).flatten(1))

    def layer_gradients(self, observations: Frames, tasks: F32, cotangents: F32) -> list[tuple[F32, F32]]:
        """Gradients of <cotangent, pi_0> per layer and row: see ``policies.base.Inspectable``."""
        x, c = self._inputs(self._rows(observations)), self._tensor(tasks)
        pairs = self.pretrained.layer_gradients(x, c, self._tensor(cotangents))
        return [(_numpy(delta), _numpy(inputs)) for delta, inputs in pairs]

    def alphas(self, tasks: F32) -> F32:
        """alpha(c) of task embeddings (B, k); ones where nothing is mixed, (B,)."""
        if self._frozen is None or self._prior is None:
            return np.ones(len(tasks), dtype=np.float32)
        return _numpy(self._prior.alphas(self._prior.rows(self._tensor(tasks))))

    def finish_pretraining(self, steps: Steps) -> None:
        """Forget the random weights of inputs that no step used: unseen tasks, absent roles."""
        x, c = self._inputs(self._rows(steps.observations)), self._tensor(steps.tasks)
        self._network.forget_unused(x, c)

    def fine_tunable(self, steps: Steps, config: TrainingConfig) -> MlpPolicy:
        """Make a copy: pi_0 frozen, pi_0 again to train, with a mixing weight for each task in ``steps``.

        It starts over from pi_0 however often it was fine-tuned: all demonstrations are learned again
        anyway, and a network bent to the first few learns the next ones worse (docs/adr/0005).
        """
        frozen = copy.deepcopy(self.pretrained)
        prior = AdaptivePrior(torch.from_numpy(steps.tasks)) if config.prior else None
        inputs, outputs = copy.deepcopy(self._inputs), copy.deepcopy(self._outputs)
        network = copy.deepcopy(self.pretrained).requires_grad_(True)
        policy = MlpPolicy(self.spec, self._hidden, network, inputs, outputs, frozen, prior)
        policy._to(config.device)
        return policy

    def objective(self, steps: Steps, config: TrainingConfig) -> MlpObjective:
        """Return the cloning loss on these steps."""
        return MlpObjective(self, steps, config)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Weights, statistics and mixing weights by name."""
        named = {}
        for prefix, module in self._modules().items():
            for name, value in module.state_dict().items():
                named[f"{prefix}.{name}"] = value.detach().cpu().numpy()
        return named

    def settings(self) -> Mapping[str, Any]:
        """Return the sizes, which are enough to rebuild the modules."""
        return {
            "hidden": list(self._hidden),
            "fine_tuned": self._frozen is not None,
            "prior": self._prior is not None,
        }

    def _modules(self) -> dict[str, torch.nn.Module]:
        named = {"inputs": self._inputs, "outputs": self._outputs, "network": self._network}
        optional = {"frozen": self._frozen, "prior": self._prior}
        return named | {name: module for name, module in optional.items() if module is not None}

    @classmethod
    def restore(
        cls, spec: PolicySpec, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> MlpPolicy:
        """Rebuild from :meth:`tensors` and :meth:`settings`.

        Raises:
            CheckpointError: a setting or tensor is missing, superfluous or of another shape.
        """
        d, k, a = len(FlatView(spec.layout, WHO)), len(spec.task_names), len(spec.action_names)
        shape = _parse_settings(settings)
        hidden = shape.hidden
        sizes = {size for value in tensors.values() for size in value.shape}
        for width in hidden:  # before a network of that size is made
            if width not in sizes:
                raise CheckpointError(f"settings: hidden: {width} is the size of no tensor of the checkpoint")
        network = ChunkNetwork(2 * d, k, a, hidden, spec.chunk)
        frozen = copy.deepcopy(network) if shape.fine_tuned else None
        prior = None
        if shape.prior:
            if "prior.tasks" not in tensors:
                raise CheckpointError("the checkpoint lacks 'prior.tasks' though it is mixed with a prior")
            prior = AdaptivePrior(torch.tensor(tensors["prior.tasks"]))
        policy = cls(spec, hidden, network, _inputs(spec), Standardise(a), frozen, prior)
        for prefix, module in policy._modules().items():
            state = {
                n[len(prefix) + 1 :]: torch.tensor(v)
                for n, v in tensors.items()
                if n.startswith(prefix + ".")
            }
            try:
                module.load_state_dict(state)
            except RuntimeError as error:
                text = " ".join(str(error).split())
                raise CheckpointError(
                    f"the checkpoint's {prefix} does not fit its description: {text}"
                ) from error
        return policy


def _numpy(values: Tensor) -> F32:
    result: F32 = values.detach().cpu().numpy()
    return result


def _inputs(spec: PolicySpec) -> FarAndNear:
    presence = spec.layout.presence
    return FarAndNear(len(presence), OBSERVATION_CLIP, OBSERVATION_NEAR, presence)


class _Settings(Model):
    """What :meth:`MlpPolicy.settings` writes."""

    hidden: tuple[int, ...]
    fine_tuned: bool
    prior: bool


def _parse_settings(settings: Mapping[str, Any]) -> _Settings:
    try:
        return parse(dict(settings), _Settings, "settings")
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


class MlpObjective:
    """L1 cloning loss, with the adaptive prior once there is a pi_0 to keep:

        L(mix) + 1/2 L(pi_ft) + mean of pull / n(c) * alpha(c)

    The middle term lets pi_ft learn a task whose alpha is still small. The last pulls towards pi_0, by as
    much as one of the task's n(c) demonstrations counts: what fits one demonstration better may still do
    worse than pi_0 elsewhere, what fits five better hardly does (docs/adr/0007).
    """

    def __init__(self, policy: MlpPolicy, steps: Steps, config: TrainingConfig) -> None:
        self._policy, self._config = policy, config
        self._x = policy._inputs(policy._rows(steps.observations))  # (N, d)
        self._c = policy._tensor(steps.tasks)  # (N, k)
        chunks = policy._tensor(steps.chunks)
        self._y = (chunks - policy._outputs.mean) / policy._outputs.std  # (N, H, a)
        self._valid = policy._tensor(steps.valid)[:, :, None]  # (N, H, 1)
        self._frozen: Tensor | None = None
        if policy._frozen is not None and policy._prior is not None:
            with torch.no_grad():  # pi_0 and the steps are fixed: once is enough
                self._frozen = policy._frozen(self._x, self._c)
            self._rows = policy._prior.rows(self._c)
            self._pulls = config.prior_pull / self._counts(steps, len(policy._prior.tasks))  # (m,)

    def _counts(self, steps: Steps, num_tasks: int) -> Tensor:
        """Demonstrations of each task that has a logit, (m,)."""
        rows = self._rows.cpu().numpy()
        of = np.zeros_like(rows) if steps.demonstrations is None else steps.demonstrations
        tasks, _ = np.unique(np.stack([rows, of]), axis=1)
        return self._policy._tensor(np.bincount(tasks, minlength=num_tasks))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the network, and the mixing weights at their own rate and without decay."""
        groups: list[dict[str, Any]] = [{"params": list(self._policy._network.parameters())}]
        if self._policy._prior is not None:
            rate = self._config.prior_learning_rate
            groups.append({"params": [self._policy._prior.logits], "lr": rate, "weight_decay": 0.0})
        return groups

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean over rows (B,), valid steps and action elements, in standardised units."""
        y, valid = self._y[rows], self._valid[rows]
        fine_tuned: Tensor = self._policy._network(self._x[rows], self._c[rows])
        scale = 1.0 / (valid.sum() * y.shape[2])
        direct = ((fine_tuned - y).abs() * valid).sum() * scale
        if self._frozen is None or self._policy._prior is None:
            return direct
        prior, which = self._policy._prior, self._rows[rows]
        mixed = prior.mix(fine_tuned, self._frozen[rows], which)
        pull = (self._pulls[which] * prior.alphas(which)).mean()
        return ((mixed - y).abs() * valid).sum() * scale + 0.5 * direct + pull
