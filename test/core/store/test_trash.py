"""The trash of a session directory: whole moves there and back, nothing outside it is ever touched."""

from __future__ import annotations

import shutil

import pytest

from amf_ros.core.errors import DataError, UnknownName
from amf_ros.core.values import Outcome
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.store.trash import empty, restore, thrown_away, trash


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def everything(run, record, draw):
    """One of each kind, good and stray."""
    shutil.copy(record("one", draw(60)).finish(Outcome.SUCCESS), run.demonstrations / "one.mcap")
    shutil.copy(run.demonstrations / "one.mcap", run.demonstrations / "one (copy).mcap")
    (run.demonstrations / "._one.mcap").write_bytes(b"x")
    (run.demonstrations / "nowhere.mcap").symlink_to("/no/such")
    (run.demonstrations / "broken.mcap").write_bytes(b"\x89MCAP0\r\n")
    (run.rollouts / "r1.safetensors").write_bytes(b"x")
    (run.checkpoints / "round_0001").mkdir()
    (run.checkpoints / "round_0001" / "policy.safetensors").write_bytes(b"weights")
    (run.checkpoints / "my notes").mkdir()
    return [
        *("one", "one (copy).mcap", "._one.mcap", "nowhere.mcap", "broken", "r1"),
        *("round_0001", "checkpoints/my notes"),
    ]


def picture(run):
    return {
        str(path.relative_to(run.root)): path.read_bytes() if path.is_file() else path.is_symlink()
        for path in run.root.rglob("*")
        if ".trash" not in path.parts and ".staging" not in path.parts and path.name != "quarantine"
    }


def test_everything_goes_to_the_trash_and_comes_back_as_it_was(run, everything):
    before = picture(run)
    for name in everything:
        place = trash(run, name)
        assert place.parent.name in (".trash", "strays") and run.root in place.parents
    assert set(picture(run)) == {"demonstrations", "rollouts", "checkpoints"}
    assert len(thrown_away(run)) == len(everything)
    for name in everything:
        restore(run, name.rpartition("/")[2])
    assert picture(run) == before
    assert thrown_away(run) == []


def test_the_same_name_twice_is_kept_twice(run):
    for text in ("first", "second"):
        (run.checkpoints / "a").mkdir()
        (run.checkpoints / "a" / text).touch()
        trash(run, "a")
    assert len(thrown_away(run)) == 2
    with pytest.raises(DataError, match="'a' is the name of several: .*; name one with its folder"):
        restore(run, "a")
    restore(run, "checkpoints/.trash/2/a")
    assert (run.checkpoints / "a" / "second").exists()
    with pytest.raises(DataError, match="exists already; trash that one first"):
        restore(run, "a")


def test_a_name_is_compared_and_never_followed(run, tmp_path):
    (tmp_path / "outside").mkdir()
    for name in ("../outside", str(tmp_path / "outside"), "demonstrations/../../outside", "..", ".", "", "/"):
        with pytest.raises(UnknownName):
            trash(run, name)
        with pytest.raises(UnknownName):
            restore(run, name)
    assert (tmp_path / "outside").is_dir()


def test_a_recording_in_progress_and_its_folders_cannot_be_thrown_away(run, record, draw):
    store = DemonstrationStore(run.demonstrations)
    for name in (".staging", "quarantine", ".trash"):
        with pytest.raises(UnknownName):
            trash(run, name)
    assert store.staging.is_dir()


def test_a_copy_in_the_trash_counts_as_nobodys_attempt_and_a_demonstration_does(run, everything):
    trash(run, "broken")
    trash(run, "one (copy).mcap")
    trash(run, "one")
    attempts = DemonstrationStore(run.demonstrations).attempts()
    assert [usable for _, usable in attempts["push"]] == [False]


def test_only_emptying_deletes(run, everything):
    for name in everything:
        trash(run, name)
    (run.checkpoints / "kept").mkdir()
    assert len(empty(run)) == len(everything)
    assert thrown_away(run) == [] and (run.checkpoints / "kept").is_dir()
