"""Moves things of a session directory into the trash and back; only :func:`empty` deletes anything.

Each folder of the session has its own trash, ``.trash``, which nodes do not look into but for what an attempt
cost; they may run meanwhile. Imports contract, errors and the rest of data only.

    place = trash(run, "round_0003")
    restore(run, "round_0003")
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from amf_ros.contract import Contract
from amf_ros.core.errors import DataError, UnknownName
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.files import move_whole, storage_errors
from amf_ros.store.folder import check_named, demonstration_files, format_of
from amf_ros.store.run_directory import RunDirectory

BIN = ".trash"
_STRAYS = "strays"  # a copy that is thrown away cost nobody time: it lies where attempts are not counted


def trash(run: RunDirectory, name: str) -> Path:
    """Move one thing of a session directory into the trash, and return its place there.

    Args:
        run: the session directory.
        name: a file or folder in it, as an id, a file name, or with its folder: ``checkpoints/round_0003``.

    Raises:
        UnknownName: there is no such thing.
        DataError: two things are called so.
        StorageError: it cannot be moved.
    """
    path = _only("file of the session", name, list(_kept(run)), run)
    folder = path.parent if path.parent.name != "quarantine" else path.parent.parent
    bin_ = folder / BIN
    if path in demonstration_files(run.demonstrations) and _is_demonstration(path):
        return DemonstrationStore(run.demonstrations).trash(path.stem)
    foreign = folder == run.demonstrations and path.parent == folder
    place = bin_ / _STRAYS / path.name if foreign else bin_ / path.name
    numbers = count(2)
    while os.path.lexists(place):
        place = bin_ / str(next(numbers)) / path.name
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        move_whole(path, place)
    return place


def restore(run: RunDirectory, name: str, contract: Contract | None = None) -> Path:
    """Bring one thing back from the trash, or a recording from quarantine, and return its place.

    Args:
        run: the session directory.
        name: as for :func:`trash`.
        contract: to make steps of a recording that was cut off or refused.

    Raises:
        UnknownName: there is no such thing in the trash or in quarantine.
        DataError: two things there are called so, its place is taken, or the recording is of no use.
        StorageError: it cannot be moved.
    """
    store = DemonstrationStore(run.demonstrations)
    path = _only("thing in the trash", name, [*thrown_away(run), *_entries(store.quarantine)], run)
    if path in (*demonstration_files(store.bin), *demonstration_files(store.quarantine)):
        return store.path(store.restore(path.stem, contract).id)
    folder = next(folder for folder in _folders(run) if folder in path.parents)
    target = folder / path.name
    if os.path.lexists(target):
        raise DataError(f"{target} exists already; trash that one first")
    with storage_errors(target):
        move_whole(path, target)
    return target


def thrown_away(run: RunDirectory) -> list[Path]:
    """List everything in the trash, by name."""
    found = []
    for folder in _folders(run):
        for path in _entries(folder / BIN):
            numbered = path.is_dir() and (path.name.isdigit() or path.name == _STRAYS)
            found += _entries(path) if numbered else [path]
    return sorted(found, key=lambda path: path.name)


def empty(run: RunDirectory) -> list[Path]:
    """Delete for good what is in the trash, and return what it was.

    Raises:
        StorageError: something cannot be deleted.
    """
    found = thrown_away(run)
    for path in found:
        with storage_errors(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return found


def _is_demonstration(path: Path) -> bool:
    try:
        check_named(path)
        format_of(path).read_info(path)
    except DataError:
        return False
    return True


def _folders(run: RunDirectory) -> tuple[Path, ...]:
    return run.demonstrations, run.rollouts, run.checkpoints


def _kept(run: RunDirectory) -> Iterator[Path]:
    for folder in _folders(run):
        yield from (path for path in _entries(folder) if path.name != "quarantine")
    yield from _entries(run.demonstrations / "quarantine")


def _entries(folder: Path) -> list[Path]:
    """List what is in a folder; of hidden things only what macOS puts beside files."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") or path.name[:2] == "._")


def _only(kind: str, name: str, paths: list[Path], run: RunDirectory) -> Path:
    """Return the one path that is called so; names are compared, never joined to a path."""
    exact = [path for path in paths if name in (str(path), str(path.relative_to(run.root)))]
    found = exact or [path for path in paths if name in (path.name, path.stem)]
    if len(found) > 1:
        several = ", ".join(str(path.relative_to(run.root)) for path in found)
        raise DataError(f"{name!r} is the name of several: {several}; name one with its folder")
    if not found:
        raise UnknownName(kind, name, [str(path.relative_to(run.root)) for path in paths])
    return found[0]
