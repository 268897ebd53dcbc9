"""What the in-process session keeps while it runs, in files or in memory.

    stores = MemoryStores()                      # leaves no trace
    stores = file_stores(RunDirectory(out))      # amf_ros.session.local_store: can be continued

Imports types and training's checkpoints only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from amf_ros.contract import Interface
from amf_ros.core.values import CheckpointInfo, Demonstration, Outcome, Rollout
from amf_ros.knowledge.problem import Attempts, attempts_of
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.tasks.base import Suite


class KeptEpisode(Protocol):
    """Says of a demonstration how it ended and how long it is."""

    @property
    def outcome(self) -> Outcome:
        """Whether the task was done."""

    @property
    def num_steps(self) -> int:
        """Observation-action pairs."""

    @property
    def duration_s(self) -> float:
        """First step to last step [s]."""


class Demonstrations(Protocol):
    """Keeps demonstrations by id; see :class:`amf_ros.store.demonstrations.DemonstrationStore`."""

    def find(self, id_: str) -> KeptEpisode | None:
        """Return what is known of one, or None where no demonstration has that id."""

    def save(self, demonstration: Demonstration, interface: Interface) -> None:
        """Keep one whose arrays have the columns of this interface; its id is new."""

    def all_usable(self, interface: Interface, suite: Suite) -> list[Demonstration]:
        """Return all that did not fail, in the order of recording."""

    def attempts(self) -> Attempts:
        """Return the duration [s] of every attempt at each task, and whether it was usable."""


class Rollouts(Protocol):
    """Roll-outs by id."""

    def save(self, rollout: Rollout) -> Rollout:
        """Keep one; one of the same id is replaced."""

    def all(self) -> list[Rollout]:
        """Every one, in the order in which they were saved."""


class Checkpoints(Protocol):
    """Checkpoints by id."""

    def add(self, checkpoint: Checkpoint) -> CheckpointInfo:
        """Keep one; the same one may be there already, another of that id is not replaced."""

    def newest(self) -> CheckpointInfo:
        """Of the last round."""

    def load(self, info: CheckpointInfo) -> Checkpoint:
        """One that was added."""

    def standing(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """Those roll-outs whose policy stands as it was when it ran."""


@dataclass(frozen=True)
class Stores:
    """All that a session keeps but its journal."""

    demonstrations: Demonstrations
    rollouts: Rollouts
    checkpoints: Checkpoints


class _DemonstrationMemory:
    def __init__(self) -> None:
        self._kept: dict[str, Demonstration] = {}

    def find(self, id_: str) -> Demonstration | None:
        return self._kept.get(id_)

    def save(self, demonstration: Demonstration, interface: Interface) -> None:
        self._kept[demonstration.id] = demonstration

    def all_usable(self, interface: Interface, suite: Suite) -> list[Demonstration]:
        return [demo for demo in self._kept.values() if demo.outcome is not Outcome.FAILURE]

    def attempts(self) -> Attempts:
        return attempts_of(list(self._kept.values()))


class _RolloutMemory:
    def __init__(self) -> None:
        self._kept: dict[str, Rollout] = {}

    def save(self, rollout: Rollout) -> Rollout:
        self._kept.pop(rollout.id, None)
        self._kept[rollout.id] = rollout
        return rollout

    def all(self) -> list[Rollout]:
        return list(self._kept.values())


class _CheckpointMemory:
    def __init__(self) -> None:
        self._kept: dict[str, Checkpoint] = {}

    def add(self, checkpoint: Checkpoint) -> CheckpointInfo:
        self._kept[checkpoint.info.id] = checkpoint
        return checkpoint.info

    def newest(self) -> CheckpointInfo:
        return max((checkpoint.info for checkpoint in self._kept.values()), key=lambda info: info.round)

    def load(self, info: CheckpointInfo) -> Checkpoint:
        return self._kept[info.id]

    def standing(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        return list(rollouts)


@dataclass(frozen=True)
class MemoryStores(Stores):
    """Stores that last as long as they are referred to."""

    demonstrations: Demonstrations = field(default_factory=_DemonstrationMemory)
    rollouts: Rollouts = field(default_factory=_RolloutMemory)
    checkpoints: Checkpoints = field(default_factory=_CheckpointMemory)
