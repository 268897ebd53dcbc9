"""What the policy could do, cloned along while it learns something new.

The pre-training data are not available while fine-tuning, but an evaluated robot leaves roll-outs with a
verdict. The states of successful ones, with the actions that their own policy takes there, are lessons
that hold the network to what it could do. Measured on the tabletop suite with eight tasks unseen, 12 new
demonstrations: docs/adr/0005-rehearse-successful-roll-outs.md.

    steps = lessons(rollouts, initial, run.checkpoints, suite, per_task=4)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amf_ros.policies.base import Policy, Steps
from amf_ros.tasks.base import Suite
from amf_ros.training.checkpoints import Checkpoint, list_checkpoints, load
from amf_ros.types import Outcome, Rollout


def lessons(
    rollouts: Sequence[Rollout], initial: Checkpoint, root: Path, suite: Suite, per_task: int
) -> Steps | None:
    """The newest successful roll-outs of each task, labelled by the policies that made them.

    Args:
        rollouts: of a run, any number, any outcome.
        initial: about to be fine-tuned; roll-outs of later rounds are left out, so that doing a round
            again gives the same lessons.
        root: the run's checkpoints; a roll-out whose checkpoint is not there cannot be labelled and is
            left out.
        suite: embeds the tasks.
        per_task: how many of each task.

    Returns:
        Their steps, or None where there are none.

    Raises:
        CheckpointError: a checkpoint of the run is damaged.
    """
    infos = {info.id: info for info in (*list_checkpoints(root), initial.info)}
    chosen: list[Rollout] = []
    for task in suite.tasks:
        mine = [
            r
            for r in rollouts
            if r.task_id == task.id
            and r.outcome == Outcome.SUCCESS
            and len(r.observations)
            and r.checkpoint_id in infos
            and infos[r.checkpoint_id].round <= initial.info.round
        ]
        mine.sort(key=lambda r: (infos[r.checkpoint_id].round, r.id))
        chosen += mine[len(mine) - per_task :] if per_task < len(mine) else mine
    if not chosen or not per_task:
        return None
    policies: dict[str, Policy] = {initial.info.id: initial.policy}
    for rollout in chosen:
        if rollout.checkpoint_id not in policies:
            policies[rollout.checkpoint_id] = load(infos[rollout.checkpoint_id].uri).policy
    return join([_steps(rollout, policies[rollout.checkpoint_id], suite) for rollout in chosen])


def _steps(rollout: Rollout, policy: Policy, suite: Suite) -> Steps:
    observations = rollout.observations.astype(np.float32)
    tasks = np.tile(suite.embedding(rollout.task_id).astype(np.float32), (len(observations), 1))
    chunks = policy.infer(observations, tasks)  # (T, H, a)
    return Steps(observations, tasks, chunks, np.ones(chunks.shape[:2], dtype=np.float32))


def join(parts: Sequence[Steps]) -> Steps:
    """Several sets of steps as one, in order."""
    return Steps(
        np.concatenate([part.observations for part in parts]),
        np.concatenate([part.tasks for part in parts]),
        np.concatenate([part.chunks for part in parts]),
        np.concatenate([part.valid for part in parts]),
    )
