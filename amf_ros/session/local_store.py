"""Demonstrations of an in-process session: arrays in safetensors files, one each, whole or not at all.

There are no ROS messages to keep here, as :class:`amf_ros.data.demonstrations.DemonstrationStore` does.

    store = LocalStore(run.demonstrations)
    store.save(demonstration)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.data.files import check_id, storage_errors, write_whole
from amf_ros.errors import DataError
from amf_ros.types import Demonstration, Outcome, Source

SUFFIX = ".safetensors"


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

    def usable(self) -> list[Demonstration]:
        """All that are no failure, by id, which is the order of recording.

        Raises:
            DataError: a file is damaged.
        """
        found = [self.find(path.stem) for path in sorted(self._root.glob("*" + SUFFIX))]
        return [demo for demo in found if demo is not None and demo.outcome is not Outcome.FAILURE]

    def _path(self, demonstration_id: str) -> Path:
        return self._root / (check_id("demonstration", demonstration_id) + SUFFIX)


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
