"""AMF: demonstrate the task whose trajectory tells most about the expert on the target tasks.

    strategy = Amf(SelectionConfig(noise_variance=0.1))
    selection = strategy.select(problem)

Bagatella, Huebotter, Martius, Krause, Active Fine-Tuning of Generalist Policies, arXiv 2410.05026, eq. 2:

    c_n = argmax_c' E_{c ~ mu} E_{s ~ rho_c} [ I(pi*(s, c) ; tau(c') | D_{n-1}) ]

exact, in weight space (:mod:`amf_ros.selection.posterior`). Unlike the paper, D is preceded by what
pre-training covered, where the checkpoint says so: without it no strategy can know which tasks the policy
has learned already.

A kept instance answers faster: it follows a problem to which demonstrations were added, or in which some
tasks changed, instead of solving it again (:mod:`amf_ros.selection.workspace`), and never answers
otherwise than a new one would. It holds on to the problem's arrays: make new ones, don't change them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, Score, Selection, TaskRecord, best, check
from amf_ros.selection.blocks import Floats
from amf_ros.selection.certified import Certified, certified
from amf_ros.selection.patience import go_on
from amf_ros.selection.question import FLOAT64_ENTRIES, Question
from amf_ros.selection.threads import one_blas_thread
from amf_ros.selection.workspace import Workspace

MATRIX_ENTRIES = 250_000
"""Pairs of candidate and target up to which a selection carries the matrix of gains."""

NUM_REASONS = 16
"""Candidates, from the best, whose score gets a reason."""

WORTH_TELLING = 0.05
"""Gains of at least this share of a candidate's largest are named in its reason."""

DRIFTED = 1.0
"""Errors of float32 in units of their bound beyond which a kept workspace is thrown away and made anew."""


@dataclass(frozen=True)
class Gains:
    """``matrix[i, j]`` [nat]: what a demonstration of candidate i tells about target j, per state of j."""

    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    matrix: Array


@dataclass(frozen=True)
class Diagnostics:
    """How the last choice was made; for tests and benchmarks.

    Attributes:
        followed: whether the kept workspace was brought up to date, instead of a new one made.
        precision: in which all candidates were scored.
        rescored: candidates scored again in float64, over all choices of the batch.
        roundings: the largest error of float32 seen, in units of its bound.
        held: bytes kept for the next call.
        streamed: blocks of candidates that are not kept, for want of memory.
    """

    followed: bool
    precision: str
    rescored: int
    roundings: float
    held: int
    streamed: int


