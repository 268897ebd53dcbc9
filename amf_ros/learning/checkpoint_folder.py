"""The checkpoints of a session: which there are, and reading them. Nodes and local sessions share it.

folder = CheckpointFolder(run.checkpoints, contract, suite)
checkpoint = folder.named(goal.checkpoint_uri)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from amf_ros.contract import Interface
from amf_ros.core.errors import AmfError, CheckpointExists, NoCheckpoint
from amf_ros.core.values import CheckpointInfo
from amf_ros.learning.checkpoint_description import DESCRIPTION, info_of, parse_description
from amf_ros.learning.checkpoint_fit import check_fits
from amf_ros.learning.checkpoints import Checkpoint, as_path, describe, fingerprint, load, save_checkpoint
from amf_ros.store.doctor import StoreFinding, stray, strays, to_trash
from amf_ros.store.files import leave_alone
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import allowed_policies


class CheckpointFolder:
    """Keeps checkpoints and remembers one; another one, or a new version of it, is read when asked for.

    Args:
        root: the folder.
        interface: of the robot or suite that runs here.
        suite: that runs here; policies that it vouches for may be loaded.
        allow: further ``package.module:Class`` of policies that may be; registered ones always.
    """

    def __init__(self, root: Path, interface: Interface, suite: Suite, allow: Iterable[str] = ()) -> None:
        self.root, self._interface, self._suite = root, interface, suite
        self._allow = (*allow, *allowed_policies(suite))
        self._remembered: Checkpoint | None = None

    def infos(self) -> list[CheckpointInfo]:
        """List all, oldest first. Raises CheckpointError for one that cannot be read."""
        return list_checkpoints(self.root)

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each by id. Raises CheckpointError."""
        return {info.id: parse_description(as_path(info.uri)).sha256 for info in self.infos()}

    def named(self, uri: str) -> Checkpoint:
        """Load the checkpoint that a request names, or the newest one where it names none.

        Raises:
            NoCheckpoint: it names none, and there is none.
            CheckpointError: it cannot be used here.
        """
        return self.load(uri) if uri else self.newest()

    def newest(self) -> Checkpoint:
        """Load the one that was made last.

        Raises:
            NoCheckpoint: there is none.
            CheckpointError: it cannot be used here.
        """
        found = newest(self.root)
        if found is None:
            raise NoCheckpoint(f"no checkpoint in {self.root}: put one there that 'amf pretrain' made")
        return self.load(found.uri)

    def load(self, uri: str) -> Checkpoint:
        """Load one by path or URI; the remembered one stays when this fails.

        Raises:
            CheckpointError: it is unreadable, or made for other observations, actions or tasks.
        """
        if self._remembered is None or self._remembered.info != describe(uri):
            checkpoint = load(uri, self._allow)
            check_fits(checkpoint, self._interface, self._suite)
            self._remembered = checkpoint
        return self._remembered

    def get(self, info: CheckpointInfo) -> Checkpoint:
        """Load one that is described. Raises as :meth:`load`."""
        return self.load(info.uri)

    def add(self, checkpoint: Checkpoint) -> CheckpointInfo:
        """Keep a checkpoint. The same one may be there already; one that was read keeps its time of making.

        Raises:
            CheckpointExists: another finished policy has that id.
            StorageError: the disk is full or not writable.
        """
        path = self.root / checkpoint.info.id
        if path.exists():
            there = parse_description(path)
            if there.making.finished and there.sha256 == fingerprint(checkpoint):
                return describe(path)
            if there.making.finished:
                raise CheckpointExists(
                    f"{self.root} holds another {checkpoint.info.id} already: use a new session directory, "
                    "or move that checkpoint away"
                )
        return save_checkpoint(self.root, checkpoint, checkpoint.info.stamp_ns or None)


def list_checkpoints(root: Path) -> list[CheckpointInfo]:
    """List all checkpoints in a directory, oldest first; none where the directory does not exist.

    Whatever holds no description is no checkpoint: it is said once and left alone.

    Raises:
        CheckpointError: one of them cannot be read, named.
    """
    infos = []
    for path in folders(root):
        if (path / DESCRIPTION).is_file():
            infos.append(info_of(path, parse_description(path)))
        elif path.exists():  # else it was moved away just now
            leave_alone(f"{path}: is no checkpoint, {DESCRIPTION} is missing")
    return sorted(infos, key=lambda info: (info.stamp_ns, info.round, info.id))


def folders(root: Path) -> list[Path]:
    """List the folders that may be checkpoints, by name."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def newest(root: Path) -> CheckpointInfo | None:
    """Describe the checkpoint made last; None where there is none. Raises as :func:`list_checkpoints`."""
    infos = list_checkpoints(root)
    return infos[-1] if infos else None


def examine_checkpoints(root: Path, allow: Iterable[str] = (), weights: bool = True) -> list[StoreFinding]:
    """List everything in a folder of checkpoints that is of no use, without changing anything.

    Args:
        root: the folder.
        allow: policies that checkpoints may name beside registered ones.
        weights: whether to read their weights as well; else only what they say of themselves.
    """
    findings = strays(root, None)
    for path in folders(root):
        if not (path / DESCRIPTION).is_file():
            findings.append(stray(path, f"is no checkpoint, {DESCRIPTION} is missing"))
            continue
        try:
            if weights:
                load(path, allow)
            else:
                parse_description(path)
        except AmfError as error:
            findings.append(
                StoreFinding("error", path, str(error), f"{to_trash(path)}, or bring back a copy")
            )
    return findings
