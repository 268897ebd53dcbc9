"""What a strategy is asked: arrays and counts, made from checkpoint, demonstrations and roll-outs.

The task selector node and the in-process session both build their question here, so equal stores give
equal choices.

    problem = build_problem(suite, checkpoint, demonstrations, rollouts, {}, num_tasks=3, config=config)
    selection = load("strategy", config.strategy)(config).select(problem)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from amf_ros.config import SelectionConfig
from amf_ros.policies.base import F32, Policy
from amf_ros.selection.base import Problem, TaskRecord, check, target_weights
from amf_ros.tasks.base import Suite
from amf_ros.training.checkpoints import Checkpoint
from amf_ros.types import Array, Demonstration, Outcome, Rollout, indices


def build_problem(
    suite: Suite,
    checkpoint: Checkpoint,
    demonstrations: Sequence[Demonstration],
    rollouts: Sequence[Rollout],
    evaluations: Mapping[str, tuple[int, int]],
    *,
    candidates: Sequence[str] = (),
    targets: Sequence[str] = (),
    weights: Sequence[float] = (),
    num_tasks: int = 1,
    seed: int = 0,
    config: SelectionConfig,
) -> Problem:
    """The question to a strategy.

    A task's occupancy is that of its own demonstrations where there are any, else of roll-outs: of this
    checkpoint, or of the newest that visited the task. It may be empty; a strategy that needs it says so.

    Args:
        suite: all its tasks are described, in its order.
        checkpoint: whose frozen features are used, and what its pre-training covered.
        demonstrations: the usable ones, oldest first.
        rollouts: of any checkpoint; ids of one task sort by age.
        evaluations: task id -> (episodes, successes) of the current policy.
        candidates: that may be chosen; empty = the whole suite.
        targets: to become good at; empty = the whole suite.
        weights: one per target; empty = uniform.
        num_tasks: choices to make.
        seed: of draws and ties.
        config: how many states stand for a trajectory, how many trajectories for a task.

    Raises:
        UnknownName: a candidate, target, demonstration or roll-out is of no task in the suite.
        SelectionError: see :func:`amf_ros.selection.base.check`.
    """
    ids = tuple(task.id for task in suite.tasks)
    rows = indices("task", ids, candidates)
    indices(
        "task", ids, [demo.task_id for demo in demonstrations] + [rollout.task_id for rollout in rollouts]
    )
    policy, size = checkpoint.policy, config.states_per_trajectory
    records = []
    for task_id in ids:
        own = [d for d in demonstrations if d.task_id == task_id and d.num_steps]
        episodes, successes = evaluations.get(task_id, (0, 0))
        trajectories = [d.observations for d in own] or _visited(task_id, rollouts, checkpoint.info.id)
        newest = [_evenly(t, size) for t in trajectories[-config.trajectories_per_task :]]
        records.append(
            TaskRecord(
                id=task_id,
                states=_embed(policy, newest, [suite.embedding(task_id)] * len(newest)),
                num_demonstrations=len(own),
                num_episodes=episodes,
                num_successes=successes,
                num_pretraining=checkpoint.pretraining.get(task_id, 0) if checkpoint.pretraining else None,
            )
        )
    collected = [d for d in demonstrations if d.num_steps]
    problem = Problem(
        tasks=tuple(records),
        candidates=tuple(ids[row] for row in sorted(rows)) or ids,
        targets=target_weights(ids, targets, weights),
        demonstrated=_embed(
            policy,
            [_evenly(d.observations, size) for d in collected],
            [suite.embedding(d.task_id) for d in collected],
        ),
        # A pre-training demonstration weighs as much as one collected since: as ``size`` states.
        coverage=None if checkpoint.coverage is None else (checkpoint.coverage * size).astype(np.float32),
        num_tasks=num_tasks,
        seed=seed,
    )
    check(problem)
    return problem


def evaluations_of(rollouts: Sequence[Rollout], checkpoint_id: str) -> dict[str, tuple[int, int]]:
    """Task id -> (episodes, successes) of one checkpoint, over all its roll-outs."""
    counts: dict[str, tuple[int, int]] = {}
    for rollout in rollouts:
        if rollout.checkpoint_id == checkpoint_id:
            tried, done = counts.get(rollout.task_id, (0, 0))
            counts[rollout.task_id] = (tried + 1, done + (rollout.outcome is Outcome.SUCCESS))
    return counts


def coverage(policy: Policy, demonstrations: Sequence[Demonstration], suite: Suite) -> Array:
    """What these demonstrations cover, (p, p): the mean of phi phi^T over the steps of each, summed."""
    total: Array = np.zeros((0, 0))
    for demo in demonstrations:
        phi = _embed(policy, [demo.observations], [suite.embedding(demo.task_id)]).astype(np.float64)
        total = phi.T @ phi / len(phi) + (total if total.size else 0.0)
    return total


def _visited(task_id: str, rollouts: Sequence[Rollout], checkpoint_id: str) -> list[Array]:
    """States of this task's roll-outs with this checkpoint, else with the newest that visited it."""
    own = sorted((r for r in rollouts if r.task_id == task_id and r.num_steps), key=lambda r: r.id)
    current = [r for r in own if r.checkpoint_id == checkpoint_id]
    if not current and own:
        current = [r for r in own if r.checkpoint_id == own[-1].checkpoint_id]
    return [r.observations for r in current]


def _evenly(states: Array, count: int) -> Array:
    """``count`` states from first to last, (count, d); all of them where there are fewer."""
    if len(states) <= count:
        return states
    picked: Array = states[np.linspace(0, len(states) - 1, count).round().astype(int)]
    return picked


def _embed(policy: Policy, trajectories: Sequence[Array], embeddings: Sequence[Array]) -> F32:
    """Features of all states of some trajectories, each with its task's embedding, (n, p)."""
    d, k = len(policy.spec.observation_names), len(policy.spec.task_names)
    states = np.concatenate([np.zeros((0, d)), *trajectories]).astype(np.float32)
    tasks = [np.tile(e, (len(t), 1)) for t, e in zip(trajectories, embeddings, strict=True)]
    return policy.embed(states, np.concatenate([np.zeros((0, k)), *tasks]).astype(np.float32))
