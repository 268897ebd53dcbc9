"""How often a task succeeds, judged by the roll-outs that there are. Imports base and errors.

rate = success_rate(record)
"""

from __future__ import annotations

from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import TaskRecord


def success_rate(record: TaskRecord, planned: int = 0) -> float:
    """Return the posterior mean of the rate at which the policy does the task, in (0, 1).

        (s + 1 + m) / (n + 2 + m)

    Laplace's rule, a uniform prior, over n episodes with s successes of the current policy; each of m
    demonstrations whose effect these episodes could not show yet counts as one success. Where the current
    policy was not run, the audit of the session's first policy stands, and m counts all demonstrations since.

    Args:
        record: of the task.
        planned: demonstrations chosen in this batch already.

    Raises:
        SelectionError: see :func:`check_counts`.
    """
    check_counts(record)
    episodes, successes, unseen = record.num_episodes, record.num_successes, planned
    if not episodes:
        episodes, successes = record.num_audited, record.num_audit_successes
        unseen += record.num_demonstrations
    return (successes + 1 + unseen) / (episodes + 2 + unseen)


def check_counts(record: TaskRecord) -> None:
    """Refuse counts that nobody can have counted.

    Raises:
        SelectionError: a negative count, or more successes than episodes.
    """
    for episodes, successes in (
        (record.num_episodes, record.num_successes),
        (record.num_audited, record.num_audit_successes),
    ):
        if not 0 <= successes <= episodes:
            raise SelectionError(
                f"{record.id!r}: {successes} successes in {episodes} episodes; "
                "successes are among the episodes: look at how the record was made"
            )
    if record.num_demonstrations < 0:
        raise SelectionError(f"{record.id!r}: {record.num_demonstrations} demonstrations; give 0 or more")


def describe_rollouts(record: TaskRecord) -> str:
    """Return a clause about what the roll-outs say."""
    if record.num_episodes:
        return f"{record.num_successes}/{record.num_episodes} successes"
    if record.num_audited:
        return f"{record.num_audit_successes}/{record.num_audited} successes in the audit"
    return "never executed"
