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

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.core.errors import BadId, DataError, ForeignFile, shown
from amf_ros.core.values import Outcome, Rollout
from amf_ros.store.files import check_id, leave_alone, one_line, storage_errors, write_whole
from amf_ros.store.frame_format import frame_order, frame_tensors, read_frames

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

    def check_free(self, id_: str, task_id: str) -> None:
        """Say whether a roll-out of a task may have this id: asked before the arm moves, and not after.

        Raises:
            BadId: it cannot be the name of a file, or a roll-out of another task has it.
        """
        path = self.root / (check_id("roll-out", id_) + SUFFIX)
        try:
            _, there = read_rollout(path)
        except DataError:  # nothing, or nothing that counts
            return
        if there.task_id != task_id:
            raise BadId(f"roll-out {shown(id_)} is one of {shown(there.task_id)}; choose another id")

    def save(self, rollout: Rollout, saved_ns: int | None = None) -> Rollout:
        """Keep a roll-out; one of the same id is replaced whole.

        Args:
            rollout: with the states that were visited.
            saved_ns: wall clock [ns], the order of :meth:`all`; None = now.

        Returns:
            The same with its uri.

        Raises:
            DataError: the id cannot be a file name, or an observation is not finite.
            StorageError: the disk is full; an older one of the same id stands.
        """
        path = self.root / (check_id("roll-out", rollout.id) + SUFFIX)
        if bad := rollout.observations.first_bad():
            raise DataError(f"roll-out {rollout.id!r}: {bad} is not finite")
        metadata = {
            "id": rollout.id,
            "task_id": rollout.task_id,
            "outcome": rollout.outcome.name,
            "checkpoint_id": rollout.checkpoint_id,
            "fingerprint": rollout.fingerprint,
            "num_steps": str(rollout.num_steps),
            "saved_ns": str(time.time_ns() if saved_ns is None else saved_ns),
        } | frame_order(rollout.observations)
        with storage_errors(path):
            write_whole(path, save(frame_tensors(rollout.observations), metadata))
        return replace(rollout, uri=path.resolve().as_uri())

    def all(self) -> list[Rollout]:
        """Return every roll-out, in the order in which they were saved; each file is read once.

        Raises:
            DataError: a file that is no roll-out, by name.
        """
        if not self.root.is_dir():
            return []
        found = {}
        # As entries, not as paths: a session has thousands of them and is looked at often.
        with os.scandir(self.root) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX) or entry.name.startswith("."):
                    continue
                try:
                    status = entry.stat()
                    version = (status.st_mtime_ns, status.st_size)
                    known = self._loaded.get(entry.name)
                    if known is None or known[0] != version:
                        known = (version, *read_rollout(self.root / entry.name))
                except (ForeignFile, OSError) as error:  # OSError: moved away just now, or a link to nowhere
                    if os.path.lexists(entry.path):
                        leave_alone(
                            error if isinstance(error, ForeignFile) else f"{entry.path}: {error.strerror}"
                        )
                    continue
                found[entry.name] = known
        self._loaded = found
        rows = sorted(found.values(), key=lambda row: (row[1], row[2].id))
        return [rollout for _, _, rollout in rows]


def rollout_files(folder: Path) -> list[Path]:
    """List what may be a roll-out in a folder, by name."""
    return sorted(path for path in folder.glob("*" + SUFFIX) if not path.name.startswith("."))


def read_rollout(path: Path) -> tuple[int, Rollout]:
    """Read a roll-out and when it was saved [ns].

    Raises:
        DataError: the file is damaged or no roll-out.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            data = file.metadata() or {}
            id_ = data["id"]  # first: another program's file has none
            observations = read_frames(file).frozen()
        rollout = Rollout(
            id=id_,
            task_id=data["task_id"],
            observations=observations,
            outcome=Outcome[data["outcome"]],
            checkpoint_id=data["checkpoint_id"],
            num_steps=int(data["num_steps"]),
            uri=path.resolve().as_uri(),
            fingerprint=data.get("fingerprint", ""),  # files of older versions do not say
        )
        saved_ns = int(data["saved_ns"])
    except (OSError, KeyError) as error:  # KeyError: another program's safetensors file
        raise ForeignFile(f"{path}: is no roll-out of amf_ros ({one_line(error)})") from error
    except (SafetensorError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({one_line(error)}); move it to the trash") from error
    if rollout.id != path.stem:
        raise ForeignFile(f"{path}: holds roll-out {shown(rollout.id)}: a copy, or renamed")
    return saved_ns, rollout
