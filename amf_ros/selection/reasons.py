"""Sentences that say why information gain chose a task. Imports base.

clauses = gain_reasons(records, targets, gains)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amf_ros.selection.base import TaskRecord
from amf_ros.selection.posterior import Floats

WORTH_TELLING = 0.05
"""Gains of at least this share of a candidate's largest are named in its reason."""


def gain_reasons(records: Sequence[TaskRecord], targets: Sequence[str], gains: Floats) -> list[str]:
    """Return one readable clause for each of some candidates.

    Args:
        records: of the candidates.
        targets: columns of ``gains``.
        gains: (candidates, targets) [nat] what a demonstration of each would teach each target.
    """
    place = {key: column for column, key in enumerate(targets)}
    least = np.maximum(WORTH_TELLING * gains.max(axis=1, initial=0), np.finfo(gains.dtype).tiny)
    counts = (gains >= least[:, None]).sum(axis=1)
    order = np.argsort(-gains, axis=1, kind="stable")[:, :4]  # one of them may be the task itself
    clauses = []
    for record, own, count, enough, columns in zip(records, gains, counts.tolist(), least, order.tolist()):
        mine = place.get(record.id, -1)
        taught = [] if mine < 0 else [f"expected to teach {own[mine]:.2g} nat of it"]
        count -= mine >= 0 and bool(own[mine] >= enough)
        if count:
            others = [column for column in columns if column != mine and own[column] >= enough][:3]
            named = ", ".join([f"{targets[column]} ({own[column]:.2g} nat)" for column in others])
            rest = f" and {count - 3} more" if count > 3 else ""
            taught.append(f"{'also' if taught else 'expected to teach'} {named}{rest}")
        clauses.append(
            f"{_known(record)}; {', '.join(taught) or 'not expected to teach the targets anything'}"
        )
    return clauses


def _known(record: TaskRecord) -> str:
    number = record.num_demonstrations
    known = "1 demonstration" if number == 1 else f"{number} demonstrations"
    if record.num_episodes:
        known += f", {record.num_successes}/{record.num_episodes} successes"
    if not np.isnan(record.effective_sample_size):
        known += f", states by importance ({record.effective_sample_size:.1f} effective demonstrations)"
    return known
