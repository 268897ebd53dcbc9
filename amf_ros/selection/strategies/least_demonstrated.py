"""Least demonstrated: the task whose share of the collected demonstrations lags most behind its weight.

    selection = LeastDemonstrated().select(problem)

    c_n = argmax_c mu(c) / (n(c) + 1/2),    n(c) the demonstrations collected here

Highest averages in the form of Sainte-Lague (Balinski, Young, Fair Representation, 1982): as demonstrations
grow, their shares stay nearest to mu. With equal weights it is "fewest first". Against round-robin it
follows the weights and lets the seed decide between equals instead of the suite's order; against rebalancing
it does not know what pre-training had. Candidates that are no targets are not chosen; where none is a target,
all weigh alike.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Selection, TaskRecord
from amf_ros.selection.counting import counted, select_largest


class LeastDemonstrated:
    """Chooses the task with the fewest collected demonstrations for its weight."""

    name = "least_demonstrated"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer."""

        def weight(task: TaskRecord) -> float:
            return (
                problem.targets.get(task.id, 0.0) or 1.0
            )  # without a weight only where no candidate has one

        return select_largest(
            problem,
            self.name,
            value=lambda task, planned: weight(task) / (task.num_demonstrations + planned + 0.5),
            reason=lambda task: (
                f"{counted(task.num_demonstrations, 'demonstration')} collected"
                + (f" at a weight of {weight(task):.2g}" if problem.targets.get(task.id) else "")
            ),
        )
