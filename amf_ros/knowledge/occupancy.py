"""Occupancies: which states stand for a task, by name. The states that its expert visits are unknown.

    demonstrations   its own demonstrations where there are any, else roll-outs
    rollouts         roll-outs of the current policy, else of the newest that tried, else own demonstrations
    mixture          own demonstrations and roll-outs, half the weight each
    importance       all demonstrations of all tasks, weighted as arXiv 2410.05026, section 4

    occupied = OwnDemonstrations(evidence).of("open_drawer")

An outsider's is a class like these, given as ``package.module:Object``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array, Demonstration, Rollout
from amf_ros.knowledge.trajectories import Trajectory
from amf_ros.knowledge.uncertainty.base import inspectable
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.selection.importance import gaussian_log_ratio, importance_weights
from amf_ros.tasks.base import Suite

NEGLIGIBLE = 1e-3  # of a task's weight: what is left out of an importance-weighted occupancy
T = TypeVar("T", Demonstration, Rollout)


@dataclass(frozen=True)
class Evidence:
    """What occupancies are made from.

    Attributes:
        demonstrations: with steps, oldest first.
        rollouts: with steps; ids of one task sort by age.
        memory: for what is costly and stays the same as long as the checkpoint does.
    """

    suite: Suite
    checkpoint: Checkpoint
    demonstrations: tuple[Demonstration, ...]
    rollouts: tuple[Rollout, ...]
    config: SelectionConfig
    memory: dict[Any, Any] = field(default_factory=dict)

    def shown(self, task_id: str) -> tuple[Demonstration, ...]:
        """Return the task's newest demonstrations."""
        return self._demonstrations.get(task_id, ())[-self.config.trajectories_per_task :]

    def visited(self, task_id: str) -> tuple[Rollout, ...]:
        """Return the task's newest roll-outs with this checkpoint, else with the newest that tried it."""
        own = sorted(self._rollouts.get(task_id, ()), key=lambda rollout: rollout.id)
        current = [r for r in own if r.checkpoint_id == self.checkpoint.info.id]
        if not current and own:
            current = [r for r in own if r.checkpoint_id == own[-1].checkpoint_id]
        return tuple(current[-self.config.trajectories_per_task :])

    @cached_property
    def _demonstrations(self) -> Mapping[str, tuple[Demonstration, ...]]:
        return by_task(self.demonstrations)

    @cached_property
    def _rollouts(self) -> Mapping[str, tuple[Rollout, ...]]:
        return by_task(self.rollouts)


@dataclass(frozen=True)
class Occupied:
    """A task's occupancy.

    Attributes:
        trajectories: whose states are embedded as the task's; empty where nothing is known.
        masses: what each trajectory weighs; None = all states alike.
        effective: effective sample size of importance weights [demonstrations]; NaN for other occupancies.
    """

    trajectories: tuple[Trajectory, ...]
    masses: tuple[float, ...] | None = None
    effective: float = float("nan")


class Occupancy(Protocol):
    """A rule; the class is called once per question with the evidence."""

    def __init__(self, evidence: Evidence) -> None: ...

    def of(self, task_id: str) -> Occupied:
        """Return the occupancy of one task of the suite."""


class OwnDemonstrations:
    """Own demonstrations where there are any, else roll-outs."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def of(self, task_id: str) -> Occupied:
        """Return all states, alike."""
        return Occupied(self._evidence.shown(task_id) or self._evidence.visited(task_id))


class Visited:
    """Roll-outs of the policy where there are any, else own demonstrations."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def of(self, task_id: str) -> Occupied:
        """Return all states, alike."""
        return Occupied(self._evidence.visited(task_id) or self._evidence.shown(task_id))


class Mixture:
    """Own demonstrations and roll-outs together, half the mass each where there are both."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def of(self, task_id: str) -> Occupied:
        """Trajectories of one kind weigh alike."""
        shown, visited = self._evidence.shown(task_id), self._evidence.visited(task_id)
        if not (shown and visited):
            return Occupied(shown or visited)
        masses = [0.5 / len(kind) for kind in (shown, visited) for _ in kind]
        return Occupied((*shown, *visited), tuple(masses))


class Importance:
    """All demonstrations, weighted by how likely the current policy makes them under the task.

    Where the weights collapse (:mod:`amf_ros.selection.importance`) the task's own demonstrations or
    roll-outs stand in. It asks the policy about every demonstration under every task: tasks times steps
    forward passes for each new checkpoint.
    """

    def __init__(self, evidence: Evidence) -> None:
        """Raise ConfigError where the policy does not say what its standardised action units are."""
        self._evidence, self._instead = evidence, OwnDemonstrations(evidence)
        ids = [task.id for task in evidence.suite.tasks]
        columns = [self._log_ratios(demo, ids) for demo in evidence.demonstrations]
        ratios = np.stack(columns, axis=1) if columns else np.zeros((len(ids), 0))
        self._weights = importance_weights(ratios)
        self._row = {task_id: row for row, task_id in enumerate(ids)}

    def of(self, task_id: str) -> Occupied:
        """Return the demonstrations whose weight is not negligible, or what stands in for them."""
        row = self._row[task_id]
        effective = float(self._weights.effective[row])
        if self._weights.collapsed[row]:
            return Occupied(self._instead.of(task_id).trajectories, None, effective)
        kept = [
            (demo, float(weight))
            for demo, weight in zip(self._evidence.demonstrations, self._weights.weights[row], strict=True)
            if weight > NEGLIGIBLE
        ]
        demos, masses = zip(*kept, strict=True)
        return Occupied(demos, masses, effective)

    def _log_ratios(self, demo: Demonstration, ids: list[str]) -> Array:
        """Of this demonstration under each task, (tasks,)."""
        known = self._evidence.memory.get(("importance", demo.id))
        if known is not None and known[0] is demo.observations:
            ratios: Array = known[1]
            return ratios
        policy, suite = self._evidence.checkpoint.policy, self._evidence.suite
        units = inspectable(policy, "importance")
        size, width = len(demo.observations), demo.actions.shape[1]
        embeddings = np.array([suite.embedding(key) for key in ids], dtype=np.float32)
        observations = demo.observations.float32()
        # Task by task: the pictures of a demonstration are not copied for each of them.
        answered = [policy.infer(observations, np.tile(e, (size, 1))) for e in embeddings]
        chunks = np.concatenate(answered)  # (m T, H, a)
        answers = units.standardise(chunks)[:, :width].reshape(len(ids), size, width).astype(np.float64)
        shown = np.repeat(demo.actions[:, None].astype(np.float32), chunks.shape[1], axis=1)  # (T, H, a)
        actions = units.standardise(shown)[:, :width].astype(np.float64)
        own = answers[ids.index(demo.task_id)]
        ratios = gaussian_log_ratio(actions, own, answers, self._evidence.config.importance_variance)
        self._evidence.memory["importance", demo.id] = (demo.observations, ratios)
        return ratios


def by_task(trajectories: Iterable[T]) -> dict[str, tuple[T, ...]]:
    """Trajectories of each task, in their order."""
    found: dict[str, list[T]] = {}
    for trajectory in trajectories:
        found.setdefault(trajectory.task_id, []).append(trajectory)
    return {task_id: tuple(those) for task_id, those in found.items()}
