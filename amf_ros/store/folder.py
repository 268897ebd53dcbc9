"""Which files in a folder are demonstrations, and which format each has. Imports the store's formats only.

for path in demonstration_files(folder):
    check_named(path)
    format_of(path).read_info(path)
"""

from __future__ import annotations

from pathlib import Path

from amf_ros.core.errors import DataError, ForeignFile
from amf_ros.store.array_format import ARRAYS
from amf_ros.store.file_format import FileFormat
from amf_ros.store.files import check_id
from amf_ros.store.mcap_format import MCAP

FORMATS: tuple[FileFormat, ...] = (MCAP, ARRAYS)


def suffixes() -> tuple[str, ...]:
    """Return the suffixes that files of demonstrations have."""
    return tuple(known.suffix for known in FORMATS)


def format_of(path: Path) -> FileFormat:
    """Return the format that a file has by its suffix, which must be one of :func:`suffixes`."""
    return next(known for known in FORMATS if known.suffix == path.suffix)


def file_of(folder: Path, id_: str) -> Path | None:
    """Return the file of a demonstration in a folder, or None where there is none of that id."""
    places = (folder / (id_ + suffix) for suffix in suffixes())
    return next((place for place in places if place.is_file()), None)


def demonstration_files(folder: Path) -> list[Path]:
    """List what may be a demonstration in a folder, by name."""
    found = (path for suffix in suffixes() for path in folder.glob("*" + suffix))
    return sorted(path for path in found if not path.name.startswith("."))


def check_named(path: Path) -> None:
    """Check that a file may be a demonstration, by its name.

    Raises:
        ForeignFile: it is named otherwise, is no file, or another file has the same id in another format.
    """
    try:
        check_id("demonstration", path.stem)
    except DataError as error:
        raise ForeignFile(f"{path}: is not named as demonstrations are: a copy?") from error
    if not path.is_file() and (path.is_symlink() or path.exists()):
        raise ForeignFile(f"{path}: {'leads nowhere' if path.is_symlink() else 'is no file'}")
    first = file_of(path.parent, path.stem)
    if first is not None and first != path:
        raise ForeignFile(f"{path}: has the id of {first.name}, which counts")
