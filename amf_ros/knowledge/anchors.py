"""Anchors: states where pi_0 succeeded in the audit, conditioned on like demonstrations.

An audit tells at which rate p a task works, not how often it was demonstrated. Demonstrations of a task that
did not work bring its rate to about m / (m + k) with m of them, k = 3: half after three. Read backwards, a
task of rate p is known as after k p / (1 - p) of them, estimated from s successes and f failures by

    m(s, f) = k s / (f + 1)

the posterior mean under Beta(0, 2): nothing works until it was seen to, and its bias vanishes with the
number of episodes n, E[m] = k p (1 - p^n) / (1 - p). So failures beside successes make a task less known,
one success in ten episodes is worth less than one in one, a task that always failed is as unknown as one
nobody tried, and more episodes make no task known that half works. States of failures are no anchors: pi_0
gets there without knowing what to do.

    rows = anchor_rows(embedder, audits, scale)

The m demonstrations of a task are spread evenly over its successful roll-outs, whose rows are scaled by
sqrt(m / s): the posterior takes sums of phi phi^T. Where rows are inputs of a kernel they cannot be scaled,
and min(s, m), rounded, of the roll-outs stand there, oldest first.

What pre-training covered (:mod:`amf_ros.learning.coverage`) counts beside the anchors, whatever the audit
says: a task that is said to be covered and still fails is the matter of ``amf_outcomes``.
"""

from __future__ import annotations

from collections.abc import Sequence

from amf_ros.core.values import Outcome, Rollout
from amf_ros.knowledge.embeddings import Embedder
from amf_ros.knowledge.occupancy import by_task
from amf_ros.policies.base import F32

__all__ = ["HALF_KNOWN", "anchor_demonstrations", "anchor_rows"]

HALF_KNOWN = 3.0
"""k: demonstrations that make a task which did not work succeed half of the time."""


def anchor_demonstrations(successes: int, failures: int) -> float:
    """Return how many demonstrations an audit stands for: k s / (f + 1)."""
    return HALF_KNOWN * successes / (failures + 1)


def anchor_rows(embedder: Embedder, audits: Sequence[Rollout], scale: float) -> F32:
    """Features of the states of successes, (n, p), the same object as long as nothing changed.

    Args:
        embedder: of pi_0.
        audits: roll-outs of the policy that the session started from, those that failed too.
        scale: as of :meth:`Embedder.rows`.
    """
    worked: list[tuple[Rollout, float]] = []
    for tried in by_task(sorted(audits, key=lambda rollout: rollout.id)).values():
        successes = [rollout for rollout in tried if rollout.outcome is Outcome.SUCCESS]
        count = len(successes)
        known = anchor_demonstrations(count, len(tried) - count)
        if embedder.task_columns:
            worked += [(rollout, 1.0) for rollout in successes[: round(known)]]
        else:
            worked += [(rollout, known / count) for rollout in successes]
    worked.sort(key=lambda pair: pair[0].id)
    parts = [(rollout, rollout.task_id) for rollout, _ in worked]
    return embedder.weighted_rows(parts, [mass for _, mass in worked], scale)
