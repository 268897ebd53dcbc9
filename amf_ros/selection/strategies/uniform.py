"""Uniform: each candidate that is a target with the same probability, whatever is known.

    selection = Uniform().select(problem)

The first baseline of arXiv 2410.05026, section 5: c_n ~ U(C), with C the candidates that are targets. Draws
of a batch are independent: a task may come twice.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Selection
from amf_ros.selection.counting import scores_of, wanted_candidates
from amf_ros.selection.problem_checks import check


class Uniform:
    """Draws candidates independently, from the problem's seed."""

    name = "uniform"
    needs_states = False

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer."""
        check(problem)
        # Sorted, so that the draw does not depend on the order in which a caller lists the candidates.
        ids = sorted(wanted_candidates(problem))
        draws = np.random.default_rng(problem.seed).integers(len(ids), size=problem.num_tasks)
        reason = f"drawn at random, as likely as each of the {len(ids)} candidates"
        scores = scores_of(problem, dict.fromkeys(ids, 1 / len(ids)), lambda key: reason)
        chosen = tuple(ids[draw] for draw in draws)
        return Selection(chosen, scores, self.name, f"{chosen[0]}: {reason}")
