"""Round-robin: the candidate with the fewest demonstrations, in the suite's order.

    selection = RoundRobin().select(problem)

c_n = argmin_c n(c), the first of equals; what a careful operator does with a list. It counts only what
was collected here, not pre-training (see :mod:`amf_ros.selection.rebalancing`).
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Score, Selection, check, ranked
from amf_ros.selection.patience import go_on


class RoundRobin:
    """Fewest collected demonstrations first."""

    name = "round_robin"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer."""
        check(problem)
        wanted = set(problem.candidates)
        counts = {task.id: task.num_demonstrations for task in problem.tasks if task.id in wanted}
        scores = ranked(
            [Score(key, -count, reason=f"{count} demonstrations collected") for key, count in counts.items()]
        )
        chosen: list[str] = []
        for _ in range(problem.num_tasks):
            go_on()
            chosen.append(min(counts, key=counts.__getitem__))
            counts[chosen[-1]] += 1
        why = f"{chosen[0]}: {scores[0].reason}, the first of the fewest"
        return Selection(tuple(chosen), scores, self.name, why)
