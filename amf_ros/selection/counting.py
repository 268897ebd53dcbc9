"""What the rules share that look at one task at a time: whom to choose from, and batches by counting.

    return select_largest(problem, "name", value=lambda task, planned: ..., reason=lambda task: ...)

Such a rule cannot tell what one task teaches another. So it demonstrates what was asked for: candidates with
a positive target weight, and any candidate only where none of them is a target. Imports base.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, ranked
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.problem_checks import check

NO_TARGET = "not among the targets"


def wanted_candidates(problem: Problem) -> tuple[str, ...]:
    """Return the candidates with a positive target weight, in order; all of them where none has one."""
    wanted = tuple([key for key in problem.candidates if problem.targets.get(key, 0.0) > 0])
    return wanted or problem.candidates


def scores_of(
    problem: Problem, values: Mapping[str, float], reason: Callable[[str], str]
) -> tuple[Score, ...]:
    """Return the scores of all candidates, best first; those without a value come last, 1 below the least."""
    least = min(values.values()) - 1
    return ranked(
        [
            Score(key, values.get(key, least), reason=reason(key) if key in values else NO_TARGET)
            for key in problem.candidates
        ]
    )


def select_largest(
    problem: Problem,
    strategy: str,
    value: Callable[[TaskRecord, int], float],
    reason: Callable[[TaskRecord], str],
) -> Selection:
    """Choose c_n = argmax_c value(c, planned(c)): a batch counts its earlier choices; the seed breaks ties.

    Args:
        problem: checked here.
        strategy: name of the rule.
        value: of a candidate for which so many demonstrations are planned already, finite; larger is better.
        reason: one clause about a candidate.

    Raises:
        SelectionError: the problem has no answer (see :func:`amf_ros.selection.problem_checks.check`).
    """
    check(problem)
    records = {task.id: task for task in problem.tasks}
    values = {key: value(records[key], 0) for key in wanted_candidates(problem)}
    scores = scores_of(problem, values, lambda key: reason(records[key]))
    planned: Counter[str] = Counter()
    chosen: list[str] = []
    for _ in range(problem.num_tasks):
        raise_if_cancelled()
        key = best(values, problem.seed)
        chosen.append(key)
        planned[key] += 1
        values[key] = value(records[key], planned[key])
    return Selection(tuple(chosen), scores, strategy, f"{chosen[0]}: {reason(records[chosen[0]])}")


def counted(number: int, thing: str) -> str:
    """Return ``1 demonstration``, ``2 demonstrations``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
