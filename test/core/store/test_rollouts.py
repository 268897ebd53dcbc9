from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save
from support.frames import vectors

from amf_ros.core.errors import BadRequest, DataError, StorageError
from amf_ros.core.frames import Frames
from amf_ros.core.values import Outcome, Rollout
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory


def rollout(id_: str = "r1", steps: int = 5) -> Rollout:
    observations = np.random.default_rng(steps).normal(size=(steps, 3))
    return Rollout(id_, "push", vectors(observations), Outcome.SUCCESS, "round-002", steps)


@pytest.fixture
def store(tmp_path: Path) -> RolloutStore:
    return RolloutStore(tmp_path / "rollouts")


def test_what_is_saved_is_read_bit_for_bit_by_another_process(store):
    saved = store.save(rollout())
    (loaded,) = RolloutStore(store.root).all()
    assert loaded.observations.flat().tobytes() == saved.observations.flat().tobytes()
    assert loaded.observations.flat().shape == (5, 3)
    for name in ("id", "task_id", "outcome", "checkpoint_id", "num_steps", "uri"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert loaded.uri == (store.root / "r1.safetensors").resolve().as_uri()


def test_pictures_are_read_as_they_were_saved_and_entries_in_their_order(store):
    rng = np.random.default_rng(0)
    frames = Frames({"z": rng.normal(size=(4, 2)), "images.a": rng.integers(0, 256, (4, 3, 5, 3), np.uint8)})
    store.save(Rollout("r1", "push", frames, Outcome.SUCCESS, "c", 4))
    (loaded,) = RolloutStore(store.root).all()
    assert loaded.observations.names == ("z", "images.a")
    for name, values in frames.items():
        assert loaded.observations[name].dtype == values.dtype
        assert loaded.observations[name].tobytes() == values.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        loaded.observations["images.a"][0] = 0


def test_files_of_older_versions_are_read_as_one_entry(store):
    store.save(rollout())
    path = store.root / "r1.safetensors"
    with safe_open(path, framework="numpy") as file:
        metadata = {key: value for key, value in file.metadata().items() if key != "observations"}
    path.write_bytes(save({"observations": rollout().observations.flat()}, metadata))
    (loaded,) = RolloutStore(store.root).all()
    assert loaded.observations.names == ("observation",)
    assert loaded.observations.flat().tobytes() == rollout().observations.flat().tobytes()


def test_they_come_in_the_order_of_saving(store):
    for id_, saved_ns in [("b", 1), ("a", 3), ("c", 2)]:
        store.save(rollout(id_), saved_ns)
    assert [found.id for found in store.all()] == ["b", "c", "a"]


def test_the_same_id_replaces_whole_and_is_read_again(store):
    store.save(rollout(steps=5))
    assert store.all()[0].num_steps == 5
    RolloutStore(store.root).save(rollout(steps=7))
    assert [found.observations.flat().shape for found in store.all()] == [(7, 3)]
    assert [path.name for path in store.root.iterdir()] == ["r1.safetensors"]


def test_the_id_of_another_tasks_roll_out_is_refused_before_anything_moves(store):
    store.check_free("r1", "pull")
    store.save(rollout())
    store.check_free("r1", "push")  # the same episode, begun anew
    with pytest.raises(BadRequest, match="roll-out 'r1' is one of 'push'; choose another id"):
        store.check_free("r1", "pull")
    (store.root / "r1.safetensors").write_bytes(b"no roll-out")
    store.check_free("r1", "pull")


def test_each_file_is_read_once(store):
    store.save(rollout())
    assert store.all()[0].observations is store.all()[0].observations


def test_what_was_taken_away_is_gone_and_a_missing_folder_holds_none(store):
    for id_ in ("a", "b"):
        store.save(rollout(id_))
    assert len(store.all()) == 2
    (store.root / "a.safetensors").unlink()
    assert [found.id for found in store.all()] == ["b"]
    shutil.rmtree(store.root)
    assert store.all() == []


def test_states_that_are_not_finite_are_refused(store):
    with pytest.raises(DataError, match="'r1': observation is not finite"):
        store.save(Rollout("r1", "push", vectors(np.full((2, 3), np.nan)), Outcome.FAILURE, "c", 2))
    assert store.all() == []


def test_an_id_that_is_no_file_name_is_refused(store):
    with pytest.raises(DataError, match="cannot be a file name"):
        store.save(rollout("../r1"))


@pytest.mark.parametrize("keep", [0, 7, 100, -3])
def test_a_damaged_file_is_named(store, keep):
    store.save(rollout())
    path = store.root / "r1.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"r1\.safetensors: is damaged"):
        store.all()


def test_a_run_directory_makes_its_folders(tmp_path: Path):
    run = RunDirectory(tmp_path / "a" / "b")
    again = RunDirectory(tmp_path / "a" / "b")
    for folder in (run.demonstrations, run.rollouts, run.checkpoints):
        assert folder.is_dir()
        assert folder.parent == again.root
    assert run.database == run.root / "session.sqlite"


def test_a_run_directory_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file: cannot be written \((Not a directory|File exists)"):
        RunDirectory(tmp_path / "file")
