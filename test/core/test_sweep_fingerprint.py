"""What results were made with: source of what was named and of what it imports, and what a suite says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from amf_ros.core.config import PretrainConfig, SelectionConfig
from amf_ros.sweep.fingerprint import changed, of_code, of_config, of_module, of_objects, short
from amf_ros.sweep.jobs import run

SUITE = """
from my_bench import arms
from support.line_suite import LineSuite
class Kitchen(LineSuite):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a suite, a module that it imports, one that that imports, and one that nobody does."""
    package = tmp_path / "my_bench"
    package.mkdir()
    arms = "def far():\n    from . import joints\n"
    texts = {"__init__": "", "kitchen": SUITE, "arms": arms, "joints": "N = 7\n", "notes": "TEXT = 1\n"}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_bench"]:
        monkeypatch.delitem(sys.modules, name)
    return package


def of_kitchen(**changes: object) -> dict[str, str]:
    config = PretrainConfig(suite="my_bench.kitchen:Kitchen", demonstrations={"left": 1})
    return of_config(config.model_copy(update=changes), SelectionConfig())


@pytest.mark.parametrize(("module", "counts"), [("kitchen", 1), ("arms", 1), ("joints", 1), ("notes", 0)])
def test_what_the_suite_imports_from_beside_it_counts(folder: Path, module: str, counts: bool) -> None:
    before = of_kitchen()
    assert of_kitchen() == before and set(before) == {"suite"}
    path = folder / f"{module}.py"
    path.write_text(path.read_text() + "# mended\n")
    assert changed(before, of_kitchen()) == (["suite"] if counts else [])


def test_what_a_suite_says_counts(folder: Path) -> None:
    before, kitchen = of_kitchen(), importlib.import_module("my_bench.kitchen").Kitchen
    found = {short(before)}
    for name, value in (("fps", 20.0), ("version", "2"), ("tasks", kitchen.tasks[::-1])):
        kept = getattr(kitchen, name, None)
        setattr(kitchen, name, value)
        found.add(short(of_kitchen()))
        setattr(kitchen, name, kept)
    assert len(found) == 4


def test_only_what_is_outside_amf_ros_has_a_hash_of_its_own(folder: Path) -> None:
    assert of_objects(strategy=["amf"], policy=["mlp"]) == {}
    assert of_objects(strategy=["amf_ros.selection.strategies.amf:Amf"]) == of_objects(
        strategy=["amf_ros.selection.strategies.uniform:Uniform"]
    )
    assert set(of_objects(strategy=["my_bench.arms:far"], policy=["mlp"])) == {"strategy"}
    assert list(of_code()) == ["code"] and of_module("x", None) == {}
    assert set(of_kitchen(policy="my_bench.joints:N")) == {"suite", "policy"}


def square(job: dict[str, int]) -> dict[str, int]:
    return {"square": job["seed"] ** 2}


def test_results_made_with_something_else_are_told_kept_and_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[int] = []

    def work(job: dict[str, int]) -> dict[str, int]:
        made.append(job["seed"])
        return square(job)

    def asked(suite: str, *seeds: int) -> list[dict[str, object]]:
        return [{"seed": seed, "_made_with": {"suite": suite}} for seed in seeds]

    (tmp_path / "squares").mkdir()

    def sweep(suite: str, *seeds: int) -> list[bool]:
        rows = run("squares", work, asked(suite, *seeds), tmp_path, workers=1, progress=False)
        assert [row["made_with"]["suite"] for row in rows] == [suite] * len(seeds)
        assert [row["result"]["square"] for row in rows] == [seed**2 for seed in seeds]
        return [row["before"] for row in rows]

    assert sweep("a", 1, 2) == [False, False]
    assert capsys.readouterr().err == ""
    assert sweep("a", 1, 2, 3) == [True, True, False]
    assert "squares: 2 of 3 results are from before, of the same suite and code\n" in capsys.readouterr().err
    assert sweep("b", 1, 2) == [False, False] and made == [1, 2, 3, 1, 2]
    assert (
        "2 results from before are not used: they were made with another suite\n" in capsys.readouterr().err
    )
    assert sweep("a", 1, 2, 3) == [True, True, True]  # what was mended back is there again


def test_results_of_a_version_that_did_not_say_are_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [{"seed": 3}]
    run("squares", square, jobs, tmp_path, workers=1, progress=False)
    (path,) = (tmp_path / "squares").glob("*.json")
    path.rename(path.with_name(path.name.partition("-")[0] + ".json"))
    older = tmp_path / "squares" / (path.name.partition("-")[0] + ".json")
    older.write_text('{"job": {"seed": 3}, "result": {"square": 8}, "seconds": 1}')
    capsys.readouterr()
    (row,) = run("squares", square, jobs, tmp_path, workers=1, progress=False)
    assert row["result"] == {"square": 9} and "1 results from before are not used" in capsys.readouterr().err
