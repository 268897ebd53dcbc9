"""``amf bench`` on a suite of an outsider: table, plots, JSON, errors."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app

SUITE = "support.line_suite:LineSuite"
PRETRAIN = """
suite: support.line_suite:LineSuite
demonstrations: {near_left: 1, near_right: 1}
training: {hidden: [8], pretrain_steps: 20, num_steps: 10}
"""
SMALL = (
    "--pretrain", "line.yaml", "--seeds", 2, "--demonstrations", 2, "--batch", 1, "--episodes", 1,
    "--workers", 1, "--out", "out", "--strategy", "round_robin",
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.yaml").write_text(PRETRAIN)
    return tmp_path


def bench(*words: object) -> Result:
    return CliRunner().invoke(app, ["bench", *(str(word) for word in words)])


def test_strategies_are_compared_on_a_suite_of_ones_own(here: Path) -> None:
    done = bench(*SMALL)
    assert done.exit_code == 0, done.output
    assert "round_robin" in done.stdout and "uniform" in done.stdout and "4 of 4 runs" in done.stdout
    assert sorted(path.name for path in (here / "out").iterdir() if path.is_file()) == [
        "bench.json", "bench.md", "bench.png", "bench.rows.jsonl.gz", "bench_difference.png",
    ]  # fmt: skip
    again = bench(*SMALL, "--json")
    assert again.exit_code == 0, again.output
    document = json.loads(again.stdout)
    line = document["settings"][SUITE]["round_robin"]
    assert (document["done"], line["seeds"], line["x"]) == (4, 2, [0, 1, 2])
    assert document["before"] == 4 and set(document["made_with"]) == {"code", "suite"}
    assert "sessions: 4 of 4 results are from before" in again.stderr
    anew = bench(*SMALL, "--fresh")
    assert anew.exit_code == 0 and "from before" not in anew.output


def test_after_the_suite_was_mended_its_old_results_are_not_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version's point moves half as far as it is told."""
    module = "from support.line_suite import LineSimulator, LineSuite\n"
    module += "class Simulator(LineSimulator):\n    {}\n"
    module += "class Suite(LineSuite):\n    environment = Simulator\n"
    slow = "def step(self, action):\n        return super().step(0.5 * action)"
    words = (*SMALL, "--suite", "mended_line:Suite", "--json")
    monkeypatch.syspath_prepend(here)
    told = []
    for body in (slow, "pass", "pass"):
        (here / "mended_line.py").write_text(module.format(body))
        monkeypatch.delitem(sys.modules, "mended_line", raising=False)
        importlib.invalidate_caches()
        done = bench(*words)
        assert done.exit_code == 0, done.output
        told.append((json.loads(done.stdout), done.stderr))
    (slow_one, _), (mended, said), (again, said_again) = told
    assert [document["before"] for document, _ in told] == [0, 0, 4]
    assert slow_one["made_with"]["suite"] != mended["made_with"]["suite"] == again["made_with"]["suite"]
    assert "4 results from before are not used: they were made with another suite" in said
    assert again["settings"] == mended["settings"] and "4 of 4 results are from before" in said_again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no suite: give --suite"),
        (("--suite", "kinematik"), "did you mean 'kinematic'"),
        (("--suite", "nowhere.at_all:Suite"), "no module 'nowhere'"),
        (("--suite", SUITE, "--strategy", "unifrom"), "did you mean 'uniform'"),
        (("--suite", SUITE, "--policy", "mpl"), "did you mean 'mlp'"),
        (("--pretrain", "line.yaml", "--suite", "kinematic"), "unknown task 'near_left'"),
    ],
)
def test_what_does_not_exist_is_one_line_before_anything_starts(
    words: tuple[str, ...], said: str, here: Path
) -> None:
    done = bench(*words, "--out", "out")
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.splitlines()[-1].startswith("error: ")
    assert not (here / "out").exists()


def test_demonstrations_that_make_no_whole_rounds_are_refused(here: Path) -> None:
    done = bench("--suite", SUITE, "--demonstrations", 5, "--batch", 2, "--out", "out")
    assert done.exit_code == 1 and "multiple of batch" in done.stderr and done.stderr.count("\n") == 1
