"""What an in-process session keeps in its directory, whole or not at all.

Demonstrations are arrays in safetensors files, one each: there are no ROS messages to keep here, as
:class:`amf_ros.data.demonstrations.DemonstrationStore` does.

    stores = file_stores(RunDirectory(out))
    stores.demonstrations.save(demonstration)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.data.files import check_id, storage_errors, write_whole
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import CheckpointExists, DataError
from amf_ros.session.stores import Stores
from amf_ros.training.checkpoints import (
    Checkpoint,
    describe,
    fingerprint,
    fingerprints,
    list_checkpoints,
    load,
    parse_description,
)
from amf_ros.training.problem import standing
from amf_ros.training.tuning import save_checkpoint
from amf_ros.types import CheckpointInfo, Demonstration, Outcome, Rollout, Source

SUFFIX = ".safetensors"


def file_stores(directory: RunDirectory, allow: Iterable[str] = ()) -> Stores:
    """The stores of a session that can be continued; ``allow``: see :class:`CheckpointFolder`."""
    return Stores(
        LocalStore(directory.demonstrations),
        RolloutStore(directory.rollouts),
        CheckpointFolder(directory.checkpoints, allow),
    )


class LocalStore:
    """A folder of demonstrations; each is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Demonstration] = {}

    def save(self, demonstration: Demonstration) -> None:
        """Keep one; one of the same id is replaced whole.

        Raises:
            DataError: the id cannot be a file name.
            StorageError: the disk is full or not writable.
        """
        path = self._path(demonstration.id)
        arrays = {
            "observations": np.ascontiguousarray(demonstration.observations, dtype=np.float64),
            "actions": np.ascontiguousarray(demonstration.actions, dtype=np.float64),
            "stamps_ns": np.ascontiguousarray(demonstration.stamps_ns, dtype=np.int64),
        }
        about = {
            "id": demonstration.id,
            "task_id": demonstration.task_id,
            "outcome": demonstration.outcome.name,
            "source": demonstration.source.name,
            "seed": str(demonstration.seed),
        }
        with storage_errors(path):
            write_whole(path, save(arrays, about))
        self._known[demonstration.id] = demonstration

    def find(self, demonstration_id: str) -> Demonstration | None:
        """One by id, or None.

        Raises:
            DataError: its file is damaged.
        """
        path = self._path(demonstration_id)
        if demonstration_id not in self._known and path.is_file():
            self._known[demonstration_id] = _read(path)
        return self._known.get(demonstration_id)

    def all(self) -> list[Demonstration]:
        """Every one, by id, which is the order of recording.

        Raises:
            DataError: a file is damaged.
        """
        found = [self.find(path.stem) for path in sorted(self._root.glob("*" + SUFFIX))]
        return [demo for demo in found if demo is not None]

    def usable(self) -> list[Demonstration]:
        """All that are no failure, in the same order. Raises DataError."""
        return [demo for demo in self.all() if demo.outcome is not Outcome.FAILURE]

    def _path(self, demonstration_id: str) -> Path:
        return self._root / (check_id("demonstration", demonstration_id) + SUFFIX)


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


def _read(path: Path) -> Demonstration:
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            return Demonstration(
                id=about["id"],
                task_id=about["task_id"],
                observations=file.get_tensor("observations"),
                actions=file.get_tensor("actions"),
                stamps_ns=file.get_tensor("stamps_ns"),
                outcome=Outcome[about["outcome"]],
                source=Source[about["source"]],
                seed=int(about["seed"]),
                uri=path.resolve().as_uri(),
            )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: is no demonstration ({error}); remove the file and run again") from error
