"""Reading what is not as it should be: cut off, damaged, foreign, or of another suite or contract."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from mcap.writer import Writer

from amf_ros.core.errors import DataError, UnknownName
from amf_ros.core.values import Outcome
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.doctor import examine
from amf_ros.store.reading import read, salvage


@pytest.fixture
def path(record, draw):
    return record("d1", draw(60)).finish(Outcome.SUCCESS)


def test_a_file_cut_off_anywhere_is_refused_and_what_came_before_is_saved(path):
    data = path.read_bytes()
    whole = len(read(path).messages)
    for length in np.linspace(0, len(data) - 1, 60, dtype=int):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"d1\.mcap"):
            read(path)
        assert len(salvage(path).messages) <= whole


def test_a_file_with_a_flipped_byte_never_gives_other_messages(path, contract, suite):
    data, rng = path.read_bytes(), np.random.default_rng(0)
    whole = read(path)
    good, said = [message.data for message in whole.messages], (whole.about, whole.result)
    refused = 0
    for position in rng.choice(len(data), size=150, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            contents = read(path)
        except DataError:
            refused += 1
        else:  # the byte was one of the index, which reading from the start does not need
            assert [message.data for message in contents.messages] == good
            assert (contents.about, contents.result) == said
        with contextlib.suppress(DataError):  # any other error would be a traceback for the user
            DemonstrationStore(path.parent).load("d1", contract, suite)
    assert refused > 100


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"no mcap at all", "it is no MCAP file"),
        (b"\x89MCAP0\r\n", "is damaged or incomplete"),
        (bytes(1000), "it is no MCAP file"),
    ],
    ids=["empty", "text", "cut off", "zeros"],
)
def test_a_file_that_is_no_recording_is_named(store, data, said):
    (store.root / "d1.mcap").write_bytes(data)
    with pytest.raises(DataError, match=rf"d1\.mcap: {said}"):
        store.info("d1")
    (finding,) = examine(store)
    assert finding.severity == ("error" if "damaged" in said else "warning")
    assert "amf doctor --trash d1.mcap" in finding.remedy and "doctor" not in finding.problem


def test_a_recording_of_another_program_is_named(store):
    with (store.root / "d1.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros2")
        writer.finish()
    with pytest.raises(DataError, match="another program's MCAP file"):
        store.info("d1")


def test_a_renamed_file_is_noticed(store, path):
    path.rename(store.root / "d2.mcap")
    with pytest.raises(DataError, match="holds demonstration 'd1': a copy, or renamed"):
        store.info("d2")


def test_a_folder_in_order_has_no_findings(store, path, contract, suite):
    assert examine(store, suite, contract) == []


def test_the_doctor_names_an_unknown_task_and_damaged_data(store, path, contract, record, draw):
    class Other:
        def task(self, task_id):
            raise UnknownName("task", task_id, ["pull"])

    (finding,) = examine(store, Other(), contract)
    assert "unknown task 'push'" in finding.problem
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    (finding,) = examine(store, None, contract)
    assert (finding.severity, finding.path) == ("error", path)
