"""The results of a sweep as files: ``out/<name>/<key>-<hash>.json``, each written whole.

The hash is of what a result was made with (:mod:`amf_ros.sweep.fingerprint`): one that was made with another
suite or other code lies beside, is told, and not used. Imports errors and data.files.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amf_ros.core.errors import DataError
from amf_ros.store.files import storage_errors, write_whole
from amf_ros.sweep.cluster import Row
from amf_ros.sweep.fingerprint import changed, short

Job = Mapping[str, Any]


def path_of(folder: Path, key: str, made_with: Mapping[str, str]) -> Path:
    """Return where a result belongs."""
    return folder / f"{key}-{short(made_with)}.json"


def failure_of(path: Path) -> Path:
    """Return where the traceback of a failed job is kept, beside its result's place."""
    return path.with_suffix(".failed.txt")


def keep(path: Path, job: Job, answer: Row) -> str:
    """Write a result, or the traceback of a failure, whose one line is returned."""
    with storage_errors(path):
        if "error" in answer:
            write_whole(failure_of(path), f"{dict(job)}\n\n{answer['traceback']}".encode())
            return str(answer["error"])
        text = json.dumps({"job": plain(job), **answer}, indent=1, allow_nan=False)
        write_whole(path, text.encode())
        for failed in path.parent.glob(f"{_key(path)}-*.failed.txt"):
            failed.unlink(missing_ok=True)
    return ""


def read(path: Path, job: Job, before: bool) -> Row:
    """Read one row; ``before``: an earlier run made it. Raises DataError where the file is damaged."""
    try:
        row: Row = json.loads(path.read_text(encoding="utf-8"))
        return {
            "job": dict(job),
            "result": row["result"],
            "seconds": float(row["seconds"]),
            "made_with": dict(row["made_with"]),
            "before": before,
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no result of a sweep ({error}); remove it and run again") from error


def tell_before(name: str, paths: Sequence[Path], made_with: Sequence[Mapping[str, str]]) -> None:
    """Say on stderr how many results are there already, and how many are not used and why."""
    there = sum(path.is_file() for path in paths)
    if there:
        sys.stderr.write(
            f"{name}: {there} of {len(paths)} results are from before, of the same suite and code\n"
        )
    others, parts = 0, set()
    for path, now in zip(paths, made_with):
        older = [other for other in path.parent.glob(f"{_key(path)}*.json") if other != path]
        if older and not path.is_file():
            others += 1
            parts |= set(changed(_stored(max(older, key=lambda other: other.stat().st_mtime_ns)), now))
    if others:
        sys.stderr.write(
            f"{name}: {others} results from before are not used: they were made with another "
            f"{' and '.join(sorted(parts)) or 'version'}\n"
        )


def plain(value: object) -> object:
    """Make what JSON can hold: NaN and infinity become null, arrays lists, numpy's numbers Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _key(path: Path) -> str:
    return path.name.partition("-")[0]


def _stored(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["made_with"])
    except (ValueError, KeyError, TypeError):  # of an older version, or damaged: not used either way
        return {}
