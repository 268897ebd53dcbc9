"""The report: facts from a real journal, charts that fit one page, a page that needs nothing else."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.frames import steps_of

from amf_ros.contract import load_contract
from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import DataError, StorageError
from amf_ros.core.values import Outcome
from amf_ros.learning.checkpoints import save
from amf_ros.policies.mlp import MlpPolicy
from amf_ros.report.facts import Facts
from amf_ros.report.film import Film, Panel, animate, telling_choice
from amf_ros.report.gather import gather
from amf_ros.report.page import duration, render, write_page
from amf_ros.session.journal import Journal
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import make_spec
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

TASKS = ("push_green", "open_drawer", "press_button")
# Successes of each task out of two episodes, after each round.
HISTORY = ({"push_green": 2}, {"push_green": 2, "open_drawer": 1}, {"push_green": 1, "open_drawer": 2})


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session directory as two rounds leave it: one demonstration failed and was repeated."""
    root = tmp_path_factory.mktemp("session")
    write_session(root, strategy="amf", scores={"push_green": 0.1, "open_drawer": 0.4, "press_button": 0.2})
    return root


def write_session(root: Path, strategy: str, scores: dict[str, float | None]) -> None:
    """Journal and first checkpoint, through the code that sessions use."""
    run = RunDirectory(root)
    save_pretrained(run.checkpoints)
    plan = Plan(
        candidates=TASKS, targets=TASKS, strategy=strategy, num_rounds=2, demonstrations_per_round=1,
        evaluation_episodes=2,
    )  # fmt: skip
    with Journal(run.database) as journal:
        journal.begin(plan)
        journal.once("r000/checkpoint", lambda: {"id": "pretrained"}, "idle", 0)
        evaluate(journal, 0, "pretrained")
        for number, task_id in ((1, "open_drawer"), (2, "press_button")):
            answer = {
                "task_ids": [task_id],
                "strategy": strategy,
                "reason": f"because of {task_id}",
                "scores": [
                    {"task_id": name, "score": value, "information_gain": value, "reason": f"0/2 for {name}"}
                    for name, value in scores.items()
                ],
            }
            journal.once(f"r{number:03d}/select", lambda answer=answer: answer, "selecting", number)
            for attempt, outcome in enumerate(["FAILURE", "SUCCESS"] if number == 1 else ["SUCCESS"]):
                made = episode(task_id, seed=attempt, outcome=outcome)
                key = f"r{number:03d}/i0/a{attempt}"
                journal.once(key, lambda made=made: made, "demonstrating", number)
            tuned = {"checkpoint": {"id": f"round_{number:04d}"}, "loss": 0.5 / number}
            journal.once(f"r{number:03d}/fine_tune", lambda tuned=tuned: tuned, "fine_tuning", number)
            evaluate(journal, number, f"round_{number:04d}")


def evaluate(journal: Journal, number: int, checkpoint: str) -> None:
    for task_id in TASKS:
        for seed in range(2):
            outcome = "SUCCESS" if seed < HISTORY[number].get(task_id, 0) else "FAILURE"
            made = episode(task_id, seed, outcome) | {"checkpoint_id": checkpoint}
            key = f"r{number:03d}/evaluate/{task_id}/e{seed:02d}"
            journal.once(key, lambda made=made: made, "evaluating", number)


def episode(task_id: str, seed: int, outcome: str) -> dict[str, Any]:
    return {
        "id": f"{task_id}_{seed}",
        "task_id": task_id,
        "seed": seed,
        "outcome": int(Outcome[outcome]),
        "num_steps": 40,
        "duration_s": 2.0,
    }


def save_pretrained(root: Path) -> None:
    contract, suite = load_contract("panda_tabletop"), TabletopSuite()
    spec = make_spec(contract, suite, 2)
    rng = np.random.default_rng(0)
    shapes = ((3, len(spec.layout.elements)), (3, len(spec.task_names)), (3, 2, len(spec.action_names)))
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    steps = steps_of(*arrays, np.ones((3, 2)))
    policy = MlpPolicy.create(spec, steps, TrainingConfig(hidden=(8,), chunk=2), seed=0)
    save(root, "pretrained", policy, round=0, num_demonstrations=0, pretraining={"push_green": 5})


@pytest.fixture(scope="module")
def facts(directory: Path) -> Facts:
    return gather(directory, {"pre-training": 48.2}, command="make demo SEED=0 STRATEGY=amf")


