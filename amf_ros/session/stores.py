"""What a session keeps while it runs, in its directory or in memory, and what of it a strategy is told.

The graph's nodes and the session in one process look here, so equal directories give equal answers.

    stores = file_stores(RunDirectory(out), contract, suite)     # can be continued
    stores = MemoryStores()                                      # leaves no trace
    kept = stores.kept(contract, suite)

Imports learning, knowledge, the store and below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from amf_ros.contract import Interface
from amf_ros.core.values import CheckpointInfo, Demonstration, Outcome, Rollout
from amf_ros.knowledge.evaluations import Attempts, attempts_of, standing
from amf_ros.learning.checkpoint_folder import CheckpointFolder
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
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
    """Keeps roll-outs by id; see :class:`amf_ros.store.rollouts.RolloutStore`."""

    def save(self, rollout: Rollout) -> Rollout:
        """Keep one; one of the same id is replaced."""

    def all(self) -> list[Rollout]:
        """Return every one, in the order in which they were saved."""


class Checkpoints(Protocol):
    """Keeps checkpoints by id; see :class:`amf_ros.learning.checkpoint_folder.CheckpointFolder`."""

    def add(self, checkpoint: Checkpoint) -> CheckpointInfo:
        """Keep one; the same one may be there already, another of that id is not replaced."""

    def infos(self) -> list[CheckpointInfo]:
        """List all, oldest first."""

    def get(self, info: CheckpointInfo) -> Checkpoint:
        """Return one that was added."""

    def fingerprints(self) -> Mapping[str, str]:
        """Return the fingerprint of each checkpoint's weights by id."""


@dataclass(frozen=True)
class Kept:
    """Holds what a strategy is told of a session, beside the checkpoint.

    Attributes:
        demonstrations: the usable ones, in the order of recording.
        rollouts: those whose checkpoint was not replaced since, in the order in which they were saved.
        attempts: task id -> (duration [s], usable) of every attempt at demonstrating it.
    """

    demonstrations: Sequence[Demonstration]
    rollouts: Sequence[Rollout]
    attempts: Attempts


@dataclass(frozen=True)
class Stores:
    """Holds all that a session keeps but its journal."""

    demonstrations: Demonstrations
    rollouts: Rollouts
    checkpoints: Checkpoints

    def kept(self, interface: Interface, suite: Suite) -> Kept:
        """Read what was kept until now.

        Raises:
            DataError: a stored file is damaged or of no use here; it is named.
            CheckpointError: a checkpoint cannot be read.
        """
        return Kept(
            self.demonstrations.all_usable(interface, suite),
            standing(self.rollouts.all(), self.checkpoints.fingerprints()),
            self.demonstrations.attempts(),
        )


@dataclass(frozen=True)
class FileStores(Stores):
    """Keeps everything in the session directory, where other processes find it."""

    demonstrations: DemonstrationStore
    rollouts: RolloutStore
    checkpoints: CheckpointFolder


def file_stores(
    directory: RunDirectory, interface: Interface, suite: Suite, allow: Iterable[str] = ()
) -> FileStores:
    """Open the stores of a session directory.

    Args:
        directory: of the session.
        interface: of the robot or suite that runs here; checkpoints must be made for it.
        suite: that runs here.
        allow: policies that checkpoints may name beside registered ones and those that the suite vouches for.

    Raises:
        StorageError: a folder cannot be made.
    """
    return FileStores(
        DemonstrationStore(directory.demonstrations),
        RolloutStore(directory.rollouts),
        CheckpointFolder(directory.checkpoints, interface, suite, allow),
    )


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

    def infos(self) -> list[CheckpointInfo]:
        return [checkpoint.info for checkpoint in self._kept.values()]

    def get(self, info: CheckpointInfo) -> Checkpoint:
        return self._kept[info.id]

    def fingerprints(self) -> Mapping[str, str]:
        return {}  # roll-outs in memory are all of the checkpoints in memory


@dataclass(frozen=True)
class MemoryStores(Stores):
    """Keeps everything as long as it is referred to: for benchmarks that run sessions by the hundred."""

    demonstrations: Demonstrations = field(default_factory=_DemonstrationMemory)
    rollouts: Rollouts = field(default_factory=_RolloutMemory)
    checkpoints: Checkpoints = field(default_factory=_CheckpointMemory)
