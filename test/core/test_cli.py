"""The amf command: help, errors, exit codes and JSON; the commands that need no running graph."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

from amf_ros.cli import options
from amf_ros.cli import ros_present as environment
from amf_ros.cli.app import app
from amf_ros.cli.output import Output
from amf_ros.cli.up import parse
from amf_ros.core.errors import ConfigError, UnknownName

COMMANDS = (
    "demo",
    "up",
    "session",
    "pretrain",
    "next",
    "record",
    "tune",
    "run",
    "evaluate",
    "status",
    "report",
    "bench",
    "doctor",
)
SCRIPT = Path(__file__).parents[2] / "scripts" / "amf"
AMF = (sys.executable, "-m", "amf_ros.cli")
SMALL = "demonstrations: {push_green: 1}\ntraining: {pretrain_steps: 5, hidden: [8]}\n"


def amf(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_help_needs_neither_ros_nor_torch() -> None:
    code = (
        "import sys; from amf_ros.cli.app import app; app(['--help'], standalone_mode=False); "
        "heavy = {'rclpy', 'torch', 'pybullet', 'matplotlib', 'amf_msgs'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    done = amf(name, "--help")
    assert done.exit_code == 0
    assert "Examples" in done.stdout and f"amf {name}" in done.stdout


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"up"}))
def test_every_command_that_answers_something_offers_json(name: str) -> None:
    assert "--json" in amf(name, "--help").stdout


@pytest.mark.parametrize(
    "words", [("statos",), ("evaluate", "--episodes", "0"), ("next", "--count", "many"), ("status", "--deep")]
)
def test_wrong_usage_exits_with_2(words: tuple[str, ...]) -> None:
    assert amf(*words).exit_code == 2


def test_a_mistyped_command_is_guessed() -> None:
    assert "Did you mean 'status'" in amf("statos").stderr


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = amf("status", "-d", tmp_path / "nowhere")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: no session directory") and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_an_error_is_told_as_json_too(tmp_path: Path) -> None:
    done = amf("status", "-d", tmp_path / "nowhere", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["kind"] == "DataError"


def test_json_does_not_stick_to_the_next_command(tmp_path: Path) -> None:
    amf("status", "-d", tmp_path / "nowhere", "--json")
    assert amf("status", "-d", tmp_path / "nowhere").stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("demonstrations: {push_gren: 1}", "did you mean 'push_green'"),
        ("demonstrations: {push_green: 1}\npolicy: mpl", "did you mean 'mlp'"),
        ("demonstrations: {push_green: 1}\nsuite: tablet", "did you mean 'tabletop'"),
        ("demonstration: {push_green: 1}", "did you mean 'demonstrations'"),
        ("demonstrations: {push_green: [1", "is not YAML"),
        ("demonstrations: {push_green: 1}\ntraining: {device: 'cuda:99'}", "set it to cpu"),
        ("demonstrations: {push_green: 1}\ntraining: {device: gpu}", "set it to cpu"),
    ],
)
def test_bad_input_to_pretrain_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pretrain.yaml"
    path.write_text(text)
    done = amf("pretrain", path, "-d", tmp_path / "run")
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.splitlines()[-1].startswith("error: ")
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_pretraining_replaces_what_is_there_only_when_told_to(directory: Path) -> None:
    before = (directory / "checkpoints" / "pretrained" / "checkpoint.yaml").read_text()
    done = amf("pretrain", directory / "small.yaml", "-d", directory)
    assert done.exit_code == 1 and "--replace" in done.stderr and done.stderr.count("\n") == 1
    assert (directory / "checkpoints" / "pretrained" / "checkpoint.yaml").read_text() == before


def test_an_unknown_strategy_of_the_demo_is_guessed_before_anything_starts(tmp_path: Path) -> None:
    if environment.missing_ros():
        pytest.skip("ROS 2 is not sourced")
    done = amf("demo", "--strategy", "unifrom", "--out", tmp_path / "demo")
    assert done.exit_code == 1 and "did you mean 'uniform'" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("line", ["next", "record push_green", "run push_green", "tune", "demo", "up"])
def test_without_ros_one_line_says_what_to_source(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = environment.importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> Any:
        return None if name == "rclpy" else find(name, package)

    monkeypatch.setattr(environment.importlib.util, "find_spec", hidden)
    done = amf(*line.split())
    assert done.exit_code == 1
    assert "source scripts/env.sh" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "domain", "said"),
    [
        ("next --namespace //x", "7", "namespace '//x': use letters"),
        ("next --namespace é", "7", "namespace 'é': use letters"),
        ("up namespace:=9th", "7", "namespace '9th': use letters"),
        ("record push_green", "seven", "ROS_DOMAIN_ID 'seven' is not a number from 0 to 232"),
        ("up", "233", "ROS_DOMAIN_ID '233' is not a number from 0 to 232"),
    ],
)
def test_what_ros_would_not_take_is_one_line(
    line: str, domain: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment.missing_ros():
        pytest.skip("ROS 2 is not sourced")
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    done = amf(*line.split())
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "line", ["next --seed 99999999999999999999", "tune --steps 9999999999", "next --wait nan"]
)
def test_numbers_that_no_message_can_hold_are_wrong_usage(line: str) -> None:
    assert amf(*line.split()).exit_code == 2


@pytest.mark.parametrize("line", ["evaluate --local", "session --local", "status", "report"])
def test_a_directory_that_is_not_there_is_not_made(line: str, tmp_path: Path) -> None:
    done = amf(*line.split(), "-d", tmp_path / "nowhere")
    assert done.exit_code == 1 and "nowhere" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pre-trained checkpoint and a short session of two tasks in this process."""
    root = tmp_path_factory.mktemp("run")
    (root / "small.yaml").write_text(SMALL)
    made = amf("pretrain", root / "small.yaml", "-d", root)
    assert made.exit_code == 0, made.output
    done = amf(*SESSION, "-d", root)
    assert done.exit_code == 0, done.output
    yield root


