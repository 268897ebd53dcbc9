"""README's quick start, typed as it stands, in its order; only sizes are changed so that it takes seconds."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.deadline import DEADLINE_S
from support.graph import eventually
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app
from amf_ros.learning.checkpoint_folder import list_checkpoints
from amf_ros.store.run_directory import RunDirectory

README = Path(__file__).parents[2] / "README.md"
SMALL = """
demonstrations: {press_button: 2}
training: {hidden: [64, 64], pretrain_steps: 200}
"""
SIZES = {
    "pretrain": "small.yaml",
    "session": "--steps 5 -c press_button -t press_button",
}
OTHERS = ("bench", "check-suite")  # name a suite that the reader has yet to write


def quick_start() -> list[list[str]]:
    """The words of each command of the first block under "Use it"."""
    text = README.read_text(encoding="utf-8").split("## Use it", 1)[1]
    block = re.search(r"```bash\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = [shlex.split(line, comments=True) for line in block[1].splitlines()]
    return [words[1:] for words in lines if words and words[0] == "amf"]


def amf(words: list[str]) -> Result:
    return CliRunner().invoke(app, [*words, *shlex.split(SIZES.get(words[0], ""))])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder to stand in."""
    root = tmp_path_factory.mktemp("newcomer")
    (root / "small.yaml").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("AMF_SESSION_DIRECTORY", raising=False)
        yield root


@pytest.fixture
def up() -> Iterator[list[subprocess.Popen[str]]]:
    """Graphs that were started; they are stopped as a person does it, and nothing is left."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        assert psutil.wait_procs(family, timeout=DEADLINE_S)[1] == []


def start(words: list[str], started: list[subprocess.Popen[str]], log: Path) -> None:
    """`amf up` in another terminal, until it says that the nodes are up."""
    line = [sys.executable, "-u", "-m", "amf_ros.cli", *words]
    with log.open("w") as stream:
        process = subprocess.Popen(line, stdout=stream, stderr=subprocess.STDOUT, text=True)
    started.append(process)
    eventually(lambda: "nodes are up" in log.read_text() or process.poll() is not None, "the graph")
    assert process.poll() is None, log.read_text()


def test_the_quick_start_works_in_its_order(
    place: Path, up: list[subprocess.Popen[str]], ros_domain: int
) -> None:
    commands = quick_start()
    assert [words[0] for words in commands][:3] == ["pretrain", "up", "next"] and len(commands) >= 9
    for words in commands:
        if words[0] in OTHERS:
            continue
        if words[0] == "up":
            start(words, up, place / "up.log")
            continue
        done = amf(words)
        said = (place / "up.log").read_text() if up else ""
        assert done.exit_code == 0, f"amf {' '.join(words)}: {done.output}\n{said}"
    run = RunDirectory(place / "runs" / "lab")
    assert (place / "gains.png").is_file() and len(list(run.demonstrations.glob("*.mcap"))) == 13
    assert [info.id for info in list_checkpoints(run.checkpoints)] == ["pretrained"] + [
        f"round_{number:04d}" for number in range(1, 5)
    ]
