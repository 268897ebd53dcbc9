"""Counts of what was tried: demonstrations with their durations, roll-outs with their successes.

    evaluations_of(rollouts, "round_003")           # task id -> (episodes, successes)

Imports values and the names of rounds only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amf_ros.core.values import Demonstration, Outcome, Rollout
from amf_ros.learning.fine_tuning import is_round_id

Attempts = Mapping[str, Sequence[tuple[float, bool]]]
"""Task id -> (duration [s], whether it can be used) of each attempt at demonstrating it."""


def attempts_of(demonstrations: Sequence[Demonstration]) -> dict[str, list[tuple[float, bool]]]:
    """Return task id -> (duration [s], whether it was no failure) of each of these demonstrations."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for demo in demonstrations:
        found.setdefault(demo.task_id, []).append((demo.duration_s, demo.outcome is not Outcome.FAILURE))
    return found


def evaluations_of(rollouts: Sequence[Rollout], checkpoint_id: str) -> dict[str, tuple[int, int]]:
    """Return task id -> (episodes, successes) of one checkpoint, over all its roll-outs."""
    return counts_of([rollout for rollout in rollouts if rollout.checkpoint_id == checkpoint_id])


def standing(rollouts: Sequence[Rollout], fingerprints: Mapping[str, str]) -> list[Rollout]:
    """Return those whose policy stands as it was: without roll-outs of a checkpoint that was replaced since.

    Args:
        rollouts: of any checkpoint.
        fingerprints: checkpoint id -> that of its weights now. A roll-out that does not say which weights
            ran, and one whose checkpoint is gone, are believed.
    """
    return [
        r
        for r in rollouts
        if not r.fingerprint or fingerprints.get(r.checkpoint_id, r.fingerprint) == r.fingerprint
    ]


def counts_of(rollouts: Sequence[Rollout]) -> dict[str, tuple[int, int]]:
    """Return task id -> (episodes, successes)."""
    counts: dict[str, tuple[int, int]] = {}
    for rollout in rollouts:
        tried, done = counts.get(rollout.task_id, (0, 0))
        counts[rollout.task_id] = (tried + 1, done + (rollout.outcome is Outcome.SUCCESS))
    return counts


def audits_of(rollouts: Sequence[Rollout], first_checkpoint_id: str) -> list[Rollout]:
    """Roll-outs of the policy that the session started from."""
    if first_checkpoint_id:
        return [r for r in rollouts if r.checkpoint_id == first_checkpoint_id]
    return [r for r in rollouts if not is_round_id(r.checkpoint_id)]
