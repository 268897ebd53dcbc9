"""A clone in a path that ROS 2's build cannot take is refused in one line, before anything is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a b é", "a space"),
        ("Añé", "'ñ'"),
        ("a:b", "':'"),
        ("a,b", "','"),
        ("a'b", "'''"),
        ("a;b", "';'"),
        ("a\nb", "a control character"),
    ],
)
def test_set_up_names_path_and_character_and_does_nothing(tmp_path: Path, name: str, said: str, locale: str):
    clone = tmp_path / name / "amf_ros"
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", clone / "scripts")
    shutil.copy(ROOT / "Makefile", clone)
    done = subprocess.run(
        ["make", "setup"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": locale},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    line, _make = done.stderr.splitlines()
    shown = str(clone).replace("\n", "?")
    assert line.startswith(f"set-up: {shown}: a path with {said} cannot be built in; move the repository")
    assert done.returncode != 0
    assert sorted(path.name for path in clone.iterdir()) == ["Makefile", "scripts"]


def test_a_path_that_can_be_built_in_gets_further(tmp_path: Path):
    clone = tmp_path / "ok+@~=%-._x" / "amf_ros"
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", clone / "scripts")
    done = subprocess.run(
        [clone / "scripts" / "setup.sh"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'no-such-python' not found" in done.stderr
