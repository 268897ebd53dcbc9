"""Lowest success: the task that the current policy fails at most often.

    selection = LowestSuccess().select(problem)

    c_n = argmin_c (s(c) + 1 + m(c)) / (n(c) + 2 + m(c))

the posterior mean of the success rate (:func:`amf_ros.selection.success_rates.success_rate`): s of n episodes
of the current policy succeeded, and each of m demonstrations planned in this batch counts as one success
to come, so that a batch does not spend itself on a single task. The weights of the targets play no part, but
only candidates that are targets are chosen. Without any roll-out it is "fewest first".
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.counting import counted, select_largest
from amf_ros.selection.success_rates import describe_rollouts, success_rate


class LowestSuccess:
    """Chooses the lowest posterior mean of the success rate."""

    name = "lowest_success"
    needs_states = False
    audit_episodes = 4

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer, or counts contradict each other."""
        return select_largest(
            problem,
            self.name,
            value=lambda task, planned: -success_rate(task, planned),
            reason=lambda task: (
                f"{describe_rollouts(task)}, {counted(task.num_demonstrations, 'demonstration')}"
            ),
        )
