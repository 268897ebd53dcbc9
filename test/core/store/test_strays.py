"""What lies in a store and is not of it: named once, and left alone; a foreign channel does not matter."""

from __future__ import annotations

import json
import logging
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from mcap.writer import Writer
from support.frames import vectors

from amf_ros.core.errors import DataError, ForeignFile
from amf_ros.core.values import Outcome, Rollout
from amf_ros.learning.checkpoint_folder import list_checkpoints, newest
from amf_ros.store import files
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.reading import read, salvage
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.stream_values import streams_of


@pytest.fixture
def path(record, draw):
    return record("one", draw(60)).finish(Outcome.SUCCESS)


@pytest.fixture(autouse=True)
def _nothing_said_before(monkeypatch):
    monkeypatch.setattr(files, "_LEFT_ALONE", set())


def foreign_mcap(place):
    with place.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="")
        channel = writer.register_channel("/numbers", "json", 0)
        writer.add_message(channel, 1, json.dumps({"a": 1}).encode(), 1)
        writer.finish()


STRAYS = {
    "._two.mcap": lambda place, path: place.write_bytes(b"\0\5\x16\7"),  # macOS
    "one (copy).mcap": lambda place, path: shutil.copy(path, place),
    "two.mcap": lambda place, path: shutil.copy(path, place),
    "empty.mcap": lambda place, path: place.touch(),
    "text.mcap": lambda place, path: place.write_text("what I did today"),
    "foreign.mcap": lambda place, path: foreign_mcap(place),
    "nowhere.mcap": lambda place, path: place.symlink_to("/no/such/place"),
    "folder.mcap": lambda place, path: place.mkdir(),
    "strange.safetensors": lambda place, path: place.write_bytes(safetensors.numpy.save({})),
    "notes": lambda place, path: place.mkdir(),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_beside_demonstrations_blocks_nothing_and_is_said_once(
    store, path, contract, suite, name, caplog
):
    STRAYS[name](store.root / name, path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            fresh = DemonstrationStore(store.root)
            assert [demo.id for demo in fresh.all_usable(contract, suite)] == ["one"]
            assert len(fresh.attempts()["push"]) == 1
    hidden = name.startswith(".") or name == "notes"
    assert [name in record.getMessage() for record in caplog.records] == ([] if hidden else [True])


def test_a_damaged_demonstration_is_no_stray(store, path, contract, suite):
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="damaged or incomplete") as caught:
        store.all_usable(contract, suite)
    assert not isinstance(caught.value, ForeignFile)


def test_other_programs_channels_do_not_matter_but_ours_must_be_ros_messages(path, tmp_path, contract):
    whole = read(path)
    place = tmp_path / "more.mcap"
    with place.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros2")
        writer.add_metadata("amf_demonstration", whole.about)
        ros1 = writer.register_schema("sensor_msgs/Image", "ros1msg", b"uint8 x")
        extra = [
            writer.register_channel("/a", "json", 0),
            writer.register_channel("/b", "ros1", ros1),
            writer.register_channel("/joint_states", "json", 0),
        ]
        for channel in extra:
            writer.add_message(channel, 1, b"{}", 1)
        writer.add_metadata("amf_result", whole.result)
        writer.finish()
    contents = read(place)
    assert contents.messages == [] and contents.topics == {}
    assert contents.foreign["b"] == "ros1 with a schema in ros1msg"
    with pytest.raises(DataError, match="joint_states: recorded as json without a schema; ROS 2 messages"):
        streams_of(contents, contract)


def test_damage_is_told_in_words(path, tmp_path):
    data = path.read_bytes()
    for length in (0, 4, 8, 20, len(data) // 2):
        place = tmp_path / f"{length}.mcap"
        place.write_bytes(data[:length])
        said = salvage(place).damage
        assert said and "Error" not in said and "\n" not in said, (length, said)


def test_a_file_that_may_not_be_read_is_named(path, monkeypatch):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)
    with pytest.raises(ForeignFile, match="Permission denied"):
        read(path)


def test_strays_beside_roll_outs_block_nothing(tmp_path, caplog):
    store = RolloutStore(tmp_path)
    saved = store.save(Rollout("r1", "push", vectors(np.zeros((3, 2))), Outcome.SUCCESS, "c", 3))
    shutil.copy(tmp_path / "r1.safetensors", tmp_path / "r1 (copy).safetensors")
    (tmp_path / "._r1.safetensors").write_bytes(b"x")
    (tmp_path / "nowhere.safetensors").symlink_to("/no/such")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "other.safetensors").write_bytes(safetensors.numpy.save({"a": np.zeros(1)}))
    with caplog.at_level(logging.WARNING):
        assert [one.id for one in RolloutStore(tmp_path).all()] == [saved.id]
        assert [one.id for one in RolloutStore(tmp_path).all()] == [saved.id]
    assert len(caplog.records) == 4


def test_a_stray_folder_beside_checkpoints_ends_nothing(tmp_path, caplog):
    root = tmp_path / "checkpoints"
    (root / "my notes").mkdir(parents=True)
    (root / "file.txt").touch()
    (root / "gone").symlink_to("/no/such")
    with caplog.at_level(logging.WARNING):
        assert list_checkpoints(root) == []
        assert newest(root) is None
    (record,) = caplog.records
    assert "my notes: is no checkpoint, checkpoint.yaml is missing" in record.getMessage()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("observations", np.full((3, 28), np.nan), "NaN or infinity"),
        ("actions", np.full((3, 8), np.inf), "NaN or infinity"),
        ("actions", np.zeros((2, 8)), "3 observations, 2 actions and 3 stamps"),
        ("stamps_ns", np.zeros(2, dtype=np.int64), "3 observations, 3 actions and 2 stamps"),
        ("stamps_ns", np.zeros((3, 1), dtype=np.int64), r"not \(T, d\)"),
        ("actions", np.zeros((3, 8), dtype=np.float16), "float16"),
    ],
)
def test_arrays_that_are_no_steps_train_nothing(tmp_path, contract, suite, name, value, said):
    arrays = {
        "observations": np.zeros((3, len(contract.layout.elements))),
        "actions": np.zeros((3, len(contract.action_names))),
        "stamps_ns": np.arange(3, dtype=np.int64),
    }
    about = {"id": "one", "task_id": "push", "outcome": "SUCCESS", "source": "UNKNOWN", "seed": "0"}
    store = DemonstrationStore(tmp_path)
    file = tmp_path / "one.safetensors"
    file.write_bytes(safetensors.numpy.save(arrays, about))
    assert [one.num_steps for one in store.all_usable(contract, suite)] == [3]
    file.write_bytes(safetensors.numpy.save({**arrays, name: value}, {**about, "seed": "1"}))
    with pytest.raises(DataError, match=f"one.safetensors: is damaged .*{said}"):
        DemonstrationStore(tmp_path).all_usable(contract, suite)
