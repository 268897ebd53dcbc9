"""How well a policy repeats the demonstrations of each task. Imports policies and tasks.

losses = cloning_losses(policy, by_task(demonstrations), suite, memory={})      # task id -> loss
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from amf_ros.core.values import Demonstration
from amf_ros.knowledge.trajectories import states_of
from amf_ros.policies.base import Inspectable, Policy
from amf_ros.tasks.base import Suite


def cloning_losses(
    policy: Policy,
    demonstrations: Mapping[str, Sequence[Demonstration]],
    suite: Suite,
    memory: dict[Any, Any],
) -> dict[str, float]:
    """Mean L1 error over the steps, chunks and action elements of each task's demonstrations.

    In the policy's standardised units where it has them (``policies.base.Inspectable``), else in those of
    the actions.

    Args:
        policy: the current one, with what was fine-tuned.
        demonstrations: task id -> its demonstrations, each with steps.
        suite: embeds the tasks.
        memory: remembers errors as long as the policy stays; the caller empties it when that changes.
    """
    losses = {}
    for task_id, those in demonstrations.items():
        errors = [_error(policy, demo, suite, memory) for demo in those]
        losses[task_id] = sum(total for total, _ in errors) / sum(number for _, number in errors)
    return losses


def _error(policy: Policy, demo: Demonstration, suite: Suite, memory: dict[Any, Any]) -> tuple[float, int]:
    """Sum of absolute errors, and over how many numbers."""
    known = memory.get(("loss", demo.id))
    if known is None or known[0] is not demo.observations:
        states = states_of(demo, demo.task_id, suite.embedding(demo.task_id), policy.spec.chunk)
        if states.chunks is None or states.valid is None:
            raise ValueError(f"demonstration {demo.id!r} has no actions")
        answers, labels = policy.infer(states.observations, states.tasks), states.chunks
        if isinstance(policy, Inspectable):
            shape = labels.shape
            answers, labels = (policy.standardise(c).reshape(shape) for c in (answers, labels))
        error = np.abs(answers - labels, dtype=np.float64) * states.valid[:, :, None]
        known = demo.observations, (float(error.sum()), int(states.valid.sum()) * labels.shape[2])
        memory["loss", demo.id] = known
    entry: tuple[float, int] = known[1]
    return entry
