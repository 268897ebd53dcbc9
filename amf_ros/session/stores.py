"""What the in-process session keeps while it runs, in files or in memory.

    stores = MemoryStores()                      # leaves no trace
    stores = file_stores(RunDirectory(out))      # amf_ros.session.local_store: can be continued

Imports types and training's checkpoints only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from amf_ros.core.values import CheckpointInfo, Demonstration, Outcome, Rollout
from amf_ros.learning.checkpoints import Checkpoint


class Demonstrations(Protocol):
    """Demonstrations by id."""

    def save(self, demonstration: Demonstration) -> None:
        """Keep one; one of the same id is replaced."""

    def find(self, demonstration_id: str) -> Demonstration | None:
        """One by id, or None."""

    def all(self) -> list[Demonstration]:
        """Every one, by id, which is the order of recording."""

    def usable(self) -> list[Demonstration]:
        """All that are no failure, in the same order."""


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

    def save(self, demonstration: Demonstration) -> None:
        self._kept[demonstration.id] = demonstration

    def find(self, demonstration_id: str) -> Demonstration | None:
        return self._kept.get(demonstration_id)

    def all(self) -> list[Demonstration]:
        return [self._kept[key] for key in sorted(self._kept)]

    def usable(self) -> list[Demonstration]:
        return [demo for demo in self.all() if demo.outcome is not Outcome.FAILURE]


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
