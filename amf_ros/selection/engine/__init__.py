"""Eq. 2 asked again and again, for up to thousands of tasks: one function.

    scorer = open_scorer(scaled_problem, config)
    scores = scorer.score(prices, matrix=True)
    scorer.imagine(scorer.problem.candidates[0])     # as if it were demonstrated, until scorer.forget()
    if not scorer.follow(later_problem):
        scorer = open_scorer(later_problem, config)

    kept.py      some hundreds of tasks: InformationGain itself, brought up to date
    blocked.py   thousands: float32 covariances in blocks that fit a processor's cache, over the cores
    rounding.py  its choices, made those of float64
    parallel.py  blocks of work on several threads

Imports the rest of selection, other than strategies; only :func:`open_scorer` is for others.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.engine.blocked import BlockedGain
from amf_ros.selection.engine.kept import KeptGain
from amf_ros.selection.scaled_problem import ScaledProblem

FLOAT64_ENTRIES = 4 << 20
"""Pairs of a candidate's and an evaluation state up to which all is float64: 250 tasks of 8 states."""

Scorer = KeptGain | BlockedGain


def open_scorer(
    problem: ScaledProblem, config: SelectionConfig, float64_entries: int = FLOAT64_ENTRIES
) -> Scorer:
    """Solve a problem, and keep what the next one will need.

    Args:
        problem: what is asked.
        config: noise, form of information, and bound on memory.
        float64_entries: larger problems are scored in float32 first.

    Raises:
        IllConditioned: the posterior could not be factorised.
    """
    if problem.entries <= float64_entries:
        return KeptGain(problem, config)
    return BlockedGain(problem, config)
