"""What the rules that look at one task at a time share: an argmax, and batches by counting what is planned.

    return select_by(problem, "name", value=lambda task, planned: ..., reason=lambda task: ...)

Imports base and errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, check, ranked
from amf_ros.selection.patience import go_on


def select_by(
    problem: Problem,
    strategy: str,
    value: Callable[[TaskRecord, int], float],
    reason: Callable[[TaskRecord], str],
) -> Selection:
    """c_n = argmax_c value(c, planned(c)): a batch counts its earlier choices; the seed breaks ties.

    Args:
        problem: checked here.
        strategy: name of the rule.
        value: of a candidate for which so many demonstrations are planned already, finite; larger is better.
        reason: one clause about a candidate.

    Raises:
        SelectionError: the problem has no answer (see :func:`amf_ros.selection.base.check`).
    """
    check(problem)
    records = {task.id: task for task in problem.tasks}
    values = {key: value(records[key], 0) for key in problem.candidates}
    scores = ranked([Score(key, value, reason=reason(records[key])) for key, value in values.items()])
    planned: Counter[str] = Counter()
    chosen: list[str] = []
    for _ in range(problem.num_tasks):
        go_on()
        key = best(values, problem.seed)
        chosen.append(key)
        planned[key] += 1
        values[key] = value(records[key], planned[key])
    return Selection(tuple(chosen), scores, strategy, f"{chosen[0]}: {reason(records[chosen[0]])}")


def counted(number: int, thing: str) -> str:
    """``1 demonstration``, ``2 demonstrations``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
