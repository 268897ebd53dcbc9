"""Finds the definition of a message type in the sourced workspaces, in MCAP's ``ros2msg``.

Imports paths and errors only; no rclpy. A definition is kept as it stands in the package's ``.msg`` file,
comments and default values included, as ``ros2 bag record`` keeps it: that is why no library writes it anew.

    text = schema_text("sensor_msgs/msg/JointState")
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from amf_ros.core.errors import DataError
from amf_ros.core.paths import share_directories

_SEPARATOR = "=" * 80
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")
_PRIMITIVES = frozenset(
    ["bool", "byte", "char", "string", "wstring", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def schema_text(type_: str) -> str:
    """Return the definition of ``package/msg/Name`` and, recursively, of every type in it.

    Raises:
        DataError: the type is malformed or its ``.msg`` file is in no share folder.
    """
    texts: dict[str, str] = {}
    _collect(type_, texts)
    (_, first), *others = texts.items()
    return "\n".join([first, *(f"{_SEPARATOR}\nMSG: {name}\n{text}" for name, text in others)])


def _collect(type_: str, texts: dict[str, str]) -> None:
    package, name = _split(type_)
    short = f"{package}/{name}"
    if short in texts:
        return
    texts[short] = text = _definition(package, name)
    for line in text.splitlines():
        field = _FIELD.match(line)
        if field is None or field[1] in _PRIMITIVES:
            continue
        _collect(field[1] if "/" in field[1] else f"{package}/{field[1]}", texts)


def _split(type_: str) -> tuple[str, str]:
    parts = type_.split("/")
    if len(parts) == 3 and parts[1] == "msg":
        parts = [parts[0], parts[2]]
    if len(parts) != 2 or not all(parts):
        raise DataError(f"message type {type_!r} is not package/msg/Name")
    return parts[0], parts[1]


def _definition(package: str, name: str) -> str:
    for share in share_directories(package):
        if (share / "msg" / f"{name}.msg").is_file():
            return _read(share / "msg" / f"{name}.msg")
    raise DataError(
        f"no definition of {package}/msg/{name}: source the workspace that has package {package!r}, "
        "so that AMENT_PREFIX_PATH names it"
    )


@lru_cache(maxsize=256)
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
