"""What a strategy is asked: arrays and counts, made from checkpoint, demonstrations and roll-outs.

The task selector node and the in-process session both build their question here, so equal stores give
equal choices.

    builder = ProblemBuilder(suite, config)                  # keeps what it has embedded
    problem = builder.build(checkpoint, demonstrations, rollouts, {}, num_tasks=3)
    selection = load("strategy", config.strategy)(config).select(problem)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import CheckpointError
from amf_ros.core.plugins import load
from amf_ros.core.values import Demonstration, Rollout, indices
from amf_ros.knowledge.anchors import anchor_rows
from amf_ros.knowledge.embeddings import Embedder, Part
from amf_ros.knowledge.evaluations import Attempts, attempts_of, audits_of, counts_of
from amf_ros.knowledge.losses import cloning_losses
from amf_ros.knowledge.occupancy import Evidence, Occupied, by_task
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.coverage import Coverage
from amf_ros.policies.base import F32, Policy
from amf_ros.policies.torch_threads import one_thread
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.blas_threads import one_blas_thread
from amf_ros.selection.costs import demonstration_seconds
from amf_ros.selection.problem_checks import check, target_weights
from amf_ros.tasks.base import Suite

UNIT = 1e-3  # features whose mean square is this close to 1 are taken to be of unit norm


class ProblemBuilder:
    """Builds one question after another about a growing session, embedding only what is new.

    Arrays that did not change are handed out as the same objects again. Not for several threads at once.
    """

    def __init__(self, suite: Suite, config: SelectionConfig) -> None:
        """``suite``: all its tasks are described, in its order; ``config`` says how."""
        self._suite, self._config = suite, config
        self._ids = tuple(task.id for task in suite.tasks)
        self._embedder: Embedder | None = None
        self._policy: Policy | None = None
        self._memory: dict[Any, Any] = {}
        self._digest: tuple[Coverage, str] | None = None  # one pi_0 may come with another coverage

    def build(
        self,
        checkpoint: Checkpoint,
        demonstrations: Sequence[Demonstration],
        rollouts: Sequence[Rollout],
        evaluations: Mapping[str, tuple[int, int]],
        *,
        candidates: Sequence[str] = (),
        targets: Sequence[str] = (),
        weights: Sequence[float] = (),
        num_tasks: int = 1,
        seed: int = 0,
        attempts: Attempts | None = None,
        first_checkpoint_id: str = "",
        frozen: Policy | None = None,
    ) -> Problem:
        """Build the question to a strategy.

        Args:
            checkpoint: whose frozen features are used, and what its pre-training covered.
            demonstrations: the usable ones, oldest first.
            rollouts: of any checkpoint; ids of one task sort by age.
            evaluations: task id -> (episodes, successes) of the current policy.
            candidates: that may be chosen; empty = the whole suite.
            targets: to become good at; empty = the whole suite.
            weights: one per target; empty = uniform.
            num_tasks: choices to make.
            seed: of draws and ties.
            attempts: task id -> (duration [s], usable) of all attempts at demonstrating, the failed too;
                None takes ``demonstrations`` for all there were.
            first_checkpoint_id: that the session started from: its roll-outs are the audit, its successes
                the anchors. Empty = every checkpoint that no fine-tuning of a session made.
            frozen: whose pi_0 embeds, where it is not the checkpoint's own: a policy that was trained from
                scratch has none that pre-training covered anything for.

        Raises:
            UnknownName: a candidate, target, demonstration or roll-out is of no task in the suite, or no
                such uncertainty model or occupancy.
            CheckpointError: the checkpoint lacks what the uncertainty model needs of it.
            ConfigError: the policy lacks what the uncertainty model or occupancy needs.
            SelectionError: see :func:`amf_ros.selection.problem_checks.check`.
        """
        candidate_rows = indices("task", self._ids, candidates)
        indices("task", self._ids, [demo.task_id for demo in demonstrations])
        indices("task", self._ids, [rollout.task_id for rollout in rollouts])
        with one_thread(), one_blas_thread():
            embedder, covered = self._prepare(checkpoint, frozen or checkpoint.policy)
            evidence = Evidence(
                self._suite,
                checkpoint,
                tuple(demo for demo in demonstrations if demo.num_steps),
                tuple(rollout for rollout in rollouts if rollout.num_steps),
                self._config,
                self._memory,
            )
            audits = audits_of(evidence.rollouts, first_checkpoint_id)
            states = self._states(embedder, evidence)
            collected: list[Part] = [(demo, demo.task_id) for demo in evidence.demonstrations]
            tried = attempts_of(demonstrations) if attempts is None else attempts
            problem = Problem(
                tasks=self._records(evidence, states, evaluations, tried, audits),
                candidates=tuple(self._ids[row] for row in sorted(candidate_rows)) or self._ids,
                targets=target_weights(self._ids, targets, weights),
                demonstrated=embedder.rows(collected, states.scale),
                coverage=self._coverage(embedder, covered, states.scale),
                num_tasks=num_tasks,
                seed=seed,
                anchors=self._anchors(embedder, audits, states.scale),
                task_columns=embedder.task_columns,
            )
            embedder.forget_unused()
        check(problem)
        return problem

    def _prepare(self, checkpoint: Checkpoint, frozen: Policy) -> tuple[Embedder, Coverage | None]:
        """Return the embedder for this pi_0, and what the checkpoint keeps for the model."""
        name = self._config.uncertainty
        covered = checkpoint.coverage.get(name)
        if covered is None and checkpoint.coverage and self._config.coverage:
            raise CheckpointError(
                f"checkpoint {checkpoint.info.id!r} has no coverage of {name!r}, only of "
                f"{', '.join(checkpoint.coverage)}: name it under uncertainty in the pre-training file and "
                "pre-train again, or set coverage to false"
            )
        if checkpoint.policy is not self._policy:
            self._policy = checkpoint.policy
            self._memory.clear()
        fitted = covered.fitted if covered is not None else {}
        if self._embedder is None or not self._embedder.holds(frozen, fitted):
            self._embedder = Embedder(self._suite, self._config, frozen, fitted)
        return self._embedder, covered

    def _states(self, embedder: Embedder, evidence: Evidence) -> _States:
        """Return each task's occupancy, embedded at one scale."""
        rule = load("occupancy", self._config.occupancy)(evidence)
        occupied: dict[str, Occupied] = {task_id: rule.of(task_id) for task_id in self._ids}
        parts = {key: [(t, key) for t in found.trajectories] for key, found in occupied.items()}
        scale = 1.0
        if self._config.task_weight:
            squares = [embedder.mean_square(those) for those in parts.values() if those]
            mean = float(np.mean(squares)) if squares else 1.0
            scale = 1.0 if abs(mean - 1) < UNIT or not mean > 0 else float(np.sqrt(mean))
        rows = {key: embedder.rows(those, scale) for key, those in parts.items()}
        weights = {
            key: embedder.weights(parts[key], found.masses)
            for key, found in occupied.items()
            if found.masses is not None
        }
        effective = {key: found.effective for key, found in occupied.items()}
        return _States(rows, weights, effective, scale)

    def _records(
        self,
        evidence: Evidence,
        states: _States,
        evaluations: Mapping[str, tuple[int, int]],
        attempts: Attempts,
        audits: Sequence[Rollout],
    ) -> tuple[TaskRecord, ...]:
        shown, pretraining = by_task(evidence.demonstrations), evidence.checkpoint.pretraining
        seconds = demonstration_seconds(
            {key: attempts.get(key, ()) for key in self._ids}, self._config.reset_s
        )
        losses = cloning_losses(evidence.checkpoint.policy, shown, self._suite, self._memory)
        audited = counts_of(audits)
        return tuple(
            TaskRecord(
                id=key,
                states=states.rows[key],
                num_demonstrations=len(shown.get(key, ())),
                num_episodes=evaluations.get(key, (0, 0))[0],
                num_successes=evaluations.get(key, (0, 0))[1],
                num_pretraining=pretraining.get(key, 0) if pretraining else None,
                weights=states.weights.get(key),
                demonstration_s=seconds[key],
                loss=losses.get(key, float("nan")),
                num_audited=audited.get(key, (0, 0))[0],
                num_audit_successes=audited.get(key, (0, 0))[1],
                effective_sample_size=states.effective[key],
            )
            for key in self._ids
        )

    def _coverage(self, embedder: Embedder, covered: Coverage | None, scale: float) -> F32 | None:
        """Return a pre-training demonstration weighs as much as one collected since: as many states."""
        if covered is None or not self._config.coverage or embedder.task_columns:
            return None
        config, width, num_task = self._config, embedder.width, len(self._suite.embedding_names)

        def make() -> F32:
            blocks = covered.blocks(width, num_task, config.task_weight, scale)
            return (blocks * config.states_per_trajectory).astype(np.float32)

        if self._digest is None or self._digest[0] is not covered:
            self._digest = covered, hashlib.sha256(covered.moments.tobytes()).hexdigest()
        return embedder.once(f"coverage/{scale!r}/{self._digest[1]}", make)

    def _anchors(self, embedder: Embedder, audits: Sequence[Rollout], scale: float) -> F32 | None:
        """States where pi_0 itself succeeds; what fine-tuned policies can do, D stands for already.

        Where rows are inputs, those of pre-training come first: they are its coverage.
        """
        parts = []
        inputs = embedder.pretraining_inputs() if self._config.coverage else None
        if inputs is not None:
            parts.append(inputs)
        if self._config.anchors:
            parts.append(anchor_rows(embedder, audits, scale))
        return np.concatenate(parts) if len(parts) > 1 else next(iter(parts), None)


@dataclass(frozen=True)
class _States:
    """Occupancies as arrays, by task, and what the features were divided by."""

    rows: Mapping[str, F32]
    weights: Mapping[str, F32]
    effective: Mapping[str, float]
    scale: float


def build_problem(
    suite: Suite,
    checkpoint: Checkpoint,
    demonstrations: Sequence[Demonstration],
    rollouts: Sequence[Rollout],
    evaluations: Mapping[str, tuple[int, int]],
    *,
    candidates: Sequence[str] = (),
    targets: Sequence[str] = (),
    weights: Sequence[float] = (),
    num_tasks: int = 1,
    seed: int = 0,
    config: SelectionConfig,
    attempts: Attempts | None = None,
    first_checkpoint_id: str = "",
) -> Problem:
    """Build one question; see :meth:`ProblemBuilder.build`, which this is for those who ask but once."""
    return ProblemBuilder(suite, config).build(
        checkpoint,
        demonstrations,
        rollouts,
        evaluations,
        candidates=candidates,
        targets=targets,
        weights=weights,
        num_tasks=num_tasks,
        seed=seed,
        attempts=attempts,
        first_checkpoint_id=first_checkpoint_id,
    )
