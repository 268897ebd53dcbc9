"""Build description of the ROS 2 package amf_ros (ament_python)."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "amf_ros"
sys.path.insert(0, str(Path(__file__).resolve().parent))  # builds run with other folders on the path

from amf_ros.ros.start.graph import EVERY_NODE  # noqa: E402


def tree(source: str, destination: str) -> list[tuple[str, list[str]]]:
    """Every file under ``source``, as data files that keep their folders under ``destination``."""
    folders: dict[Path, list[str]] = {}
    for path in sorted(Path(source).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            folders.setdefault(path.parent.relative_to(source), []).append(str(path))
    return [(str(Path(destination) / folder), files) for folder, files in folders.items()]


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed", "**/*.yaml", "**/*.urdf", "**/*.obj", "**/*.html", "**/*.j2"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        ("bin", ["scripts/amf"]),
        *tree("launch", f"share/{PACKAGE}/launch"),
        *tree("config", f"share/{PACKAGE}/config"),
    ],
    python_requires=">=3.10",
    extras_require={"test": ["pytest"]},  # colcon test looks here for the test runner
    zip_safe=False,
    maintainer="amf_ros maintainers",
    maintainer_email="amf-ros@users.noreply.github.com",
    description="Active multi-task fine-tuning of robot policies: which task to demonstrate next.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            f"amf = {PACKAGE}.cli:main",
            *(f"{node.name} = {PACKAGE}.nodes.{node.name}:main" for node in EVERY_NODE),
        ],
    },
)
