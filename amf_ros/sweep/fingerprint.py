"""What a result was made with, as short hashes: equal hashes mean that it would come out the same again.

    made_with = {**of_code(), **of_config(config, selection), **of_objects(strategy="my_lab.choose:Hardest")}

Hashed is source: a module that was named, and all that it imports from beside it, found by reading the files.
Data files are not read: a suite that depends on some changes its ``version`` with them. Of packages that are
installed the version counts. Imports config, paths of this package, and training's environments.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import amf_ros
from amf_ros.core.config import PretrainConfig, SelectionConfig
from amf_ros.rollout.robot_environment import interface_of
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import load_suite

PACKAGE = Path(amf_ros.__file__).parent
_NO_RESULTS = {"cli", "nodes", "ros", "report"}  # what they hold changes no session's outcome
_RESULTS_OF_SWEEP = {"sessions.py", "pace.py"}
_ARITHMETIC = ("numpy", "scipy", "torch", "pybullet")

MadeWith = Mapping[str, str]


@lru_cache(maxsize=1)
def of_code() -> dict[str, str]:
    """``code``: amf_ros itself, and the versions of what it computes with."""
    found = hashlib.sha256(amf_ros.__version__.encode())
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        counts = parts[0] not in _NO_RESULTS and (parts[0] != "sweep" or parts[-1] in _RESULTS_OF_SWEEP)
        if counts and path.suffix in {".py", ".urdf"}:
            found.update("/".join(parts).encode() + path.read_bytes())
    found.update(" ".join(f"{name}={_version(name)}" for name in _ARITHMETIC).encode())
    return {"code": found.hexdigest()[:12]}


def of_config(config: PretrainConfig, selection: SelectionConfig | None = None) -> dict[str, str]:
    """:func:`of_suite`, and what the config names by path.

    Raises:
        AmfError: as :func:`amf_ros.tasks.loading.load_suite`.
    """
    found = of_suite(config.suite, config.contract)
    named = {"policy": [config.policy], "uncertainty": list(config.uncertainty)}
    if selection is not None:
        named["uncertainty"].append(selection.uncertainty)
        named["occupancy"] = [selection.occupancy]
    return found | of_objects(**named)


def of_suite(name: str, contract: str) -> dict[str, str]:
    """``suite``: its source, what it says of itself, and the contract.

    Raises:
        AmfError: as :func:`amf_ros.tasks.loading.load_suite`.
    """
    suite = load_suite(name)
    said = json.dumps(_said(suite, interface_of(suite, contract).hash), sort_keys=True)
    return {"suite": _short(said + _source_of(name))}


def of_objects(**named: Sequence[str]) -> dict[str, str]:
    """Hash objects outside amf_ros, by what they are for; registered names are ``code`` and left out."""
    paths = {kind: [name for name in names if ":" in name] for kind, names in named.items()}
    return {
        kind: _short("".join(_source_of(name) for name in names)) for kind, names in paths.items() if names
    }


def of_module(name: str, path: Path | None) -> dict[str, str]:
    """``work``: a module that does a sweep's work; nothing for one of amf_ros, or without a file."""
    if path is None or path.is_relative_to(PACKAGE):
        return {}
    return {"work": _short(_text(_sources(name, path)))}


def changed(before: MadeWith, now: MadeWith) -> list[str]:
    """Return the parts in which two differ."""
    return sorted(key for key in {*before, *now} if before.get(key) != now.get(key))


def short(made_with: MadeWith) -> str:
    """Return one hash of all, for names of files."""
    return _short(json.dumps(dict(made_with), sort_keys=True))[:8]


def _said(suite: Suite, interface: str) -> dict[str, Any]:
    bounds = [getattr(suite, name, None) for name in ("action_low", "action_high")]
    return {
        "interface": interface,
        "tasks": [repr(task) for task in suite.tasks],
        "embeddings": [
            list(suite.embedding_names),
            [[float(x) for x in suite.embedding(t.id)] for t in suite.tasks],
        ],
        "bounds": [None if bound is None else [float(x) for x in bound] for bound in bounds],
        "version": str(getattr(suite, "version", "")),
    }


def _source_of(name: str) -> str:
    """Source behind ``package.module:Object``; nothing for a registered name."""
    if ":" not in name:
        return ""
    module = name.partition(":")[0]
    spec = importlib.util.find_spec(module)
    loaded = getattr(sys.modules.get(module), "__file__", None)
    origin = loaded or (spec.origin if spec else None)
    if origin is None or Path(origin).is_relative_to(PACKAGE):
        return ""
    return _text(_sources(module, Path(origin)))


def _sources(module: str, path: Path) -> dict[str, str]:
    """Name -> source or version: a module and what it imports, further and further, from beside it."""
    path = path.resolve()
    depth = module.count(".") + (path.name == "__init__.py")
    root = path.parents[depth] if depth < len(path.parents) else path.parent
    installed = any(part in {"site-packages", "dist-packages"} for part in root.parts)
    top = module.partition(".")[0]
    found: dict[str, str] = {}
    left = [(module, path)]
    while left:
        name, file = left.pop()
        if name in found:
            continue
        found[name] = file.read_text(encoding="utf-8", errors="replace")
        for wanted in _imports(found[name], name, file.name == "__init__.py"):
            first = wanted.partition(".")[0]
            own = None if installed and first != top else _file(root, wanted)
            if first == "amf_ros" or first in sys.stdlib_module_names:
                continue
            if own is not None:
                left.append((wanted, own))
            elif wanted == first and not (root / first).is_dir():
                found[first] = _version(first)
    return found


def _imports(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names that a source may import, parents of each first."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


def _file(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    for path in (place.with_suffix(".py") if place.name else place, place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _text(sources: Mapping[str, str]) -> str:
    return json.dumps(sorted(sources.items()))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
