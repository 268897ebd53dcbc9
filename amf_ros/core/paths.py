"""Paths: those that people and messages name, and where the files are that ship with amf_ros.

Lowest layer: imports errors only. Works without ROS; with it, ``AMENT_PREFIX_PATH`` is searched.

    find_config("contracts", "panda_tabletop")     # a short name
    find_config("contracts", "my_lab/arm.yaml")    # or a path
    local_path("file:///runs/50%25", "checkpoint", CheckpointError)     # Path("/runs/50%")
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from amf_ros.core.errors import AmfError, ConfigError, UnknownName, shown

_LONGEST = 4096  # bytes, with the NUL at the end: Linux' PATH_MAX


def local_path(source: Path | str, what: str, error: type[AmfError] = ConfigError) -> Path:
    """Return the path that a text names: a path as it is written, or a ``file://`` URI of this computer.

    Whether something is there is not looked at. ``Path.as_uri`` gives URIs that come back the same.

    Args:
        source: from a message, a command line or a file.
        what: it is the path of, for the message.
        error: which of our errors is raised.

    Raises:
        AmfError: as ``error`` says: the text is empty, a URI of another kind or another computer, a broken
            URI, too long, or holds what no path can (NUL, half a character).
    """
    text = os.fspath(source)

    def refuse(problem: str) -> AmfError:
        return error(f"{what} {shown(text, 200)}: {problem}; give a path, or a file:// URI of this computer")

    try:
        path = os.fsencode(text)
    except UnicodeEncodeError as broken:
        raise refuse("holds half a character") from broken
    if not isinstance(source, Path) and ("://" in text or text.lower().startswith("file:")):
        try:
            parts = urlsplit(text)
        except ValueError as broken:
            raise refuse(f"is not a URI ({broken})") from broken
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise refuse("is no file of this computer")
        if "?" in text or "#" in text:
            raise refuse("a '?' or '#' in a URI is written %3F or %23")
        path = unquote_to_bytes(os.fsencode(parts.path))
    if not path:
        raise refuse("is empty")
    if b"\0" in path:
        raise refuse("holds a NUL character")
    if len(path) >= _LONGEST:
        raise refuse(f"is longer than a path can be ({len(path)} bytes)")
    return Path(os.fsdecode(path))


def home_expanded(path: Path) -> Path:
    """Expand a leading ``~`` or ``~name`` to the home folder; unchanged where nobody has that name."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def share_directories(package: str) -> tuple[Path, ...]:
    """Return the ``share/<package>`` folders of the sourced workspaces, overlay first."""
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    folders = [Path(prefix) / "share" / package for prefix in (*prefixes, sys.prefix)]
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def config_directories() -> tuple[Path, ...]:
    """Folders that hold our configuration; the first one that has a file wins."""
    checkout = Path(__file__).resolve().parents[2] / "config"
    folders = [checkout, *(share / "config" for share in share_directories("amf_ros"))]
    return tuple(folder for folder in folders if folder.is_dir())


def find_config(kind: str, name: str) -> Path:
    """Find a YAML file by short name or by path.

    Args:
        kind: folder under ``config/``: ``contracts``, ``experiments``, ``robots``, ``tasks``.
        name: file stem in that folder, or a path (anything with a slash or ending in ``.yaml``).

    Raises:
        ConfigError: a path that is not a file.
        UnknownName: a short name that no folder has.
    """
    if os.sep in name or name.endswith((".yaml", ".yml")):
        path = home_expanded(local_path(name, kind))
        if not path.is_file():
            raise ConfigError(f"{kind}: no file {name!r}; give an existing path, or a name in config/{kind}")
        return path
    known: dict[str, Path] = {}
    for folder in config_directories():
        for path in sorted((folder / kind).glob("*.yaml")):
            known.setdefault(path.stem, path)
    if name not in known:
        raise UnknownName(kind.removesuffix("s"), name, known)
    return known[name]
