"""Writes files and folders that exist whole or not at all. Imports errors only.

with storage_errors(path):
    write_whole(path, data)
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from amf_ros.core.errors import BadId, StorageError, shown

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_LEFT_ALONE: set[str] = set()
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # leaves room for what stands before it


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's complaints about ``path`` into one StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}); nothing half-written was kept, "
            "free some space or check the permissions"
        ) from error


def leave_alone(problem: object) -> None:
    """Say once in this process that a file in a store is not of it, and why: none is skipped in silence."""
    text = str(problem)
    if text not in _LEFT_ALONE:
        _LEFT_ALONE.add(text)
        logging.getLogger("amf_ros").warning("left alone: %s; `amf doctor` says what to do", text)


def one_line(error: BaseException) -> str:
    """Return what an error of a library says, on one line."""
    return " ".join(str(error).split())


def check_id(kind: str, id_: str) -> str:
    """Return the id, if it can be a file name in every store.

    Raises:
        BadId: empty, too long, or with other characters than letters, digits, ``_``, ``-``, ``.``.
    """
    if not _ID.fullmatch(id_):
        raise BadId(
            f"{kind} id {shown(id_)} cannot be a file name; use letters, digits, '_', '-', '.', "
            "first a letter or digit, at most 200 characters"
        )
    return id_


def file_part(text: str) -> str:
    """Return a part of an id that names a file, made from any text, such as a task's id.

    It is itself where every character may stand there; else what can be kept of it and a hash, so that texts
    that differ stay different. The text itself belongs into the file: ids are never read from file names.
    """
    if _PART.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_.-")[:40]
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{kept}-{digest}" if kept else digest


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries: a rename is on the disk only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_whole(source: Path, target: Path) -> None:
    """Rename within one file system, flushed in both folders. Raises OSError."""
    os.replace(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, flush, rename over. Raises OSError, and then leaves what was there before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        move_whole(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_folder_whole(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files beside, flush, rename over. Raises OSError.

    A folder cannot be replaced in one step: the old one steps aside, and comes back if this is interrupted.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _finish_interrupted(target.parent)
    staging = target.parent / f".staging-{target.name}-{uuid.uuid4().hex[:8]}"
    aside = target.parent / f".replaced-{target.name}"
    try:
        staging.mkdir()
        for name, data in files.items():
            with (staging / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(staging)
        if target.exists():
            target.rename(aside)
        staging.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _finish_interrupted(target.parent)


def _finish_interrupted(root: Path) -> None:
    """Bring back what stepped aside for a checkpoint that never came; drop it where that one is there.

    Only a writer may do so: a reader would get in the way of one that is at work.
    """
    for aside in root.glob(".replaced-*"):
        target = root / aside.name.removeprefix(".replaced-")
        if target.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(target)


def free_name(path: Path) -> Path:
    """Return ``path``, with ``-2``, ``-3``, ... before its suffix where that exists already."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