def test_facts_count_what_the_journal_says(facts: Facts) -> None:
    assert [(point.successes, point.episodes) for point in facts.evaluations] == [(2, 6), (3, 6), (3, 6)]
    assert [point.num_demonstrations for point in facts.evaluations] == [0, 1, 2]
    assert [one.chosen for one in facts.rounds] == [("open_drawer",), ("press_button",)]
    assert facts.rounds[0].scores["open_drawer"] == 0.4 and facts.rounds[1].loss == 0.25
    assert [(one.task_id, one.outcome) for one in facts.demonstrations] == [
        ("open_drawer", "success"),
        ("press_button", "success"),
    ]
    assert {task.id: task.pretraining for task in facts.tasks} == dict.fromkeys(TASKS, 0) | {"push_green": 5}
    assert facts.seconds == {"pre-training": 48.2}, "what took no time is not shown"


def test_a_failed_demonstration_is_told(facts: Facts) -> None:
    assert any("1 demonstrations failed" in line and "open_drawer" in line for line in facts.remarks)


def test_a_session_without_evaluation_has_no_report(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with Journal(run.database) as journal:
        journal.begin(Plan(candidates=TASKS, targets=TASKS))
    with pytest.raises(DataError, match="has not evaluated anything yet"):
        gather(tmp_path)


class _Page(HTMLParser):
    """Ids, references and text of a page; complains about tags that do not close."""

    VOID = frozenset(("meta", "img", "br", "link", "hr", "input"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href"):
                self.references.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_stands_alone(facts: Facts) -> None:
    film = Film("film", "note", [Panel("data:image/webp;base64,AAAA", "before")])
    page = _Page(render(facts, film))
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    inside = {f"#{name}" for name in page.ids}
    assert all(link in inside or link.startswith("data:") for link in page.references)


def test_the_page_shows_figures_reasons_and_command(facts: Facts) -> None:
    text = " ".join("".join(_Page(render(facts)).words).split())
    for shown in (
        "2 of 6 episodes",
        "3 of 6 episodes",
        "0/2 for open_drawer",
        "SEED=0 STRATEGY=amf",
        "0.2500",
    ):
        assert shown in text
    assert "chosen" in text and "What the strategy believed" in text


def test_text_in_the_page_cannot_become_markup(facts: Facts) -> None:
    odd = Facts(**{**facts.__dict__, "title": "<script>alert(1)</script>"})
    assert "<script>" not in render(odd)


def test_charts_take_their_text_colour_from_the_page(facts: Facts) -> None:
    text = render(facts)
    assert "currentColor" in text and not re.search("#010203|#040506|#070809", text)


def test_a_strategy_without_scores_shows_no_score_map(tmp_path: Path) -> None:
    write_session(tmp_path, strategy="uniform", scores=dict.fromkeys(TASKS))
    assert "What the strategy believed" not in render(gather(tmp_path))


def test_a_page_that_cannot_be_written_leaves_the_old_one(facts: Facts, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("old")
    with pytest.raises(StorageError):
        write_page(facts, blocked / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and blocked.read_text() == "old"
    write_page(facts, tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.html"]


def test_the_film_shows_a_task_that_was_learned() -> None:
    def rolled(task_id: str, seed: int, number: int, outcome: Outcome) -> dict[str, Any]:
        made = episode(task_id, seed, outcome.name)
        return made | {"round": number, "checkpoint_id": f"c{number}"}

    win, loss = Outcome.SUCCESS, Outcome.FAILURE
    before = [
        rolled("a", 0, 0, win),
        rolled("a", 1, 0, loss),
        rolled("b", 2, 0, loss),
        rolled("b", 3, 0, loss),
    ]
    between = [rolled("b", 4, 1, win)]
    after = [rolled("a", 5, 2, win), rolled("a", 6, 2, win), rolled("b", 7, 2, loss), rolled("b", 8, 2, win)]
    gained_alike = telling_choice([*before, *between, *after])
    assert gained_alike is not None and gained_alike.task_id == "a"
    choice = telling_choice([*before, *between, *after, rolled("b", 9, 2, win)])
    assert choice is not None
    assert (choice.task_id, choice.seeds, choice.first, choice.last) == ("b", (8, 9), "c0", "c2")
    assert telling_choice(before) is None
    assert telling_choice([]) is None


def test_a_session_that_learned_nothing_is_filmed_all_the_same() -> None:
    lost = [episode("a", seed, "FAILURE") | {"round": seed, "checkpoint_id": f"c{seed}"} for seed in range(2)]
    choice = telling_choice(lost)
    assert choice is not None and choice.seeds == (1,)


def test_a_film_keeps_its_frames_and_period() -> None:
    frames = [Image.new("RGB", (16, 12), (40 * i, 0, 0)) for i in range(5)]
    uri = animate(frames, period_ms=200)
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    film = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (film.size, film.n_frames) == ((16, 12), 5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1:00 min"), (187.2, "3:07 min")])
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text
