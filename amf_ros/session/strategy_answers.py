"""Checks what a strategy answered, and writes it as the journal keeps it. Imports selection and plans only.

check_answer(selection, plan)
journal_value = plain(selection)
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import Selection
from amf_ros.session.plan import Plan


def check_answer(selection: Selection, plan: Plan) -> None:
    """Check that a strategy, which may come from outside, named as many candidates as the plan asks for.

    Raises:
        SelectionError: it named others, or fewer or more.
    """
    strange = Counter(selection.task_ids) - Counter(list(plan.candidates) * plan.demonstrations_per_round)
    if strange or len(selection.task_ids) != plan.demonstrations_per_round:
        raise SelectionError(
            f"strategy {plan.strategy!r} answered {list(selection.task_ids)}; "
            f"it must name {plan.demonstrations_per_round} of the candidates {', '.join(plan.candidates)}"
        )


def plain(selection: Selection) -> dict[str, Any]:
    """Return an answer as values that JSON can hold."""
    scores = [
        {key: finite(value) if isinstance(value, float) else value for key, value in score._asdict().items()}
        for score in selection.scores
    ]
    return {
        "task_ids": list(selection.task_ids),
        "strategy": selection.strategy,
        "reason": selection.reason,
        "scores": scores,
        "worthwhile": bool(selection.worthwhile),
    }


def finite(value: float) -> float | None:
    """Return None for what JSON cannot hold: NaN means that the value was not computed."""
    return float(value) if math.isfinite(value) else None
