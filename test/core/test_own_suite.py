"""docs/own_suite.md and examples/own_suite.py do what they say: their own lines are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from amf_ros.cli.app import app
from amf_ros.core.config import PretrainConfig, load_yaml
from amf_ros.core.errors import CheckpointError
from amf_ros.core.frames import Frames
from amf_ros.core.values import Outcome
from amf_ros.learning.checkpoints import load
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.session.journal import Journal
from amf_ros.session.memory import run_in_memory
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint, pretrain_in_memory
from amf_ros.session.summary import summary
from amf_ros.tasks.loading import load_suite

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE, DOCUMENT = ROOT / "examples" / "own_suite.py", (ROOT / "docs" / "own_suite.md").read_text()
SUITE = "examples.own_suite:ArmSuite"


def blocks(language: str, holding: str) -> list[str]:
    """The document's blocks of code that hold a text."""
    return [b for b in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S) if holding in b]


def commands(start: str) -> list[list[str]]:
    """The document's command lines that start so, without their program."""
    lines = "\n".join(blocks("bash", "")).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith(start)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the document's modules and file, in which the example can be imported."""
    for name in ("my_strategy", "my_policy", "my_gym"):
        (block,) = blocks("python", f"# {name}.py")
        (tmp_path / f"{name}.py").write_text(block)
        monkeypatch.delitem(sys.modules, name, raising=False)
    (description,) = blocks("yaml", "suite: ")
    (tmp_path / "my_arm.yaml").write_text(description)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(here: Path, **changes: Any) -> PretrainConfig:
    return load_yaml(here / "my_arm.yaml", PretrainConfig).model_copy(update=changes)


def amf(words: list[str]) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_example_is_short_and_runs_as_the_document_says(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 80
    assert (
        "python -m examples.own_suite" in DOCUMENT and "python -m examples.own_suite" in EXAMPLE.read_text()
    )
    done = subprocess.run(
        [sys.executable, "-m", "examples.own_suite"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with Journal(tmp_path / "runs" / "own_suite" / "session.sqlite", read_only=True) as journal:
        told = summary(journal)
    assert f"demonstrated: {', '.join(told['demonstrations'])}\n" in done.stdout
    assert told["suite"] == SUITE and len(told["demonstrations"]) == 6
    assert not set(told["demonstrations"]) & {"reach_0", "reach_30", "reach_60", "reach_90"}
    assert told["success_after"]["episodes"] == 60
    assert told["success_after"]["successes"] > told["success_before"]["successes"]


def test_the_examples_expert_does_every_task_from_every_start(here: Path) -> None:
    environment = make_environment(load_suite(SUITE))
    for task in environment.suite.tasks:
        for seed in range(5):
            demo = demonstrate(environment, task.id, seed, "d")
            assert demo.outcome is Outcome.SUCCESS, (task.id, seed)
            assert np.array_equal(demo.actions, demonstrate(environment, task.id, seed, "d").actions)


def test_the_documents_commands_run(here: Path) -> None:
    """All but ``amf pretrain``, which starts processes: the same function is called in this one."""
    (asked,) = commands("amf pretrain")
    pretrain_checkpoint(
        config(here), here / asked[asked.index("--session-directory") + 1] / "checkpoints", processes=1
    )
    sessions = commands("amf session --local")
    assert len(sessions) == 2
    for words in (*sessions, *commands("amf evaluate")):
        assert "reach_" in amf(words)
    with Journal(here / "runs" / "hardest" / "session.sqlite", read_only=True) as journal:
        told = summary(journal)
    assert told["strategy"] == "my_strategy:Hardest"
    tasks = told["history"][0]["evaluation"]["tasks"]
    assert {one["episodes"] for one in tasks.values()} == {2}  # its audit_episodes
    first = tasks[told["demonstrations"][0]]["successes"]
    assert first == min(one["successes"] for one in tasks.values())
    words = ["report", "--session-directory", "runs/arm", "--out", "page.html"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1 and "--suite" in refused.output
    report = amf([*words, "--suite", SUITE])
    assert "page.html" in report and "reach_330" in (here / "page.html").read_text()


def test_the_documents_bench_command_runs(here: Path) -> None:
    """At the smallest size; its processes import the document's modules too."""
    (words,) = commands("amf bench")
    first = words.index("--strategy")
    del words[first : first + 2]
    for option in ("--seeds", "--demonstrations"):
        words[words.index(option) + 1] = "1"
    amf([*words, "--episodes", "1"])
    written = here / "runs" / "bench"
    assert "my_strategy:Hardest" in (written / "bench.md").read_text()
    assert (written / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_the_documents_benchmark_runs(here: Path) -> None:
    (block,) = blocks("python", "run_in_memory")
    sizes = ("pretrain_steps=1500, num_steps=400", "pretrain_steps=400, num_steps=100")
    for usual, quick in (("range(2)", "range(1)"), sizes):
        assert usual in block
        block = block.replace(usual, quick)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/own_suite.md", "exec"), names)
    assert set(names["reached"]) == {(name, 0) for name in ("amf", "uniform", "my_strategy:Hardest")}
    assert all(0 < successes <= 24 for successes in names["reached"].values())


def test_the_documents_policy_learns_and_is_kept_on_disk(here: Path) -> None:
    asked = config(here, policy="my_policy:Nearest")
    uri = pretrain_checkpoint(asked, here / "nearest", processes=1).uri
    with pytest.raises(CheckpointError, match="allowed_policies"):
        load(uri)
    with_file = load(uri, ("my_policy:Nearest",))
    assert with_file.info.policy_type == "my_policy:Nearest"
    environment = make_environment(load_suite(SUITE))
    checkpoint = pretrain_in_memory(asked, environment)
    rng = np.random.default_rng(0)
    x = Frames.of_vectors(rng.normal(size=(7, 6)).astype(np.float32))
    c = rng.normal(size=(7, 2)).astype(np.float32)
    np.testing.assert_array_equal(with_file.policy.infer(x, c), checkpoint.policy.infer(x, c))
    plan = Plan(suite=SUITE, num_rounds=2, demonstrations_per_round=4, final_episodes=2)
    result, told = run_in_memory(plan, checkpoint, environment=environment)
    unseen = [task_id for task_id in result.demonstrations if task_id not in asked.demonstrations]
    assert len(unseen) >= 6
    assert told["success_after"]["successes"] > told["success_before"]["successes"]


def test_the_documents_checks_find_nothing_to_mend(here: Path) -> None:
    checks = commands("amf check-suite")
    assert [words[1] for words in checks] == [SUITE, "my_gym:HILL"]
    for words in checks:
        assert "nothing would make numbers wrong" in amf(words)


def test_the_documents_outline_names_what_a_suite_must_have(here: Path) -> None:
    outline = "".join(blocks("python", "class Arm"))
    for member in ("reset", "step", "succeeded", "expert", "environment", "embedding", "embedding_names"):
        assert re.search(rf"\b{member}\b", outline)
    for path in re.findall(r"\]\(\.\./(\S+?)\)", DOCUMENT):
        assert (ROOT / path).exists(), path
