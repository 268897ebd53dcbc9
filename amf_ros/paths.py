"""Where the files that ship with amf_ros are: beside the package in a checkout, else in a ROS share folder.

Lowest layer: imports errors only. Works without ROS; with it, ``AMENT_PREFIX_PATH`` is searched.

    find_config("contracts", "panda_tabletop")     # a short name
    find_config("contracts", "my_lab/arm.yaml")    # or a path
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from amf_ros.errors import ConfigError, UnknownName


def share_directories(package: str) -> tuple[Path, ...]:
    """The ``share/<package>`` folders of the sourced workspaces, overlay first."""
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    folders = [Path(prefix) / "share" / package for prefix in (*prefixes, sys.prefix)]
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def config_directories() -> tuple[Path, ...]:
    """Folders that hold our configuration; the first one that has a file wins."""
    checkout = Path(__file__).resolve().parents[1] / "config"
    folders = [checkout, *(share / "config" for share in share_directories("amf_ros"))]
    return tuple(folder for folder in folders if folder.is_dir())


def find_config(kind: str, name: str) -> Path:
    """A YAML file by short name or by path.

    Args:
        kind: folder under ``config/``: ``contracts``, ``experiments``, ``robots``, ``tasks``.
        name: file stem in that folder, or a path (anything with a slash or ending in ``.yaml``).

    Raises:
        ConfigError: a path that is not a file.
        UnknownName: a short name that no folder has.
    """
    if os.sep in name or name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
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
