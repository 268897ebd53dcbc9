"""Rebalancing: the task that pre-training and demonstrations together have shown least, relative to mu.

    selection = Rebalancing().select(problem)

The privileged baseline of arXiv 2410.05026, section 5: it knows how many demonstrations of each task
pre-training had. Deterministic form: c_n = argmax_c mu(c) - n(c) / sum n, with n(c) both counts together,
over the candidates that are targets.
"""

from __future__ import annotations

from collections.abc import Mapping

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import Problem, Selection, best
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.counting import scores_of, wanted_candidates
from amf_ros.selection.problem_checks import check


class Rebalancing:
    """Brings the shares of all demonstrations, pre-training included, towards the target weights."""

    name = "rebalancing"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose.

        Raises:
            SelectionError: the problem has no answer, or the checkpoint does not say what it was trained on.
        """
        check(problem)
        silent = [task.id for task in problem.tasks if task.num_pretraining is None]
        if silent:
            raise SelectionError(
                f"rebalancing needs pre-training counts, unknown for {', '.join(silent)}: "
                "use a checkpoint made by `amf pretrain`, or another strategy"
            )
        counts = {task.id: (task.num_pretraining or 0) + task.num_demonstrations for task in problem.tasks}
        lacking = _lacking(problem, counts)
        reasons = {
            key: f"{counts[key]} demonstrations with pre-training, {value:+.0%} short"
            for key, value in lacking.items()
        }
        chosen: list[str] = []
        for _ in range(problem.num_tasks):
            raise_if_cancelled()
            chosen.append(best(_lacking(problem, counts), problem.seed))
            counts[chosen[-1]] += 1
        scores = scores_of(problem, lacking, reasons.__getitem__)
        return Selection(tuple(chosen), scores, self.name, f"{chosen[0]}: {reasons[chosen[0]]}")


def _lacking(problem: Problem, counts: Mapping[str, int]) -> dict[str, float]:
    """Return mu(c) - n(c) / sum n for each wanted candidate: by how much its share falls short."""
    total = max(sum(counts.values()), 1)
    return {key: problem.targets.get(key, 0.0) - counts[key] / total for key in wanted_candidates(problem)}
