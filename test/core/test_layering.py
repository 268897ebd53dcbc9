"""Imports go down only, and ROS stays in its rooms (docs/architecture.md)."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "amf_ros"

# Bottom first. A room imports from the layers below it; with its neighbours it shares nothing,
# unless the whole layer is marked as one.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"core"}),
    frozenset({"contract"}),
    frozenset({"arm", "tasks", "policies", "selection", "store"}),
    frozenset({"sim", "mock"}),
    frozenset({"learning", "rollout"}),
    frozenset({"knowledge"}),
    frozenset({"session"}),
    frozenset({"report"}),
    frozenset({"sweep"}),
    frozenset({"ros"}),
    frozenset({"nodes", "cli"}),
)
ROS_ROOMS = {"ros", "nodes", "cli"}
ROS_PACKAGES = {"rclpy", "launch", "launch_ros", "ament_index_python", "rosidl_runtime_py", "rpyutils"}

SOURCES = sorted(PACKAGE.rglob("*.py"))


def level(room: str) -> int:
    for i, layer in enumerate(LAYERS):
        if room in layer:
            return i
    raise AssertionError(f"amf_ros.{room} has no layer: give it one in LAYERS and in docs/architecture.md")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """The module of ``from ... import``, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = ("amf_ros", *path.relative_to(PACKAGE).parts[:-1])
    base = package[: len(package) - node.level + 1]
    return ".".join((*base, *([node.module] if node.module else [])))


def imports(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import, at any depth of the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, path)
            if module == "amf_ros":
                yield from ((node.lineno, f"amf_ros.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def violations(source: str, path: Path) -> list[str]:
    room = room_of(path)
    found = []
    for line, name in imports(ast.parse(source), path):
        where = f"{path.relative_to(ROOT)}:{line}"
        top, _, rest = name.partition(".")
        if (top in ROS_PACKAGES or top.endswith("_msgs") or top == "std_srvs") and room not in ROS_ROOMS:
            found.append(f"{where}: only {sorted(ROS_ROOMS)} may import {name}")
        if top != "amf_ros" or not rest or room == "__init__":
            continue
        target = rest.split(".")[0]
        if target == room:
            continue
        if level(target) > level(room):
            found.append(f"{where}: amf_ros.{room} is below amf_ros.{target} and may not import it")
        elif level(target) == level(room):
            found.append(f"{where}: amf_ros.{room} and amf_ros.{target} are neighbours and share nothing")
    return found


def imported_modules(source: str, path: Path) -> Iterator[str]:
    """Dotted names of the modules of this package that a file imports, also those for types only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, path)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def circle(sources: dict[str, tuple[str, Path]]) -> list[str]:
    """The modules of a circle of imports, or none. A package's own module only hands names on."""
    graph = {
        module: {name for name in imported_modules(*file) if name in sources and name != module}
        for module, file in sources.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    files = [path for path in SOURCES if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    assert circle({module: (path.read_text(), path) for module, path in modules.items()}) == []


def test_modules_that_import_each_other_for_types_are_found() -> None:
    sources = {
        "amf_ros.core.a": "if TYPE_CHECKING:\n    from amf_ros.core.b import B",
        "amf_ros.core.b": "from amf_ros.core import a",
        "amf_ros.core.c": "from amf_ros.core import a",
    }
    found = circle({module: (text, PACKAGE / "core" / "x.py") for module, text in sources.items()})
    assert set(found) == {"amf_ros.core.a", "amf_ros.core.b"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    assert violations(path.read_text(), path) == []


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("core/values.py", "import amf_ros.learning.batches", "below"),
        ("core/values.py", "def f():\n    from amf_ros import session", "below"),
        ("policies/mlp.py", "from amf_ros.tasks.base import TaskSuite", "neighbours"),
        ("policies/mlp.py", "from ..tasks import base", "neighbours"),
        ("nodes/robot.py", "from amf_ros.cli import main", "neighbours"),
        ("learning/loop.py", "import rclpy.node", "only"),
        ("session/loop.py", "from amf_msgs.srv import NextTask", "only"),
    ],
)
def test_an_import_that_goes_up_sideways_or_to_ros_is_found(file: str, source: str, wrong: str) -> None:
    (found,) = violations(source, PACKAGE / file)
    assert wrong in found


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("session/loop.py", "from amf_ros.learning import cloning\nfrom amf_ros import core"),
        ("policies/mlp.py", "from .base import Policy\nfrom amf_ros.core.values import Array"),
        ("core/plugins.py", "from amf_ros.core.errors import UnknownName"),
        ("ros/qos.py", "import rclpy\nfrom std_srvs.srv import Trigger"),
    ],
)
def test_an_import_that_goes_down_is_allowed(file: str, source: str) -> None:
    assert violations(source, PACKAGE / file) == []


WITHOUT_ROS = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in {"rclpy", "launch", "launch_ros"} or top.endswith("_msgs"):
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
import amf_ros
for module in pkgutil.walk_packages(amf_ros.__path__, "amf_ros."):
    if module.name.split(".")[1] not in {"nodes", "ros", "cli"}:
        importlib.import_module(module.name)
"""


def test_everything_outside_the_ros_rooms_imports_without_ros() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROS], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


# Words by which rooms were called before the refit.
FORMER = {"data", "robots", "training", "types", "registry"}


@pytest.mark.parametrize("room", sorted({room for layer in LAYERS for room in layer}))
def test_the_docstring_of_a_room_names_its_files_and_no_others(room):
    folder = PACKAGE / room
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    words = set(re.findall(r"[a-z_0-9]+", text))
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert modules | folders <= words, f"not named: {sorted((modules | folders) - words)}"
    named = re.findall(r"(?<![/a-z_0-9])([a-z_0-9]+)\.py\b", text)
    there = {path.stem for path in folder.rglob("*.py")}
    assert set(named) <= there, f"no such file: {sorted(set(named) - there)}"
    rule = re.search(r"(May import|Imports|May\nimport)[^.]*\.", text)
    assert rule or room in ("cli", "nodes"), "its docstring does not say what it may import"
    if rule:
        assert not FORMER & set(re.findall(r"[a-z]+", rule[0])), rule[0]


def test_the_docstring_of_the_package_names_the_rooms_from_the_bottom_up():
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text())) or ""
    named = re.findall(r"^ +\{? ?([a-z]+)(?: \})? {2,}", text, re.MULTILINE)
    assert [level(room) for room in named] == sorted(level(room) for room in named)
    assert sorted(named) == sorted(room for layer in LAYERS for room in layer)


# What rooms have alike: protocols, how plugins are found, and commands named as what they are about.
MET_OFTEN = {"base", "loading", "protocol", "suite", "staging", "features", "session", "graph", "doctor"}


def test_a_module_or_class_name_is_met_once():
    modules, classes = [], []
    for path in SOURCES:
        if path.stem not in ("__init__", "__main__"):
            modules.append(path.stem)
        tree = ast.parse(path.read_text())
        classes += [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    twice = {name for name in modules if modules.count(name) > 1} - MET_OFTEN
    assert not twice, f"modules of one name: {sorted(twice)}"
    assert not (again := {name for name in classes if classes.count(name) > 1}), f"classes: {sorted(again)}"
