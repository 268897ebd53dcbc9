"""Round-robin: the candidate with the fewest demonstrations, in the suite's order.

    selection = RoundRobin().select(problem)

c_n = argmin_c n(c) over the candidates that are targets, the first of equals; what a careful operator does
with a list. It counts only what was collected here, not pre-training
(see :mod:`amf_ros.selection.strategies.rebalancing`).
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.counting import scores_of, wanted_candidates
from amf_ros.selection.problem_checks import check


class RoundRobin:
    """Chooses the fewest collected demonstrations, in the suite's order."""

    name = "round_robin"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer."""
        check(problem)
        wanted = set(wanted_candidates(problem))
        counts = {task.id: task.num_demonstrations for task in problem.tasks if task.id in wanted}
        reasons = {key: f"{count} demonstrations collected" for key, count in counts.items()}
        scores = scores_of(problem, {key: -count for key, count in counts.items()}, reasons.__getitem__)
        chosen: list[str] = []
        for _ in range(problem.num_tasks):
            raise_if_cancelled()
            chosen.append(min(counts, key=counts.__getitem__))
            counts[chosen[-1]] += 1
        why = f"{chosen[0]}: {scores[0].reason}, the first of the fewest"
        return Selection(tuple(chosen), scores, self.name, why)
