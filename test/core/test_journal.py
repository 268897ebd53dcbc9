"""The journal: a step is stored once and whole, whatever happens; its complaints are clear."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from amf_ros.core.errors import ConfigError, DataError, PlanChanged, StorageError, UnknownName
from amf_ros.session.journal import Journal
from amf_ros.session.plan import Plan, derive_seed, resolve


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "session.sqlite"


def test_a_step_is_made_once_and_its_value_is_what_json_gives_back(path):
    calls = []
    with Journal(path) as journal:
        for _ in range(2):
            value = journal.once("a", lambda: calls.append(1) or {"ids": ("x", "y")}, "selecting", 1)
            assert value == {"ids": ["x", "y"]}
    with Journal(path) as journal:
        assert journal.once("a", lambda: calls.append(1), "selecting", 1) == {"ids": ["x", "y"]}
    assert len(calls) == 1


def test_a_step_that_gives_nothing_is_done_too(path):
    calls = []
    with Journal(path) as journal:
        for _ in range(2):
            assert journal.once("nothing", lambda: calls.append(1), "idle", 0) is None
    assert len(calls) == 1


def test_a_step_that_fails_is_not_stored(path):
    with Journal(path) as journal:
        with pytest.raises(RuntimeError):
            journal.once("a", lambda: (_ for _ in ()).throw(RuntimeError()), "selecting", 1)
        assert journal.get("a") is None and journal.once("a", lambda: 7, "selecting", 1) == 7


def test_entries_come_in_the_order_made_with_phase_round_and_seconds(path):
    with Journal(path) as journal:
        for key, number in (("r002/x", 2), ("r001/x", 1), ("r001/y", 1)):
            journal.once(key, lambda number=number: number, "evaluating", number)
        assert [entry.key for entry in journal.entries()] == ["r002/x", "r001/x", "r001/y"]
        assert [entry.key for entry in journal.entries("r001/")] == ["r001/x", "r001/y"]
        entry = journal.get("r002/x")
    assert (entry.phase, entry.round) == ("evaluating", 2) and entry.seconds >= 0 and entry.stamp_ns > 0


def test_readers_see_what_is_stored_while_the_writer_is_open(path):
    with Journal(path) as writer, Journal(path, read_only=True) as reader:
        assert reader.plan is None
        writer.begin(Plan(num_rounds=2))
        writer.once("a", lambda: 1, "selecting", 1)
        assert reader.plan == Plan(num_rounds=2) and reader.get("a").value == 1


def test_a_second_writer_of_the_same_step_is_refused(path):
    with Journal(path) as first, Journal(path) as second:
        with pytest.raises(StorageError, match="only one session"):
            first.once("a", lambda: second.once("a", lambda: 2, "selecting", 1), "selecting", 1)
        assert first.get("a").value == 2


def test_sigkill_keeps_every_finished_step(path):
    code = f"""
import os, signal
from pathlib import Path
from amf_ros.session.journal import Journal
journal = Journal(Path({str(path)!r}))
for number in range(5):
    journal.once(f"step{{number}}", lambda: number, "evaluating", 0)
journal.once("killed", lambda: os.kill(os.getpid(), signal.SIGKILL), "evaluating", 0)
"""
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == -signal.SIGKILL
    with Journal(path) as journal:
        assert [entry.value for entry in journal.entries()] == [0, 1, 2, 3, 4]


def test_the_plan_may_only_get_more_rounds(path):
    plan = Plan(num_rounds=2, candidates=("a",), targets=("a", "b"))
    with Journal(path) as journal:
        journal.begin(plan)
        journal.begin(plan)
        journal.begin(plan.model_copy(update={"num_rounds": 5}))
        assert journal.plan.num_rounds == 5
        with pytest.raises(PlanChanged, match="num_rounds 5, asked for 2.*only grow"):
            journal.begin(plan)
        with pytest.raises(PlanChanged, match=f"strategy '{plan.strategy}', asked for 'uniform'"):
            journal.begin(plan.model_copy(update={"num_rounds": 6, "strategy": "uniform"}))
        assert journal.plan.num_rounds == 5


def test_values_that_json_cannot_hold_are_refused(path):
    with Journal(path) as journal:
        for value in (float("nan"), {1, 2}):
            with pytest.raises(ConfigError, match="'a'.*JSON"):
                journal.once("a", lambda value=value: value, "selecting", 1)
        assert journal.get("a") is None


def test_a_missing_journal_is_not_created_by_a_reader(path):
    with pytest.raises(DataError, match="amf session"):
        Journal(path, read_only=True)
    assert not path.exists()


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    path = tmp_path / "session.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    for read_only in (True, False):
        with pytest.raises(DataError, match="not a session journal"):
            Journal(path, read_only=read_only)
    assert path.read_bytes() == b"not a database at all" * 100


def test_a_journal_of_another_version_is_refused(path):
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match="version 99"):
        Journal(path)


def test_a_full_disk_is_a_storage_error_and_the_journal_stays_whole(path):
    with Journal(path) as journal:
        journal.once("before", lambda: 1, "selecting", 1)
        journal._connection.execute("PRAGMA max_page_count = 8")  # SQLite's own way to be full
        with pytest.raises(StorageError, match="full"):
            journal.once("big", lambda: "x" * 100_000, "selecting", 1)
    with Journal(path) as journal:
        assert [entry.key for entry in journal.entries()] == ["before"]


def test_an_unwritable_place_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Journal(tmp_path / "file" / "session.sqlite")


def test_seeds_depend_on_every_part_and_on_nothing_else():
    parts = [(0,), (1,), (0, "a"), (0, "a", 1), (0, "a", "1"), (0, "a1"), (0, 1, "a"), (0, "", "a")]
    seeds = [derive_seed(*key) for key in parts]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**31 for seed in seeds)
    # The number itself is part of what makes sessions repeatable from release to release.
    assert derive_seed(0, "evaluation", "open_door", 0) == 310865059


def test_resolving_writes_out_empty_sets_in_the_suites_order():
    suite = ("a", "b", "c")
    plan = resolve(Plan(candidates=("c", "a")), suite)
    assert plan.candidates == ("a", "c") and plan.targets == suite
    with pytest.raises(UnknownName, match="task 'd'"):
        resolve(Plan(targets=("d",)), suite)
    with pytest.raises(ConfigError, match="candidates.*once"):
        resolve(Plan(candidates=("a", "a")), suite)


def test_episodes_at_the_ends_and_between():
    plan = Plan(num_rounds=3, evaluation_episodes=2, final_episodes=5)
    assert [plan.episodes(number) for number in range(4)] == [5, 2, 2, 5]
    plan = Plan(num_rounds=2, evaluation_episodes=2)
    assert [plan.episodes(number) for number in range(3)] == [2, 2, 2]


def test_a_damaged_step_is_named(tmp_path):
    path = tmp_path / "session.sqlite"
    with Journal(path) as journal:
        journal.once("a", lambda: 1, "selecting", 1)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE steps SET value = '{'")
    connection.close()
    with Journal(path, read_only=True) as journal, pytest.raises(DataError, match="a stored step is damaged"):
        journal.entries()


@pytest.mark.parametrize("folder", ["50%", "a ; b", "a?b", "a#b", "é 日本", "'", "a\nb", "~x", "-x"])
def test_a_journal_lies_in_any_folder(tmp_path, folder):
    path = tmp_path / folder / "session.sqlite"
    with Journal(path) as journal:
        journal.once("a", lambda: 1, "selecting", 1)
    assert [p.name for p in tmp_path.iterdir()] == [folder]
    with Journal(path, read_only=True) as journal:
        assert len(journal.entries()) == 1
