"""What task_selector knows and how it answers: no ROS in here, and safe to ask from several threads.

    selector = Selector(suite, contract, RunDirectory(path), config)
    answer = selector.ask(Question(num_tasks=3))
    answer.selection.task_ids, answer.problem.tasks

All it knows is in the session directory, so a selector that was started again answers the same. Files are
read once, states embedded once, posteriors kept by the strategies: a question costs what is new since the
last one.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from amf_ros.contract import Contract
from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import BadRequest, NoCheckpoint, NoEmbeddings
from amf_ros.core.plugins import load
from amf_ros.knowledge.evaluations import evaluations_of
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.ros.selecting.fallback import TRY, counts_only, instead
from amf_ros.ros.selecting.question import Question
from amf_ros.ros.selecting.thinking import Thinker
from amf_ros.selection.base import Problem, Selection, Strategy
from amf_ros.selection.cancellation import raise_if_cancelled
from amf_ros.selection.problem_checks import target_weights
from amf_ros.session.stores import Kept, file_stores
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.base import Suite

__all__ = ["Answer", "Question", "Selector"]

PATIENCE_S = 20.0  # for one answer
_KEPT_ANSWERS = 16
_KEPT_GAINS = 1_000_000  # a larger matrix is not kept with its answer
_SETTLED_NS = 2_000_000_000  # a folder that changed less long ago may change again under the same time stamp


@dataclass(frozen=True)
class Answer:
    """A strategy's answer, what it was asked, and the checkpoint whose embeddings were used.

    Attributes:
        checkpoint_id: empty where there is none yet.
        missing: what the strategy that was asked lacks, where another one answered instead; else empty.
    """

    selection: Selection
    problem: Problem
    checkpoint_id: str
    missing: str = ""


@dataclass(frozen=True)
class _Knowledge:
    """Holds what the session directory held at one time."""

    checkpoint: Checkpoint | None
    kept: Kept

    def same(self, other: _Knowledge) -> bool:
        """Say whether nothing has come, gone or changed: what is unchanged is the same object."""
        return self._key() == other._key()

    def _key(self) -> tuple[Any, ...]:
        demonstrations = [(d.id, id(d.observations), d.outcome) for d in self.kept.demonstrations]
        rollouts = [(r.id, id(r.observations), r.outcome) for r in self.kept.rollouts]
        return id(self.checkpoint), demonstrations, rollouts, self.kept.attempts


class Selector:
    """Answers from what the session directory holds now."""

    def __init__(
        self,
        suite: Suite,
        contract: Contract,
        directory: RunDirectory,
        config: SelectionConfig,
        allowed_strategies: Sequence[str] = (),
        allowed_policies: Sequence[str] = (),
        most_waiting: int = 96,
    ) -> None:
        """Nothing is read yet.

        Args:
            suite: whose tasks are chosen from.
            contract: that runs here.
            directory: of the session.
            config: how to choose; its own strategy may be a path.
            allowed_strategies: paths that a question may name beside that and the registered ones.
            allowed_policies: paths that a checkpoint may name.
            most_waiting: callers at one time for the same strategy; more are refused.

        Raises:
            UnknownName: no such strategy, uncertainty model or occupancy.
            ConfigError: one of them cannot be imported.
        """
        for kind in ("strategy", "uncertainty", "occupancy"):
            load(kind, getattr(config, kind))
        self._suite, self._contract, self._config = suite, contract, config
        self._folders = (directory.checkpoints, directory.demonstrations, directory.rollouts)
        self._stores = file_stores(directory, contract, suite, allowed_policies)
        self._allow = (config.strategy, *allowed_strategies)
        self._builder = ProblemBuilder(suite, config)
        self._lock = threading.Lock()  # of all below, and of everything that is read or embedded
        self._most_waiting = most_waiting
        self._thinkers: dict[str, Thinker] = {}
        self._knowledge: _Knowledge | None = None
        self._looked: tuple[tuple[int, ...], bool] = ((), False)
        self._answers: OrderedDict[Question, Answer] = OrderedDict()

    def changed(self) -> bool:
        """Say in microseconds whether the session directory may hold other things than when it was read."""
        stamps, settled = self._looked
        return not settled or stamps != self._stamps()

    def check(self, strategy: str) -> None:
        """Refuse a strategy that does not exist; empty = the configured one.

        Raises:
            UnknownName: there is none of that name.
            NotAllowed: a path that a question may not name.
            ConfigError: it cannot be imported or made.
        """
        with self._lock:
            self._thinker(strategy or self._config.strategy)

    def ask(self, question: Question, patience_s: float = PATIENCE_S) -> Answer:
        """Return what the strategy answers; the same as before where nothing has changed.

        Callers wait for one another only while files are read and states embedded, and while the same
        strategy thinks. Where the strategy has nothing to go by yet, one that counts answers instead.

        Raises:
            UnknownName: a candidate or target is not in the suite, or no such strategy.
            BadRequest: a list is longer than the suite.
            CheckpointError: the newest checkpoint cannot be used here.
            DataError: a stored file is damaged, by name.
            OutOfTime: no answer came within ``patience_s``.
            SelectionError: see :func:`amf_ros.selection.problem_checks.check` and the strategy.
        """
        self._check_lengths(question)
        question = replace(question, strategy=question.strategy or self._config.strategy)
        with self._lock:
            thinker = self._thinker(question.strategy)
        return thinker.ask(partial(self._think, question), patience_s)

    def close(self) -> None:
        """Answer nobody any more."""
        with self._lock:
            for thinker in self._thinkers.values():
                thinker.close()

    def _think(self, question: Question, strategy: Strategy) -> Answer:
        """In the strategy's thread."""
        with self._lock:
            knowledge = self._read()
            known = self._answers.get(question)
            if known is not None:
                self._answers.move_to_end(question)
                return known
            raise_if_cancelled()
            problem = self._problem(question, knowledge)
        answer = self._answer(question, strategy, problem, knowledge.checkpoint)
        self._keep(question, answer, knowledge)
        return answer

    def _answer(
        self, question: Question, strategy: Strategy, problem: Problem, checkpoint: Checkpoint | None
    ) -> Answer:
        """By the strategy, or instead of it where it needs states and there are none."""
        checkpoint_id = "" if checkpoint is None else checkpoint.info.id
        missing = ""
        if checkpoint is None and strategy.needs_states:
            missing = "there is no checkpoint yet; make one with 'amf pretrain'"
        else:
            try:
                return Answer(strategy.select(problem), problem, checkpoint_id)
            except NoEmbeddings:
                stateless = sum(not len(task.states) for task in problem.tasks)
                missing = f"there are no states of {stateless} of {len(problem.tasks)} tasks; {TRY}"
        selection = instead(problem, question.strategy, self._config, missing)
        return Answer(selection, problem, checkpoint_id, missing)

    def _check_lengths(self, question: Question) -> None:
        """Before anything is looked up: a million ids take time, even to be refused."""
        most = len(self._suite.tasks)
        for name, given in (
            ("candidate_ids", question.candidates),
            ("target_ids", question.targets),
            ("target_weights", question.weights),
        ):
            if len(given) > most:
                raise BadRequest(
                    f"{name} has {len(given)} entries and the suite {most} tasks; name each once"
                )

    def _thinker(self, name: str) -> Thinker:
        """Return one instance of each strategy, which keeps what it has computed."""
        if name not in self._thinkers:
            make = load("strategy", name, self._allow)
            made: Strategy = make(self._config.model_copy(update={"strategy": name}))
            self._thinkers[name] = Thinker(name, made, self._most_waiting)
        return self._thinkers[name]

    def _stamps(self) -> tuple[int, ...]:
        """Return when something last came into each folder, or left it [ns]; 0 = there is no such folder."""
        return tuple(_modified_ns(folder) for folder in self._folders)

    def _read(self) -> _Knowledge:
        if self._knowledge is not None and not self.changed():
            return self._knowledge
        stamps, now_ns = self._stamps(), time.time_ns()
        self._looked = stamps, now_ns - max(stamps) > _SETTLED_NS
        previous, self._knowledge = self._knowledge, None
        try:
            checkpoint = self._stores.checkpoints.newest()
        except NoCheckpoint:
            checkpoint = None
        found = _Knowledge(checkpoint, self._stores.kept(self._contract, self._suite))
        if previous is None or not found.same(previous):
            self._answers.clear()
            previous = found
        self._knowledge = previous
        return previous

    def _problem(self, question: Question, knowledge: _Knowledge) -> Problem:
        checkpoint, kept = knowledge.checkpoint, knowledge.kept
        if checkpoint is None:
            ids = tuple(task.id for task in self._suite.tasks)
            return counts_only(
                self._suite,
                question.candidates,
                target_weights(ids, question.targets, question.weights),
                kept.demonstrations,
                kept.attempts,
                self._config,
                question.num_tasks,
                question.seed,
            )
        return self._builder.build(
            checkpoint,
            kept.demonstrations,
            kept.rollouts,
            evaluations_of(kept.rollouts, checkpoint.info.id),
            candidates=question.candidates,
            targets=question.targets,
            weights=question.weights,
            num_tasks=question.num_tasks,
            seed=question.seed,
            attempts=kept.attempts,
        )

    def _keep(self, question: Question, answer: Answer, knowledge: _Knowledge) -> None:
        gains = answer.selection.gains
        with self._lock:
            if knowledge is not self._knowledge or (gains is not None and gains.size > _KEPT_GAINS):
                return
            self._answers[question] = answer
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)


def _modified_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
