"""Task ids are any text: files are named from them safely, and the ids themselves stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.odd_suites import ODD_NAMES, OddLineSuite

from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.core.errors import ConfigError, DataError
from amf_ros.core.values import Task
from amf_ros.learning.checkpoints import load
from amf_ros.report.gather import gather
from amf_ros.report.page import write_page
from amf_ros.session.journal import Journal
from amf_ros.session.local import run_local
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.files import check_id, file_part
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import checked

SUITE = "support.odd_suites:OddLineSuite"
TRAINING = TrainingConfig(hidden=(16,), pretrain_steps=20, num_steps=20, batch_size=16)


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_any_text_becomes_part_of_a_file_name_of_its_own(texts):
    names = [check_id("roll-out", f"round_0001_e00_{file_part(text)}") for text in texts]
    assert names[0] != names[1]


@given(st.from_regex(r"\A[a-z][a-z0-9_]{0,60}\Z"))
def test_a_plain_id_is_its_own_file_name(text):
    assert file_part(text) == text


def test_what_can_be_kept_of_an_id_is_kept():
    assert file_part("reach 60°").startswith("reach_60-")
    assert file_part("Öffne Tür").startswith("Offne_Tur-")
    assert file_part("../up").startswith("up-")


@pytest.mark.parametrize("id_", ["a\0b", "a\nb", "a\x1bb", "a\x85b", "a\ud800"])
def test_a_suite_with_a_control_character_in_an_id_is_refused_by_name(id_):
    class Bad(OddLineSuite):
        tasks = (Task(id_, "go", {}),)

    with pytest.raises(ConfigError, match="task id 'a.*control character") as caught:
        checked(Bad())
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value)


def test_an_id_from_the_wire_that_cannot_be_a_file_name_is_refused_in_a_short_line(tmp_path):
    for id_ in ("../up", "a/b", "", "-x", "x" * 1_000_000, "a\0b", "é"):
        with pytest.raises(DataError) as caught:
            check_id("demonstration", id_)
        assert len(str(caught.value)) < 400 and "\0" not in str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("50% ; é")
    config = PretrainConfig(suite=SUITE, demonstrations=dict.fromkeys(ODD_NAMES, 1), training=TRAINING)
    pretrained = pretrain_checkpoint(config, folder / "pretrained", processes=1)
    plan = Plan(
        suite=SUITE,
        strategy="round_robin",
        num_rounds=1,
        demonstrations_per_round=len(ODD_NAMES),
        evaluation_episodes=1,
    )
    run_local(plan, pretrained.uri, folder / "session", training=TRAINING)
    return RunDirectory(folder / "session")


def test_a_session_with_odd_ids_runs_to_its_end(run):
    demonstrations = DemonstrationStore(run.demonstrations).infos()
    assert {demo.task_id for demo in demonstrations} == set(ODD_NAMES)
    assert {rollout.task_id for rollout in RolloutStore(run.rollouts).all()} == set(ODD_NAMES)
    assert load(run.checkpoints / "round_0001").pretraining == dict.fromkeys(ODD_NAMES, 1)
    with Journal(run.database, read_only=True) as journal:
        made = [entry.value for entry in journal.entries() if entry.phase == "demonstrating"]
    assert sorted(one["task_id"] for one in made) == sorted(ODD_NAMES)


def test_nothing_is_written_outside_the_session_directory(run):
    assert sorted(path.name for path in run.root.parent.iterdir()) == ["pretrained", "session"]


def test_its_report_can_be_written(run, tmp_path: Path):
    write_page(gather(run.root, allow=(SUITE,)), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "抓取" in page and "pick/place" in page and "[bold]&lt;b&gt;" in page and "[bold]<b>" not in page
