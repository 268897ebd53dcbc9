"""Behavioural cloning: pre-training from nothing, fine-tuning with the adaptive prior.

Deterministic by seed: one thread, and generators that are passed in.

    policy = fine_tune(load(uri), demonstrations, suite, TrainingConfig(), num_steps=1500, seed=3)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import ConfigError, TrainingDiverged, shown
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.values import Demonstration
from amf_ros.learning.batches import make_steps
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.policies.base import ClosedForm, GradientTrained, Objective, PolicySpec, Steps, Trainable
from amf_ros.policies.torch_threads import one_thread
from amf_ros.tasks.base import Suite

REPORT_EVERY = 50  # gradient steps


@dataclass(frozen=True)
class Progress:
    """Where training is: ``loss`` is the mean since the last report, ``seconds`` since the start."""

    step: int
    num_steps: int
    loss: float
    seconds: float


def ignore(progress: Progress) -> None:
    """Ignore progress, for those who do not look."""


def never() -> bool:
    """Never stop, for those who do not."""
    return False


def check_device(name: str) -> None:
    """Check that torch can compute on ``training.device``, before anybody demonstrates anything.

    Raises:
        ConfigError: it cannot, with what to do.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: this torch was built without CUDA
        why = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(
            f"training.device {shown(name)} cannot be used with torch {torch.__version__} here ({why}): "
            "set it to cpu, or install a torch for your card (make setup TORCH_INDEX=...)"
        ) from error


def pretrain(
    spec: PolicySpec,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    seed: int,
    policy: str = "mlp",
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> Trainable:
    """Train a policy of the registered class ``policy`` from random weights.

    Raises:
        DataError: there is nothing to learn from.
        TrainingDiverged: the loss is not finite.
        UnknownName: no such policy.
    """
    steps = make_steps(demonstrations, suite.embedding, spec.chunk)
    trained: Trainable = load_registered("policy", policy).create(spec, steps, config, seed)
    learn(trained, steps, from_nothing(config), config.pretrain_steps, seed, progress, should_stop)
    trained.finish_pretraining(steps)
    return trained


def fine_tune(
    checkpoint: Checkpoint,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    num_steps: int,
    seed: int,
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> Trainable:
    """Learn all demonstrations collected so far on top of pi_0; the checkpoint's policy stays as it is.

    When ``should_stop`` becomes true, the policy reached by then is returned.

    Raises:
        DataError: there is nothing to learn from.
        TrainingDiverged: the loss is not finite.
    """
    steps = make_steps(demonstrations, suite.embedding, checkpoint.policy.spec.chunk)
    tuned = checkpoint.policy.fine_tunable(steps, config)
    learn(tuned, steps, config, num_steps, seed, progress, should_stop)
    return tuned


def train_anew(
    checkpoint: Checkpoint,
    demonstrations: Sequence[Demonstration],
    suite: Suite,
    config: TrainingConfig,
    num_steps: int,
    seed: int,
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> Trainable:
    """Like :func:`fine_tune`, but from random weights: what pre-training contributes is the difference.

    Of the checkpoint only the policy's class and what it was made for are used.
    """
    spec = checkpoint.policy.spec
    steps = make_steps(demonstrations, suite.embedding, spec.chunk)
    made = type(checkpoint.policy).create(spec, steps, config, seed)
    learn(made, steps, from_nothing(config), num_steps, seed, progress, should_stop)
    made.finish_pretraining(steps)
    return made


def from_nothing(config: TrainingConfig) -> TrainingConfig:
    """Return how to train random weights: at the rate of pre-training."""
    return config.model_copy(update={"learning_rate": config.pretrain_learning_rate})


def learn(
    policy: Trainable,
    steps: Steps,
    config: TrainingConfig,
    num_steps: int,
    seed: int,
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> None:
    """Teach a policy these steps, in place: ``num_steps`` gradient steps, or its closed form.

    Raises:
        ConfigError: the policy can be taught in neither way.
        TrainingDiverged: the loss is not finite.
    """
    with one_thread():
        if isinstance(policy, GradientTrained):
            objective = policy.objective(steps, config)
            minimise(objective, len(steps), config, num_steps, seed, progress, should_stop)
        elif isinstance(policy, ClosedForm):
            started = time.monotonic()
            if not should_stop():
                loss = policy.fit(steps, config)
                progress(Progress(num_steps, num_steps, loss, time.monotonic() - started))
        else:
            raise ConfigError(
                f"policy {type(policy).__name__} can be run and kept but not trained: give it objective() or "
                "fit(), see amf_ros/policies/base.py"
            )


def minimise(
    objective: Objective,
    num_rows: int,
    config: TrainingConfig,
    num_steps: int,
    seed: int,
    progress: Callable[[Progress], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> int:
    """AdamW with a cosine to zero on batches drawn without replacement per epoch; returns the steps done.

    Raises:
        TrainingDiverged: the loss is not finite.
    """
    started = time.monotonic()
    optimiser = torch.optim.AdamW(
        objective.parameter_groups(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    cosine = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / num_steps))
    )
    batches = _batches(num_rows, config.batch_size, torch.Generator().manual_seed(seed))
    since_report: list[float] = []
    for step in range(1, num_steps + 1):
        if should_stop():
            return step - 1
        loss = objective.loss(next(batches))
        since_report.append(loss.item())
        if not math.isfinite(since_report[-1]):
            raise TrainingDiverged(
                f"the loss is {since_report[-1]} at step {step} of {num_steps}; the last checkpoint stands. "
                f"Lower learning_rate (now {config.learning_rate:g}; in pre-training pretrain_learning_rate) "
                "or look for broken demonstrations"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        cosine.step()
        if step % REPORT_EVERY == 0 or step == num_steps:
            mean = sum(since_report) / len(since_report)
            progress(Progress(step, num_steps, mean, time.monotonic() - started))
            since_report.clear()
    return num_steps


def _batches(num_rows: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Row numbers (size,), epoch after epoch; a row comes again only when the others have come."""
    pool = torch.empty(0, dtype=torch.long)
    while True:
        while len(pool) < size:
            pool = torch.cat([pool, torch.randperm(num_rows, generator=generator)])
        yield pool[:size]
        pool = pool[size:]
