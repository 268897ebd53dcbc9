"""Largest loss: the task whose demonstrations the current policy reproduces worst.

    selection = LargestLoss().select(problem)

    c_n = argmax_c l(c) / (1 + planned(c)),    l(c) the cloning loss on the task's own demonstrations

What one does by looking at training curves; active learning calls it loss-based querying (Yoo, Kweon,
Learning Loss for Active Learning, CVPR 2019, which predicts the loss where this rule measures it). The
weights of the targets play no part, but only candidates that are targets are chosen. Nothing is known of a
task that was never demonstrated: it goes before all others and is scored with twice the largest loss. Within
a batch each planned demonstration divides the claim.
"""

from __future__ import annotations

import math

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import Problem, Selection, TaskRecord
from amf_ros.selection.counting import counted, select_largest, wanted_candidates
from amf_ros.selection.problem_checks import check


class LargestLoss:
    """Chooses what was never demonstrated, then the largest loss of the current policy."""

    name = "largest_loss"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose.

        Raises:
            SelectionError: the problem has no answer, or nobody computed the loss of a demonstrated task.
        """
        check(problem)
        wanted = set(wanted_candidates(problem))
        shown = [task for task in problem.tasks if task.id in wanted and task.num_demonstrations]
        silent = [task.id for task in shown if not (math.isfinite(task.loss) and task.loss >= 0)]
        if silent:
            raise SelectionError(
                f"largest_loss needs the loss, finite and not negative, of what was demonstrated; not so for "
                f"{', '.join(silent)}: let build_problem fill TaskRecord.loss, or use another strategy"
            )
        unknown = 2 * max((task.loss for task in shown), default=0.0) or 1.0

        def loss(task: TaskRecord) -> float:
            return task.loss if task.num_demonstrations else unknown

        return select_largest(
            problem,
            self.name,
            value=lambda task, planned: loss(task) / (1 + planned),
            reason=lambda task: (
                f"loss {task.loss:.3g} on {counted(task.num_demonstrations, 'demonstration')}"
                if task.num_demonstrations
                else "never demonstrated, so its loss is unknown"
            ),
        )
