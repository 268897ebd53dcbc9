"""What an in-process session keeps in its directory, whole or not at all; the graph's nodes see it.

stores = file_stores(RunDirectory(out))
stores.demonstrations.save(demonstration, interface)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from amf_ros.core.errors import CheckpointExists
from amf_ros.core.values import CheckpointInfo, Rollout
from amf_ros.knowledge.problem import standing
from amf_ros.learning.checkpoints import (
    Checkpoint,
    describe,
    fingerprint,
    fingerprints,
    list_checkpoints,
    load,
    parse_description,
)
from amf_ros.learning.fine_tuning import save_checkpoint
from amf_ros.session.stores import Stores
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory


def file_stores(directory: RunDirectory, allow: Iterable[str] = ()) -> Stores:
    """Return the stores of a session that can be continued; see :class:`CheckpointFolder`."""
    return Stores(
        DemonstrationStore(directory.demonstrations),
        RolloutStore(directory.rollouts),
        CheckpointFolder(directory.checkpoints, allow),
    )


class CheckpointFolder:
    """A folder of checkpoints; the one used last stays loaded.

    Args:
        root: the folder.
        allow: policies that these checkpoints may name beside registered ones.
    """

    def __init__(self, root: Path, allow: Iterable[str] = ()) -> None:
        self._root, self._allow = root, tuple(allow)
        self._loaded: Checkpoint | None = None

    def add(self, checkpoint: Checkpoint) -> CheckpointInfo:
        """Keep one; one that is there already stays as it is. One that was read keeps its time of making.

        Raises:
            CheckpointExists: another finished policy has that id.
            StorageError: the disk is full or not writable.
        """
        path = self._root / checkpoint.info.id
        if path.exists():
            there = parse_description(path)
            if there.making.finished and there.sha256 == fingerprint(checkpoint):
                return describe(path)
            if there.making.finished:
                raise CheckpointExists(
                    f"{self._root} holds another {checkpoint.info.id} already: use a new session directory, "
                    "or move that checkpoint away"
                )
        return save_checkpoint(self._root, checkpoint, checkpoint.info.stamp_ns or None)

    def newest(self) -> CheckpointInfo:
        """Of the last round. Raises CheckpointError for one that cannot be read."""
        return max(list_checkpoints(self._root), key=lambda info: info.round)

    def load(self, info: CheckpointInfo) -> Checkpoint:
        """One that was added. Raises CheckpointError."""
        if self._loaded is None or self._loaded.info != info:
            self._loaded = load(info.uri, self._allow)
        return self._loaded

    def standing(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """Those whose checkpoint was not replaced since. Raises CheckpointError."""
        return standing(rollouts, fingerprints(self._root))