class Amf:
    """Expected information gain, batches chosen greedily by conditioning on the expected trajectories.

    Attributes:
        rescale: bring features to a mean square length of about 1 over the targets' states (see
            :mod:`amf_ros.selection.question`); kernels whose scale means something set it to False.
        float64_entries: problems with no more pairs of states are scored in float64 from the start.
        last: how the last choice was made; None before the first.
    """

    name = "amf"
    needs_states = True
    rescale = True
    float64_entries = FLOAT64_ENTRIES

    def __init__(self, config: SelectionConfig | None = None) -> None:
        self._config = config or SelectionConfig()
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._checked: Problem | None = None
        self.last: Diagnostics | None = None

    def select(self, problem: Problem) -> Selection:
        """Choose ``num_tasks`` times. Concurrent callers wait for one another.

        Raises:
            SelectionError: the problem has no answer (see :func:`amf_ros.selection.base.check`).
            NoEmbeddings: a candidate or a target of positive weight has no states.
            IllConditioned: the posterior could not be factorised.
        """
        with self._lock, one_blas_thread():
            workspace, followed = self._prepared(problem)
            selection, diagnostics = self._select(problem, workspace, followed)
            if followed and diagnostics.roundings > DRIFTED:
                workspace = Workspace(workspace.question, self._config)
                selection, diagnostics = self._select(problem, workspace, False)
            self.last = diagnostics
            self._keep(problem, workspace, diagnostics.held)
        return selection

    def gains(self, problem: Problem) -> Gains:
        """The matrix behind the scores: what a demonstration of each candidate would teach each target.

        Raises:
            SelectionError: as of :meth:`select`.
        """
        with self._lock, one_blas_thread():
            workspace, _ = self._prepared(problem)
            question = workspace.question
            matrix = workspace.totals(question.mu[None], matrix=True).matrix
            self._keep(problem, workspace, workspace.held())
        return Gains(question.candidates, question.targets, np.asarray(matrix, dtype=np.float64))

    def _features(self, problem: Problem) -> Problem:
        """The problem with features as rows, whose inner products are the kernel."""
        return problem

    def _prices(self, problem: Problem) -> Array:
        """What one demonstration of each candidate costs, (candidates,), above 0."""
        return np.ones(len(problem.candidates))

    def _prepared(self, problem: Problem) -> tuple[Workspace, bool]:
        """A workspace for the problem, and whether it is the kept one."""
        check(problem, self._checked)
        mapped = self._features(problem)
        if mapped is not problem:
            check(mapped)
        # Taken out while in use: should anything go wrong with it, the next call starts afresh.
        kept, self._workspace, self._checked = self._workspace, None, None
        question = Question.of(
            mapped,
            self._config,
            kept.question if kept else None,
            rescale=self.rescale,
            float64_entries=self.float64_entries,
        )
        if kept is not None and kept.follow(question):
            return kept, True
        del kept  # before the memory for the new one is taken
        return Workspace(question, self._config), False

    def _keep(self, problem: Problem, workspace: Workspace, held: int) -> None:
        if held <= self._config.memory_mb * 10**6:
            self._workspace, self._checked = workspace, problem

    def _select(
        self, problem: Problem, workspace: Workspace, followed: bool
    ) -> tuple[Selection, Diagnostics]:
        question, prices = workspace.question, self._prices(problem)
        if not 0 < prices.min() <= prices.max() < np.inf:
            raise SelectionError(f"{self.name}: a price of {prices.min()}; prices are finite and above 0")
        small = len(question.candidates) * len(question.targets) <= MATRIX_ENTRIES
        noise, information = self._config.noise_variance, self._config.information
        first: Certified | None = None
        chosen: list[str] = []
        rescored, roundings = 0, 0.0
        while first is None or len(chosen) < problem.num_tasks:
            go_on()
            found = certified(
                workspace, question.mu[None], prices, noise, information, small and first is None
            )
            first = first or found
            rescored, roundings = rescored + len(found.again), max(roundings, found.roundings)
            chosen.append(_best(question.candidates, found, problem.seed))
            if len(chosen) < problem.num_tasks:
                workspace.plan(chosen[-1])
        workspace.forget_plan()
        diagnostics = Diagnostics(
            followed, question.precision.__name__, rescored, roundings, workspace.held(), workspace.streamed
        )
        return self._answer(problem, workspace, first, chosen), diagnostics

    def _answer(
        self, problem: Problem, workspace: Workspace, found: Certified, chosen: Sequence[str]
    ) -> Selection:
        """The selection, scores best first."""
        names, gains = workspace.question.candidates, found.totals.gains[:, 0]
        order = np.argsort(-found.scores, kind="stable")
        told = order[:NUM_REASONS].tolist()
        told += [] if (row := names.index(chosen[0])) in told else [row]
        reasons = self._reasons(problem, workspace, found, told)
        rows = order.tolist()
        columns = [values[order].tolist() for values in (found.scores, gains, found.totals.std)]
        said = [reasons.get(row, "") for row in rows]
        scores = tuple(map(Score, [names[row] for row in rows], *columns, said))
        matrix = found.totals.matrix
        return Selection(
            tuple(chosen),
            scores,
            self.name,
            f"{chosen[0]}: {reasons[row]}",
            worthwhile=bool(found.scores.max() >= self._config.stop_below),
            targets=workspace.question.targets if matrix is not None else (),
            gains=None if matrix is None else matrix[order].astype(np.float32),
        )

    def _reasons(
        self, problem: Problem, workspace: Workspace, found: Certified, rows: Sequence[int]
    ) -> dict[int, str]:
        """One readable clause for each of some candidates."""
        question, matrix = workspace.question, found.totals.matrix
        names = [question.candidates[row] for row in rows]
        if matrix is None:
            gains = workspace.part(names, question.mu[None]).matrix
            gains = np.empty((len(rows), 0)) if gains is None else gains
        else:
            gains = matrix[rows]
        wanted = set(names)
        records = {task.id: task for task in problem.tasks if task.id in wanted}
        place = {key: column for column, key in enumerate(question.targets)}
        told = _taught(gains)
        return {
            row: _reason(records[name], question.targets, place.get(name, -1), gain, taught)
            for row, name, gain, taught in zip(rows, names, gains, told)
        }


def _best(names: tuple[str, ...], found: Certified, seed: int) -> str:
    """Of those scored in float64; what is well below their best can be no tie."""
    rows = np.array(found.again)
    scores = found.scores[rows]
    near = rows[scores >= scores.max() - 1e-6 * np.abs(scores.max())].tolist()
    return best({names[row]: float(found.scores[row]) for row in near}, seed)


Taught = tuple[int, list[tuple[int, float]], float]
"""How many targets are taught anything worth telling, (column, gain) of the most, and the least told."""


def _taught(gains: Floats) -> list[Taught]:
    """Of each row. The four largest gains, in case the task itself is one of them."""
    least = np.maximum(WORTH_TELLING * gains.max(axis=1, initial=0), np.finfo(gains.dtype).tiny)
    counts = (gains >= least[:, None]).sum(axis=1).tolist()
    order = np.argsort(-gains, axis=1, kind="stable")[:, :4]
    largest = gains[np.arange(len(gains))[:, None], order].tolist()
    pairs = [list(zip(columns, row)) for columns, row in zip(order.tolist(), largest)]
    return list(zip(counts, pairs, least.tolist()))


def _reason(record: TaskRecord, targets: tuple[str, ...], own: int, gains: Floats, taught: Taught) -> str:
    """What is known about the task, and which targets a demonstration would teach."""
    count, largest, least = taught
    known = (
        "1 demonstration" if record.num_demonstrations == 1 else f"{record.num_demonstrations} demonstrations"
    )
    if record.num_episodes:
        known += f", {record.num_successes}/{record.num_episodes} successes"
    if record.effective_sample_size == record.effective_sample_size:
        known += f", states by importance ({record.effective_sample_size:.1f} effective demonstrations)"
    gain = float(gains[own]) if own >= 0 else 0.0
    said = [] if own < 0 else [f"expected to teach {gain:.2g} nat of it"]
    count -= gain >= least
    if count:
        others = [(column, more) for column, more in largest if column != own and more >= least]
        shown = ", ".join([f"{targets[column]} ({more:.2g} nat)" for column, more in others[:3]])
        rest = f" and {count - 3} more" if count > 3 else ""
        said.append(f"{'also' if said else 'expected to teach'} {shown}{rest}")
    return f"{known}; {', '.join(said) or 'not expected to teach the targets anything'}"
