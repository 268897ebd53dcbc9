"""Information gain as a strategy, composed: features x gain x price.

    class AmfCost(GainStrategy):
        name = "amf_cost"

        def __init__(self, config: SelectionConfig | None = None) -> None:
            super().__init__(config, price=minutes)

c_n = argmax_c' I(c') / t(c'), with I of :mod:`amf_ros.selection.information_gain` over features that one part
may have changed, and t of another. Batches are chosen greedily: each choice is conditioned on the expected
trajectories of those before it.

A kept instance answers faster: it follows a problem to which demonstrations were added, or in which some
tasks changed, instead of solving it again (:mod:`amf_ros.selection.engine`), and never answers otherwise than
a new one would. It holds on to the problem's arrays: make new ones, don't change them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, Score, Selection, best
from amf_ros.selection.blas_threads import one_blas_thread
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.engine import FLOAT64_ENTRIES, Scorer, open_scorer
from amf_ros.selection.information_gain import CandidateScores
from amf_ros.selection.problem_checks import check
from amf_ros.selection.reasons import gain_reasons
from amf_ros.selection.scaled_problem import ScaledProblem

MATRIX_ENTRIES = 250_000
"""Pairs of candidate and target up to which a selection carries the matrix of gains."""

NUM_REASONS = 16
"""Candidates, from the best, whose score gets a reason; fewer where thousands are scored in float32."""

ROUNDING_LIMIT = 1.0
"""Errors of float32, in units of their bound, beyond which what was kept is thrown away and made anew."""

Features = Callable[[Problem, SelectionConfig], Problem]
Price = Callable[[Problem], Array]


@dataclass(frozen=True)
class Diagnostics:
    """Tells how the last choice was made; for tests and benchmarks.

    Attributes:
        followed: whether what was kept was brought up to date, instead of the problem solved anew.
        precision: in which all candidates were scored.
        rescored: candidates scored in float64, over all choices of the batch.
        rounding: the largest error of float32 seen, in units of its bound.
        kept_bytes: kept for the next call.
        streamed: candidates of which nothing is kept, for want of memory.
    """

    followed: bool
    precision: str
    rescored: int
    rounding: float
    kept_bytes: int
    streamed: int


class GainStrategy:
    """Chooses by expected information gain over features, divided by a price.

    Attributes:
        float64_entries: problems with no more pairs of states are scored in float64 from the start.
        last: how the last choice was made; None before the first.
    """

    name: str
    needs_states = True
    float64_entries = FLOAT64_ENTRIES

    def __init__(
        self,
        config: SelectionConfig | None = None,
        *,
        features: Features | None = None,
        rescale: bool = True,
        price: Price | None = None,
    ) -> None:
        """Compose a strategy.

        Args:
            config: of selection; the defaults where None.
            features: changes the rows of a problem; None leaves them as they are.
            rescale: bring rows to a mean square of about 1 over the targets' states; features whose scale
                means something set it to False.
            price: (candidates,) of one demonstration, above 0, by which gains are divided; None = 1.
        """
        self._config = config or SelectionConfig()
        self._features, self._rescale, self._price = features, rescale, price
        self._lock = threading.Lock()
        self._scorer: Scorer | None = None
        self._checked: Problem | None = None
        self.last: Diagnostics | None = None

    def select(self, problem: Problem) -> Selection:
        """Choose ``num_tasks`` times. Concurrent callers wait for one another.

        Raises:
            SelectionError: the problem has no answer (see :func:`amf_ros.selection.problem_checks.check`).
            NoEmbeddings: a candidate or a target of positive weight has no states.
            IllConditioned: the posterior could not be factorised.
        """
        with self._lock, one_blas_thread():
            scorer, followed = self._prepared(problem)
            selection, self.last = self._select(problem, scorer, followed)
            if followed and self.last.rounding > ROUNDING_LIMIT:
                scorer = open_scorer(scorer.problem, self._config, self.float64_entries)
                selection, self.last = self._select(problem, scorer, False)
            if self.last.kept_bytes <= self._config.memory_mb * 10**6:
                self._scorer, self._checked = scorer, problem
        return selection

    def _prepared(self, problem: Problem) -> tuple[Scorer, bool]:
        """Return a scorer of the problem, and whether it is the kept one."""
        check(problem, self._checked)
        asked = problem
        if self._features is not None:
            asked = self._features(problem, self._config)
            check(asked)
        # Taken out while in use: should anything go wrong with it, the next call starts afresh.
        kept, self._scorer, self._checked = self._scorer, None, None
        scaled = ScaledProblem.of(asked, self._config, kept.problem if kept else None, self._rescale)
        if kept is not None and kept.follow(scaled):
            return kept, True
        del kept  # before the memory for the new one is taken
        return open_scorer(scaled, self._config, self.float64_entries), False

    def _prices(self, problem: Problem) -> Array:
        prices = np.ones(len(problem.candidates)) if self._price is None else self._price(problem)
        if not 0 < prices.min() <= prices.max() < np.inf:
            raise SelectionError(f"{self.name}: a price of {prices.min()}; prices are finite and above 0")
        return prices

    def _select(self, problem: Problem, scorer: Scorer, followed: bool) -> tuple[Selection, Diagnostics]:
        names, prices = problem.candidates, self._prices(problem)
        small = len(names) * len(scorer.problem.targets) <= MATRIX_ENTRIES
        first: CandidateScores | None = None
        chosen: list[str] = []
        rescored, rounding = 0, 0.0
        while first is None or len(chosen) < problem.num_tasks:
            raise_if_cancelled()
            found = scorer.score(prices, small and first is None)
            first = first or found
            rescored, rounding = rescored + len(found.exact), max(rounding, found.rounding)
            chosen.append(_best(names, found, prices, problem.seed))
            if len(chosen) < problem.num_tasks:
                scorer.imagine(chosen[-1])
        scorer.forget()
        last = Diagnostics(followed, scorer.precision, rescored, rounding, scorer.nbytes, scorer.streamed)
        return self._answer(problem, scorer.problem.targets, first, prices, chosen), last

    def _answer(
        self,
        problem: Problem,
        targets: tuple[str, ...],
        found: CandidateScores,
        prices: Array,
        chosen: Sequence[str],
    ) -> Selection:
        """Return the selection, scores best first."""
        names, values = problem.candidates, found.gains / prices
        order = np.argsort(-values, kind="stable")
        reasons = _reasons(problem, targets, found, [*order[:NUM_REASONS].tolist(), names.index(chosen[0])])
        scores = [
            Score(names[row], value, gain, std, reasons.get(names[row], ""))
            for row, value, gain, std in zip(
                order.tolist(), values[order].tolist(), found.gains[order].tolist(), found.std[order].tolist()
            )
        ]
        small = found.matrix is not None and len(names) * len(targets) <= MATRIX_ENTRIES
        return Selection(
            tuple(chosen),
            tuple(scores),
            self.name,
            f"{chosen[0]}: {reasons[chosen[0]]}",
            worthwhile=bool(values.max() >= self._config.stop_below),
            targets=targets if small else (),
            gains=found.matrix[order].astype(np.float32) if small and found.matrix is not None else None,
        )


def _best(names: Sequence[str], found: CandidateScores, prices: Array, seed: int) -> str:
    """Return the best of those scored in float64; what is well below their best can be no tie."""
    scores = found.gains[found.exact] / prices[found.exact]
    near = np.flatnonzero(scores >= scores.max() - 1e-6 * np.abs(scores.max())).tolist()
    return best({names[found.exact[row]]: float(scores[row]) for row in near}, seed)


def _reasons(
    problem: Problem, targets: tuple[str, ...], found: CandidateScores, rows: Sequence[int]
) -> dict[str, str]:
    """Return a clause about each candidate of ``rows`` whose gain about each target is known."""
    about = dict(zip(found.exact.tolist(), found.about))
    if found.matrix is not None:
        about = {row: found.matrix[row] for row in rows}
    told = {problem.candidates[row]: about[row] for row in rows if row in about}
    records = {task.id: task for task in problem.tasks if task.id in told}
    gains = np.array(list(told.values()))
    return dict(zip(told, gain_reasons([records[key] for key in told], targets, gains)))
