"""Eq. 2 asked again and again, for up to thousands of tasks: one function.

    scorer = open_scorer(scaled_problem, config)
    scores = scorer.score(prices)
    if not scorer.follow(later_problem):
        scorer = open_scorer(later_problem, config)

    kept.py      some hundreds of tasks: InformationGain itself, brought up to date
    blocked.py   thousands: float32 covariances in blocks that fit a processor's cache, over the cores
    rounding.py  its choices, made those of float64
    parallel.py  blocks of work on several threads

Imports the rest of selection, other than strategies; only :func:`open_scorer` is for others.
"""

from __future__ import annotations

from typing import Protocol

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.engine.blocked import BlockedGain
from amf_ros.selection.engine.kept import KeptGain
from amf_ros.selection.information_gain import CandidateScores
from amf_ros.selection.scaled_problem import ScaledProblem

FLOAT64_ENTRIES = 4 << 20
"""Pairs of a candidate's and an evaluation state up to which all is float64: 250 tasks of 8 states."""


class Scorer(Protocol):
    """Scores of one problem after the other. Not thread-safe.

    Attributes:
        problem: the last one.
        precision: in which all candidates are scored.
    """

    problem: ScaledProblem
    precision: str

    def score(self, prices: Array, matrix: bool) -> CandidateScores:
        """Evaluate eq. 2; the candidate with the best gain / price is among those scored in float64."""

    def imagine(self, name: str) -> None:
        """Condition on a candidate's expected trajectory, until :meth:`forget`."""

    def forget(self) -> None:
        """Go back to what is known."""

    def follow(self, problem: ScaledProblem) -> bool:
        """Take in what came since the last problem; False where only a new scorer will do."""

    @property
    def nbytes(self) -> int:
        """Bytes kept, with the problem's arrays that the next one's are compared with."""

    @property
    def streamed(self) -> int:
        """Candidates that are computed anew on each call, for want of memory."""


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
