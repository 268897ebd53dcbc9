"""What a demo keeps and moves, and how a session is shown; without a graph."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from amf_ros.cli.demo import make_plan
from amf_ros.cli.demo_files import DemoConfig, DemoFolder, copy_checkpoint, demo_seconds, pretrained_folder
from amf_ros.cli.output import Output
from amf_ros.cli.session_view import SessionView
from amf_ros.core.config import PretrainConfig, load_yaml
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import find_config
from amf_ros.session.base import Phase, State

ARGUMENTS = {"seed": 0, "strategy": "amf"}
PRETRAINING = PretrainConfig(demonstrations={"push_green": 2})


@pytest.fixture
def said() -> list[str]:
    return []


def prepared(root: Path, said: list[str], **changes: object) -> DemoFolder:
    folder = DemoFolder(root)
    folder.prepare(ARGUMENTS | changes, said.append)
    return folder


def test_an_unfinished_demo_with_the_same_arguments_continues(tmp_path: Path, said: list[str]) -> None:
    prepared(tmp_path / "demo", said).spent("pre-training", 4.0)
    (tmp_path / "demo" / "session.sqlite").write_text("half")
    again = prepared(tmp_path / "demo", said)
    again.spent("pre-training", 1.5)
    assert again.seconds == demo_seconds(tmp_path / "demo") == {"pre-training": 5.5}
    assert demo_seconds(tmp_path) == {}
    assert (tmp_path / "demo" / "session.sqlite").read_text() == "half"
    assert said == [f"continuing the unfinished demo in {tmp_path / 'demo'}"]


def test_other_arguments_move_the_old_demo_aside(tmp_path: Path, said: list[str]) -> None:
    (prepared(tmp_path / "demo", said).root / "old").touch()
    fresh = prepared(tmp_path / "demo", said, seed=7)
    assert (tmp_path / "demo.old-1" / "old").exists() and not (fresh.root / "old").exists()
    assert fresh.seconds == {} and "of other arguments" in said[0]


def test_a_finished_demo_is_moved_aside_each_time(tmp_path: Path, said: list[str]) -> None:
    for number in range(3):
        prepared(tmp_path / "demo", said).summary.write_text(str(number))
    kept = {path.name: (path / "summary.json").read_text() for path in tmp_path.iterdir()}
    assert kept == {"demo": "2", "demo.old-1": "0", "demo.old-2": "1"}
    assert all("finished" in line for line in said)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="no demo made it"):
        prepared(tmp_path, said)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", "5", "null", "[]", '{"seconds": 3}', '{"seconds": {"a": "b"}}'])
def test_a_damaged_description_is_named(tmp_path: Path, said: list[str], text: str) -> None:
    folder = prepared(tmp_path / "demo", said)
    folder.save()
    (tmp_path / "demo" / "demo.json").write_text(text)
    with pytest.raises(ConfigError, match=r"demo\.json is missing or damaged"):
        demo_seconds(tmp_path / "demo")


def test_two_demos_do_not_share_a_folder(tmp_path: Path, said: list[str]) -> None:
    running = prepared(tmp_path / "demo", said)
    with pytest.raises(ConfigError, match="another demo is running"):
        prepared(tmp_path / "demo", said, seed=7)
    assert running.root.exists() and said == []


def test_an_empty_folder_is_used(tmp_path: Path, said: list[str]) -> None:
    assert prepared(tmp_path, said).root == tmp_path.resolve() and said == []


def test_the_pretrained_policy_is_kept_under_all_that_it_depends_on(tmp_path: Path) -> None:
    first = pretrained_folder(tmp_path, PRETRAINING)
    assert first == pretrained_folder(tmp_path, PRETRAINING.model_copy())
    assert first != pretrained_folder(tmp_path, PRETRAINING.model_copy(update={"seed": 1}))


def test_a_checkpoint_is_copied_whole_and_once(tmp_path: Path) -> None:
    source = tmp_path / "kept" / "pretrained"
    source.mkdir(parents=True)
    (source / "checkpoint.yaml").write_text("a")
    copy_checkpoint(source, tmp_path / "run")
    (source / "checkpoint.yaml").write_text("b")
    copy_checkpoint(source, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["pretrained"]
    assert (tmp_path / "run" / "pretrained" / "checkpoint.yaml").read_text() == "a"


def test_the_shipped_demo_is_a_plan() -> None:
    asked = load_yaml(find_config("experiments", "demo"), DemoConfig)
    training = load_yaml(find_config("experiments", asked.pretraining), PretrainConfig)
    plan = make_plan(asked, training, "amf", seed=3)
    assert plan.num_rounds * plan.demonstrations_per_round == asked.demonstrations == 12
    assert plan.episodes(0) == plan.episodes(plan.num_rounds) >= 5
    seen = {name for name, count in training.demonstrations.items() if count}
    assert 0 < len(seen) < len(plan.candidates), "mismatched by default"


def test_demonstrations_that_do_not_fill_their_rounds_are_refused() -> None:
    asked = DemoConfig(demonstrations=7, demonstrations_per_round=3)
    with pytest.raises(ConfigError, match="7 is not a multiple of demonstrations_per_round 3"):
        make_plan(asked, PRETRAINING, "amf", seed=0)


STATES = [
    (Phase.EVALUATING, 0, "push_green", "episode 1 of 2"),
    (Phase.EVALUATING, 0, "", "all episodes done, success 1/2"),
    (Phase.SELECTING, 1, "", "asking 'amf' for the next task"),
    (Phase.SELECTING, 1, "", "open_door: it teaches 0.3 nat"),
    (Phase.DEMONSTRATING, 1, "open_door", "0 demonstrations; it teaches 0.3 nat"),
    (Phase.DEMONSTRATING, 1, "open_door", "success after 60 steps"),
    (Phase.FINE_TUNING, 1, "", "training on 1 demonstrations"),
    (Phase.FINE_TUNING, 1, "", "step 500/500, loss 0.0123, 0 s left"),
    (Phase.EVALUATING, 1, "", "all episodes done, success 2/2"),
    (Phase.IDLE, 1, "", "done: 1 rounds"),
]


def show(console: Console | None = None) -> None:
    output = Output()
    if console is not None:
        output.console = console
    view = SessionView(output)
    for phase, number, task_id, detail in STATES:
        view(State(phase, number, 1, task_id, detail))
    view.close()


def test_a_session_reads_as_one_line_for_each_thing_done(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    lines = [" ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "start evaluate all episodes done, success 1/2",
        "round 1/1 choose open_door: it teaches 0.3 nat",
        "round 1/1 record open_door success after 60 steps 0 demonstrations",
        "round 1/1 fine-tune step 500/500, loss 0.0123",
        "round 1/1 evaluate all episodes done, success 2/2",
    ]


def test_on_a_terminal_the_same_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    show(Console(file=screen, force_terminal=True, width=120))
    assert screen.getvalue().count("open_door") >= 2 and "loss 0.0123" in screen.getvalue()
