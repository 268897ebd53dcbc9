"""The states that the policy visited, one safetensors file per episode.

Imports files, types and errors only.

    store = RolloutStore(run.rollouts)
    rollout = store.save(rollout)
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.data.files import check_id, storage_errors, write_whole
from amf_ros.errors import DataError
from amf_ros.types import Outcome, Rollout

SUFFIX = ".safetensors"


class RolloutStore:
    """A folder of roll-outs; several processes may read while others save.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self._loaded: dict[str, tuple[tuple[int, int], int, Rollout]] = {}

    def save(self, rollout: Rollout, saved_ns: int | None = None) -> Rollout:
        """Keep a roll-out; one of the same id is replaced whole.

        Args:
            rollout: with observations (T, d).
            saved_ns: wall clock [ns], the order of :meth:`all`; None = now.

        Returns:
            The same with its uri.

        Raises:
            DataError: the id cannot be a file name, or the observations are no finite (T, d).
            StorageError: the disk is full; an older one of the same id stands.
        """
        path = self.root / (check_id("roll-out", rollout.id) + SUFFIX)
        observations = np.ascontiguousarray(rollout.observations, dtype=np.float64)
        if observations.ndim != 2 or not np.isfinite(observations).all():
            raise DataError(
                f"roll-out {rollout.id!r}: observations {observations.shape} must be (T, d) and finite"
            )
        metadata = {
            "id": rollout.id,
            "task_id": rollout.task_id,
            "outcome": rollout.outcome.name,
            "checkpoint_id": rollout.checkpoint_id,
            "fingerprint": rollout.fingerprint,
            "num_steps": str(rollout.num_steps),
            "saved_ns": str(time.time_ns() if saved_ns is None else saved_ns),
        }
        with storage_errors(path):
            write_whole(path, save({"observations": observations}, metadata))
        return replace(rollout, uri=path.resolve().as_uri())

    def all(self) -> list[Rollout]:
        """Every roll-out, in the order in which they were saved; each file is read once.

        Raises:
            DataError: a file that is no roll-out, by name.
        """
        if not self.root.is_dir():
            return []
        found = {}
        # As entries, not as paths: a session has thousands of them and is looked at often.
        with os.scandir(self.root) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX):
                    continue
                status = entry.stat()
                version = (status.st_mtime_ns, status.st_size)
                known = self._loaded.get(entry.name)
                if known is None or known[0] != version:
                    known = (version, *read_rollout(self.root / entry.name))
                found[entry.name] = known
        self._loaded = found
        rows = sorted(found.values(), key=lambda row: (row[1], row[2].id))
        return [rollout for _, _, rollout in rows]


def read_rollout(path: Path) -> tuple[int, Rollout]:
    """When one was saved [ns], and it.

    Raises:
        DataError: the file is damaged or no roll-out.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            data = file.metadata() or {}
            observations = file.get_tensor("observations")
        observations.setflags(write=False)
        rollout = Rollout(
            id=data["id"],
            task_id=data["task_id"],
            observations=observations,
            outcome=Outcome[data["outcome"]],
            checkpoint_id=data["checkpoint_id"],
            num_steps=int(data["num_steps"]),
            uri=path.resolve().as_uri(),
            fingerprint=data.get("fingerprint", ""),  # files of older versions do not say
        )
        return int(data["saved_ns"]), rollout
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: is no roll-out ({type(error).__name__}: {error}); remove the file"
        ) from error
