"""What an in-process session keeps in its directory, whole or not at all.

Demonstrations are arrays in safetensors files, one each: there are no ROS messages to keep here. The graph's
store (:class:`amf_ros.store.demonstrations.DemonstrationStore`) reads them, and this one reads its
recordings.

    stores = file_stores(RunDirectory(out))
    stores.demonstrations.save(demonstration)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from amf_ros.contract import Contract, Interface
from amf_ros.core.errors import CheckpointExists, ContractError, DataError, ForeignFile
from amf_ros.core.values import CheckpointInfo, Demonstration, Outcome, Rollout
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
from amf_ros.store.arrays import ARRAYS_SUFFIX, check_columns, read_arrays, write_arrays
from amf_ros.store.demonstrations import DemonstrationStore, check_named
from amf_ros.store.files import check_id, leave_alone
from amf_ros.store.metadata import SUFFIX
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.base import Suite


def file_stores(
    directory: RunDirectory,
    allow: Iterable[str] = (),
    interface: Interface | None = None,
    suite: Suite | None = None,
) -> Stores:
    """The stores of a session that can be continued; see :class:`CheckpointFolder`, :class:`LocalStore`."""
    return Stores(
        LocalStore(directory.demonstrations, interface, suite),
        RolloutStore(directory.rollouts),
        CheckpointFolder(directory.checkpoints, allow),
    )


class LocalStore:
    """A folder of demonstrations as arrays, each read once; recordings of the graph in it are read as well.

    Args:
        root: the folder.
        interface: of the suite; a robot's contract makes arrays of recordings. None = arrays of anything.
        suite: names the roles of recorded tasks.
    """

    def __init__(self, root: Path, interface: Interface | None = None, suite: Suite | None = None) -> None:
        self._root, self._interface, self._suite = root, interface, suite
        self._known: dict[str, tuple[int, Demonstration]] = {}  # with the wall clock of its making [ns]
        self._recordings: DemonstrationStore | None = None

    def save(self, demonstration: Demonstration) -> None:
        """Keep one; one of the same id is replaced whole.

        Raises:
            DataError: the id cannot be a file name.
            StorageError: the disk is full or not writable.
        """
        recorded_ns = time.time_ns()
        write_arrays(self._path(demonstration.id), demonstration, self._interface, recorded_ns)
        self._known[demonstration.id] = recorded_ns, demonstration

    def find(self, demonstration_id: str) -> Demonstration | None:
        """One by id, or None.

        Raises:
            DataError: its file is damaged, or made by another contract.
        """
        path = self._path(demonstration_id)
        if demonstration_id not in self._known and path.is_file():
            self._known[demonstration_id] = self._read(path)
        if demonstration_id in self._known:
            return self._known[demonstration_id][1]
        return next((demo for _, demo in self._recorded() if demo.id == demonstration_id), None)

    def all(self) -> list[Demonstration]:
        """Every one, in the order of recording.

        Raises:
            DataError: a file is damaged, or cannot be used by this suite.
        """
        for path in sorted(self._root.glob("[!.]*" + ARRAYS_SUFFIX)):
            try:
                check_named(path)
                self.find(path.stem)
            except ForeignFile as error:
                leave_alone(error)
        rows = [*self._known.values(), *self._recorded()]
        return [demo for _, demo in sorted(rows, key=lambda row: (row[0], row[1].id))]

    def usable(self) -> list[Demonstration]:
        """All that are no failure, in the same order. Raises DataError."""
        return [demo for demo in self.all() if demo.outcome is not Outcome.FAILURE]

    def _path(self, demonstration_id: str) -> Path:
        return self._root / (check_id("demonstration", demonstration_id) + ARRAYS_SUFFIX)

    def _read(self, path: Path) -> tuple[int, Demonstration]:
        info, arrays = read_arrays(path)
        if self._interface is not None:
            try:
                check_columns(info, arrays, self._interface)
            except ContractError as error:
                raise DataError(f"{path}: does not fit: {error}; use a new session directory") from error
        return info.about.recorded_ns, Demonstration(
            info.id, info.task_id, arrays.observations, arrays.actions, arrays.stamps_ns,
            info.outcome, info.source, info.seed, info.uri,
        )  # fmt: skip

    def _recorded(self) -> list[tuple[int, Demonstration]]:
        """What the graph recorded in the same folder."""
        first = next(iter(sorted(self._root.glob("[!.]*" + SUFFIX))), None)
        if first is None or self._interface is None:
            return []
        if not isinstance(self._interface, Contract):
            raise DataError(
                f"{first}: was recorded from a robot, and suite {self._interface.name!r} brings its own "
                "simulator; use a new session directory"
            )
        if self._recordings is None:
            self._recordings = DemonstrationStore(self._root)
        store, found = self._recordings, []
        for info in store.infos():
            if store.path(info.id).suffix == SUFFIX:
                demo = store.load(info.id, self._interface, self._suite)
                found.append((info.about.recorded_ns, demo))
        return found


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
