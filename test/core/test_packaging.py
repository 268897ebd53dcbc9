"""The package descriptions agree with the code: dependencies, versions, entry points, installed files."""

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package

from amf_ros.core.defaults import STRATEGY
from amf_ros.ros.start.graph import EVERY_NODE

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = [ROOT / "package.xml", ROOT / "amf_msgs" / "package.xml"]
INTERFACES = sorted(p for kind in ("msg", "srv", "action") for p in (ROOT / "amf_msgs" / kind).iterdir())


def dependencies(manifest: Path) -> set[str]:
    root = ElementTree.parse(manifest).getroot()
    return {e.text or "" for e in root if e.tag in {"depend", "exec_depend", "test_depend", "build_depend"}}


def setup_arguments() -> dict[str, ast.expr]:
    """Keyword arguments of the call of setup() in setup.py, unevaluated."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setup":
            return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    raise AssertionError("setup.py calls no setup()")


def imported_packages(folder: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_the_manifest_is_valid(manifest: Path) -> None:
    # colcon takes a package with an invalid manifest, even just a bad e-mail address, for plain Python.
    warnings: list[str] = []
    package = parse_package(manifest, warnings=warnings)
    assert package.licenses == ["Apache-2.0"]
    assert warnings == []


def test_versions_are_the_same_everywhere() -> None:
    found = {ElementTree.parse(manifest).getroot().findtext("version") for manifest in MANIFESTS}
    found.add(ast.literal_eval(setup_arguments()["version"]))
    assert len(found) == 1


def test_every_ros_package_that_is_imported_is_declared() -> None:
    imported = imported_packages(ROOT / "amf_ros") | imported_packages(ROOT / "launch")
    ros = {n for n in imported if n.endswith("_msgs") or n.startswith(("rcl", "launch", "ros", "ament"))}
    ros |= imported & {"std_srvs", "builtin_interfaces", "rcl_interfaces"}
    assert ros - dependencies(ROOT / "package.xml") == set()


def test_every_python_package_that_is_imported_is_pinned() -> None:
    renamed = {
        "PIL": "pillow",
        "mcap_ros2": "mcap-ros2-support",
        "pybullet_data": "pybullet",
        "sklearn": "scikit-learn",
        "ruamel": "ruamel.yaml",
    }
    pinned = {
        re.split(r"[=\[]", line)[0].lower()
        for name in ("runtime.txt", "torch.txt")
        for line in (ROOT / "requirements" / name).read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    }
    ros = dependencies(ROOT / "package.xml")
    for name in imported_packages(ROOT / "amf_ros") - set(sys.stdlib_module_names) - ros - {"amf_ros"}:
        distribution = renamed.get(name, name).lower().replace("_", "-")
        assert distribution in pinned, f"{name} is imported and not in requirements/"


def test_every_requirement_has_one_exact_version() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            requirement = line.split("#")[0].strip()
            if requirement and not requirement.startswith("-c "):
                assert re.match(r"^[A-Za-z0-9._\[\]-]+==[0-9][^ ;]*( *;.*)?$", requirement), (
                    f"{path.name}: {line}"
                )


def test_every_node_of_the_graph_is_an_executable_of_the_package(tmp_path: Path) -> None:
    read = (
        "import setuptools; from distutils.core import run_setup;"
        f"made = run_setup({str(ROOT / 'setup.py')!r}, stop_after='init');"
        "print(';'.join(made.entry_points['console_scripts']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", read], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    scripts = dict(line.split(" = ") for line in done.stdout.strip().split(";"))
    assert scripts.pop("amf") == "amf_ros.cli:main"
    assert scripts == {node.name: f"amf_ros.nodes.{node.name}:main" for node in EVERY_NODE}


@pytest.mark.parametrize("path", INTERFACES, ids=lambda path: path.name)
def test_every_interface_is_built(path: Path) -> None:
    module = __import__(f"amf_msgs.{path.parent.name}", fromlist=[path.stem])
    assert hasattr(module, path.stem)


def test_names_of_test_modules_are_unique() -> None:
    # launch_testing's pytest plugin, present where ROS 2 is installed, imports them by name alone.
    names = [path.stem for path in (ROOT / "test").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_make_demo_chooses_as_everything_else_does() -> None:
    assert f"STRATEGY ?= {STRATEGY}\n" in (ROOT / "Makefile").read_text()