SESSION = (
    "session", "--local", "--strategy", "round_robin", "--rounds", 1, "--per-round", 2, "--steps", 2,
    *("-c", "push_green", "-c", "press_button", "-t", "press_button", "--evaluation-episodes", 1),
)  # fmt: skip


def test_a_local_session_tells_what_it_did(directory: Path) -> None:
    done = amf(*SESSION, "-d", directory, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["rounds"] == 1 and list(answer["success"]) == ["press_button"]


def test_status_tells_what_a_directory_holds(directory: Path) -> None:
    answer = json.loads(amf("status", "-d", directory, "--no-graph", "--json").stdout)
    assert answer["checkpoints"] == ["pretrained", "round_0001"]
    # The one target of the session: round_robin takes turns among targets, not among candidates.
    assert answer["session"]["demonstrations"] == ["press_button", "press_button"]
    assert answer["demonstrations_stored"] == 2 and answer["bytes"] > 0
    shown = amf("status", "-d", directory, "--no-graph").stdout
    assert "1 of 1 rounds" in shown and "press_button" in shown


def test_report_writes_one_file_and_says_where(directory: Path) -> None:
    done = amf("report", "-d", directory, "--no-film", "--out", directory / "page.html")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(directory / "page.html")
    assert "press_button" in (directory / "page.html").read_text()


def test_another_plan_in_the_same_directory_is_refused(directory: Path) -> None:
    done = amf(*SESSION, "--seed", 9, "-d", directory)
    assert done.exit_code == 1 and "seed" in done.stderr


def test_evaluate_counts_with_intervals(directory: Path) -> None:
    done = amf("evaluate", "press_button", "--local", "-n", 2, "-d", directory, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["episodes"] == 2 and 0 <= answer["interval"][0] < answer["interval"][1] <= 1


def test_evaluate_names_an_unknown_task(directory: Path) -> None:
    done = amf("evaluate", "pres_button", "--local", "-d", directory)
    assert done.exit_code == 1 and "did you mean 'press_button'" in done.stderr


def test_doctor_finds_everything_in_order(directory: Path) -> None:
    done = amf("doctor", "-d", directory, "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["libraries"]["severity"] == "ok" and checks["checkpoints"]["severity"] == "ok"


def test_doctor_names_a_damaged_checkpoint_and_exits_with_1(directory: Path, tmp_path: Path) -> None:
    broken = tmp_path / "checkpoints" / "pretrained"
    broken.mkdir(parents=True)
    for path in (directory / "checkpoints" / "pretrained").iterdir():
        data = path.read_bytes()
        (broken / path.name).write_bytes(
            data[:-1] + bytes([data[-1] ^ 1]) if path.suffix != ".yaml" else data
        )
    done = amf("doctor", "-d", tmp_path)
    assert done.exit_code == 1
    assert "is damaged" in done.stdout


def test_every_stray_and_broken_thing_is_named_with_its_next_step(directory: Path, tmp_path: Path) -> None:
    run = tmp_path / "my run"
    shutil.copytree(directory / "checkpoints", run / "checkpoints")
    (run / "checkpoints" / "my notes").mkdir()
    (run / "checkpoints" / "broken").mkdir()
    (run / "checkpoints" / "broken" / "checkpoint.yaml").write_text("{")
    (run / "demonstrations").mkdir()
    (run / "demonstrations" / "._one.mcap").write_bytes(b"x")
    (run / "demonstrations" / "one (copy).mcap").touch()
    (run / "demonstrations" / "nowhere.mcap").symlink_to("/no/such")
    (run / "rollouts").mkdir()
    (run / "rollouts" / "r1.safetensors").write_bytes(b"x" * 100)
    (run / "session.sqlite").write_bytes(b"no journal at all" * 100)
    done = amf("doctor", "-d", run, "--json")
    found = {Path(one["name"]).name: one for one in json.loads(done.stdout)["checks"]}
    assert done.exit_code == 1
    for name in ("my notes", "broken", "._one.mcap", "one (copy).mcap", "nowhere.mcap", "r1.safetensors"):
        command = f"amf doctor -d {shlex.quote(str(run))} --trash {shlex.quote(name)}"
        assert command in found[name]["remedy"]
        assert "amf doctor" not in found[name]["found"] and "\n" not in found[name]["found"]
    assert "pretrained" in found["checkpoints"]["found"]
    assert "not a session journal" in found["journal"]["found"] and "mv " in found["journal"]["remedy"]
    seen = amf("status", "-d", run, "--no-graph", "--json")
    assert seen.exit_code == 0, seen.output
    told = json.loads(seen.stdout)
    assert told["demonstrations_stored"] == 0 and "broken" not in told["checkpoints"]
    for name in ("my notes", "broken", "._one.mcap", "nowhere.mcap", "session.sqlite"):
        assert any(name in problem for problem in told["problems"]), name
    shown = amf("status", "-d", run, "--no-graph").stdout
    assert f"amf doctor -d {shlex.quote(str(run))}" in " ".join(shown.split())


def test_doctor_moves_to_the_trash_and_back_and_deletes_when_told(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "my notes").mkdir()
    done = amf("doctor", "-d", tmp_path, "--trash", "my notes", "--trash", "pretrained", "--json")
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert "pretrained" not in checks["checkpoints"]["found"]
    assert checks["trash"]["found"] == "2: my notes, pretrained"
    assert "--restore 'my notes'" in checks["my notes"]["remedy"]
    done = amf("doctor", "-d", tmp_path, "--restore", "pretrained", "--json")
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert "pretrained" in checks["checkpoints"]["found"]
    assert (tmp_path / "checkpoints" / ".trash" / "my notes").is_dir()
    assert amf("doctor", "-d", tmp_path, "--empty-trash").exit_code == 0
    assert not (tmp_path / "checkpoints" / ".trash" / "my notes").exists()
    done = amf("doctor", "-d", tmp_path, "--restore", "my notes")
    assert done.exit_code == 1 and "unknown thing in the trash 'my notes'" in done.stderr


def test_ctrl_c_while_pretraining_leaves_nothing(tmp_path: Path) -> None:
    config = tmp_path / "long.yaml"
    config.write_text("demonstrations: {push_green: 500}\n")
    child = subprocess.Popen(
        [*AMF, "pretrain", str(config), "-d", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and "demonstrating" in child.stdout.readline()
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "nothing was saved" in complaint.splitlines()[-1] and "Traceback" not in complaint
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.1, 1.5])
def test_ctrl_c_at_any_moment_is_no_traceback(directory: Path, after_s: float) -> None:
    """While Python starts, imports, reads the command, works, and leaves; through the installed script."""
    child = subprocess.Popen(
        ["bash", str(SCRIPT), "status", "-d", str(directory), "--no-graph"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.05 + after_s)  # bash has to set its trap
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate(timeout=30)
    finally:
        child.kill()
    # A process that SIGINT ended is 130 to a shell; one that was asked before it listened goes on.
    assert child.returncode in (0, 130, -signal.SIGINT)
    assert "Traceback" not in complaint and "Exception ignored" not in complaint
    assert complaint.strip() in ("", "interrupted", "Aborted.")


def test_launch_arguments_are_parsed_and_checked() -> None:
    assert parse(["robot:=pybullet", "namespace:="]) == {"robot": "pybullet", "namespace": ""}
    with pytest.raises(UnknownName, match="did you mean 'robot'"):
        parse(["robt:=pybullet"])
    with pytest.raises(ConfigError, match="real_time_factor:=0.0"):
        parse(["robot=pybullet"])
    with pytest.raises(ConfigError, match="must be one of"):
        parse(["log_level:=loud"])


def test_without_a_terminal_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().track("working", 10) as track:
        for done in range(11):
            track.to(done, f"item {done}")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "working" in lines[0] and lines[1].endswith("100%  item 10")


def test_json_output_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("for people")
    output.answer({"score": float("nan"), "pair": (1, 2)}, lambda: None)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"score": None, "pair": [1, 2]} and "for people" in err


def test_markup_in_names_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.say("[bold]task[/bold]")
    output.table("", ("name",), [("[red]x",)])
    out = capsys.readouterr().out
    assert "[bold]task[/bold]" in out and "[red]x" in out


def test_the_session_directory_can_come_from_the_environment(tmp_path: Path) -> None:
    env = {"AMF_SESSION_DIRECTORY": str(tmp_path / "none")}
    done = CliRunner().invoke(app, ["status"], env=env)
    assert str(tmp_path / "none") in done.stderr
    assert Path("runs/default") == options.DEFAULT_DIRECTORY
