"""Checkpoints on disk: the same policy comes back, or one clear error."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import yaml
from support.frames import steps_of

from amf_ros.contract import Contract, ObservationLayout, load_contract
from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import CheckpointError, DataError, StorageError
from amf_ros.learning import checkpoint_description, checkpoints
from amf_ros.learning.checkpoint_fit import check_fits
from amf_ros.learning.checkpoint_folder import list_checkpoints, newest
from amf_ros.learning.checkpoints import load, save
from amf_ros.learning.coverage import Coverage, from_tensors
from amf_ros.policies.base import PolicySpec, Steps
from amf_ros.policies.mlp import MlpPolicy
from amf_ros.session.pretraining import make_spec
from amf_ros.tasks.tabletop import TabletopSuite

CONFIG = TrainingConfig(hidden=(8, 8), chunk=2)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract("panda_tabletop")


@pytest.fixture(scope="module")
def suite() -> TabletopSuite:
    return TabletopSuite()


@pytest.fixture(scope="module")
def steps(contract: Contract, suite: TabletopSuite) -> Steps:
    rng = np.random.default_rng(0)
    d, a = len(contract.layout.elements), len(contract.action_names)
    tasks = np.array([suite.embedding(task.id) for task in suite.tasks])
    n = len(tasks)
    arrays = (rng.normal(size=(n, d)), tasks, rng.normal(size=(n, 2, a)), np.ones((n, 2)))
    return steps_of(*arrays)


@pytest.fixture
def policy(contract: Contract, suite: TabletopSuite, steps: Steps) -> MlpPolicy:
    return MlpPolicy.create(make_spec(contract, suite, 2), steps, CONFIG, seed=0)


def respec(policy: MlpPolicy, **changes: Any) -> MlpPolicy:
    return MlpPolicy.restore(dataclasses.replace(policy.spec, **changes), policy.tensors(), policy.settings())


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_loaded_policy_answers_bit_for_bit_alike(
    tmp_path: Path, policy: MlpPolicy, steps: Steps, fine_tuned: bool
) -> None:
    if fine_tuned:
        policy = policy.fine_tunable(steps, CONFIG)
    coverage = {
        "features": Coverage(np.arange(81.0).reshape(9, 9)),
        "lab.models:Mine": Coverage(np.eye(3), {"heads": np.arange(4.0), "mean": np.array(2.0)}),
    }
    saved = save(
        tmp_path,
        "r002",
        policy,
        round=2,
        num_demonstrations=6,
        coverage=coverage,
        pretraining={"push_green": 5},
    )
    for source in (tmp_path / "r002", str(tmp_path / "r002"), saved.uri):
        loaded = load(source)
        assert loaded.info == saved
        assert loaded.policy.spec == policy.spec
        assert np.array_equal(
            loaded.policy.infer(steps.observations, steps.tasks),
            policy.infer(steps.observations, steps.tasks),
        )
        assert np.array_equal(
            loaded.policy.embed(steps.observations, steps.tasks),
            policy.embed(steps.observations, steps.tasks),
        )
        assert loaded.coverage.keys() == coverage.keys()
        for model, known in coverage.items():
            assert np.array_equal(loaded.coverage[model].moments, known.moments)
            assert loaded.coverage[model].fitted.keys() == known.fitted.keys()
            for name, value in known.fitted.items():
                assert np.array_equal(loaded.coverage[model].fitted[name], value)
        assert loaded.pretraining == {"push_green": 5}
    assert (saved.policy_type, saved.round, saved.num_demonstrations) == ("mlp", 2, 6)


def test_coverage_is_optional(tmp_path: Path, policy: MlpPolicy) -> None:
    save(tmp_path, "r000", policy, round=0, num_demonstrations=0)
    loaded = load(tmp_path / "r000")
    assert loaded.coverage == {} and loaded.pretraining == {}


def test_coverage_of_an_old_checkpoint_is_that_of_features() -> None:
    found = from_tensors({"coverage": np.eye(2), "policy.network.head.bias": np.zeros(3)})
    assert list(found) == ["features"] and np.array_equal(found["features"].moments, np.eye(2))


def test_newest_is_the_one_made_last(tmp_path: Path, policy: MlpPolicy) -> None:
    assert newest(tmp_path / "nowhere") is None
    assert newest(tmp_path) is None
    for stamp, name in ((30, "b"), (10, "c"), (20, "a")):
        save(tmp_path, name, policy, round=0, num_demonstrations=0, stamp_ns=stamp)
    assert [info.id for info in list_checkpoints(tmp_path)] == ["c", "a", "b"]
    last = newest(tmp_path)
    assert last is not None and last.id == "b"


def test_looking_for_the_newest_parses_only_what_is_new(
    tmp_path: Path, policy: MlpPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    module, real = checkpoint_description, checkpoint_description.load_yaml
    monkeypatch.setattr(module, "load_yaml", lambda path, model: read.append(path) or real(path, model))
    for number in (1, 2):
        save(tmp_path, f"r00{number}", policy, round=number, num_demonstrations=number)
    read.clear()
    assert [info.id for info in list_checkpoints(tmp_path)] == ["r001", "r002"]
    assert not read
    save(tmp_path, "r001", policy, round=1, num_demonstrations=7)
    assert {info.id: info.num_demonstrations for info in list_checkpoints(tmp_path)} == {"r001": 7, "r002": 2}
    assert {path.parent.name for path in read} == {"r001"}


def test_saving_again_replaces(tmp_path: Path, policy: MlpPolicy) -> None:
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)
    save(tmp_path, "r001", policy, round=1, num_demonstrations=3)
    assert load(tmp_path / "r001").info.num_demonstrations == 3
    assert [path.name for path in tmp_path.iterdir()] == ["r001"]


@pytest.mark.parametrize("dies_at", ["write", "rename away", "rename in"])
def test_interrupted_save_keeps_the_old_one(
    tmp_path: Path, policy: MlpPolicy, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """The process vanishes at a point of the save; the next writer finds the old checkpoint."""
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)
    if os.fork() == 0:  # a real process that really ends there
        rename, fsync = Path.rename, os.fsync

        def dying_rename(path: Path, target: Path) -> Path:
            if path.name.startswith(".staging") == (dies_at == "rename in"):
                os._exit(0)
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", dying_rename)
        monkeypatch.setattr(os, "fsync", (lambda fd: os._exit(0)) if dies_at == "write" else fsync)
        save(tmp_path, "r001", policy, round=1, num_demonstrations=99)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    save(tmp_path, "r002", policy, round=2, num_demonstrations=4)
    assert [info.num_demonstrations for info in list_checkpoints(tmp_path)] == [2, 4]
    load(tmp_path / "r001")


def test_full_disk_keeps_the_old_one_and_leaves_nothing(
    tmp_path: Path, policy: MlpPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save(tmp_path, "r001", policy, round=1, num_demonstrations=3)
    assert load(tmp_path / "r001").info.num_demonstrations == 2
    assert [path.name for path in tmp_path.iterdir()] == ["r001"]


def test_id_that_is_no_file_name_is_refused(tmp_path: Path, policy: MlpPolicy) -> None:
    with pytest.raises(DataError, match=r"\.\./x"):
        save(tmp_path, "../x", policy, round=0, num_demonstrations=0)


def damage(directory: Path, how: str) -> None:
    tensors, description = directory / "policy.safetensors", directory / "checkpoint.yaml"
    if how == "no tensors":
        tensors.unlink()
    elif how == "no description":
        description.unlink()
    elif how == "flipped bit":
        data = bytearray(tensors.read_bytes())
        data[-5] ^= 1
        tensors.write_bytes(bytes(data))
    elif how == "truncated":
        tensors.write_bytes(tensors.read_bytes()[:-10])
    elif how == "not yaml":
        description.write_text("{")
    elif how == "other schema":
        description.write_text(description.read_text().replace("amf_checkpoint/2", "amf_checkpoint/9"))
    else:
        content = yaml.safe_load(description.read_text())
        if how == "no settings":
            content["settings"] = {}
        elif how == "unknown policy":
            content["policy"] = "mlb"
        else:
            content["settings"]["hidden"] = [8, 9]
        description.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no tensors", "policy.safetensors cannot be read"),
        ("no description", "checkpoint.yaml is missing.*amf pretrain"),
        ("flipped bit", "damaged"),
        ("truncated", "damaged"),
        ("not yaml", "is not YAML"),
        ("other schema", "schema.*amf_checkpoint/9"),
        ("no settings", "settings: hidden: Field required"),
        ("unknown policy", "did you mean 'mlp'"),
        ("other sizes", "hidden: 9 is the size of no tensor"),
    ],
)
def test_damaged_checkpoint_is_refused_in_one_line(
    tmp_path: Path, policy: MlpPolicy, how: str, message: str
) -> None:
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)
    damage(tmp_path / "r001", how)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "r001")
    assert "\n" not in str(caught.value) and "r001" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["settings"].update(hidden=[10**9]), "hidden: 1000000000 is the size of no tensor"),
        (lambda d: d["settings"].update(hidden=[-3]), "hidden: -3 is the size of no tensor"),
        (lambda d: d.update(round=10**30), "round: Input should be less than"),
        (lambda d: d.update(stamp_ns=-1), "stamp_ns: Input should be greater"),
        (lambda d: d["spec"].update(chunk=10**9), "spec.chunk: Input should be less"),
        (lambda d: d["spec"].update(fps=0.0), "spec.fps: Input should be greater than 0"),
        (lambda d: d["spec"].update(fps="20"), r"spec.fps: .* \(got '20'\); leave out the quotes"),
        (lambda d: d["spec"].update(observations=[]), "does not fit its description"),
        (
            lambda d: d["spec"]["observations"][0].update(shape=[10**9]),
            "observations.0.shape.0: Input should be less",
        ),
        (lambda d: d["spec"]["observations"][0].update(elements=["x"]), "has shape .* and 1 elements"),
    ],
    ids=["huge", "negative", "round", "stamp", "chunk", "rate", "text", "names", "shape", "elements"],
)
def test_numbers_that_cannot_be_are_refused_before_anything_of_that_size_is_made(
    tmp_path: Path, policy: MlpPolicy, change: Any, message: str
) -> None:
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)
    description = tmp_path / "r001" / "checkpoint.yaml"
    content = yaml.safe_load(description.read_text())
    change(content)
    description.write_text(yaml.safe_dump(content))
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "r001")
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, policy: MlpPolicy) -> None:
    save(tmp_path, "r001", policy, round=1, num_demonstrations=2)
    folder = tmp_path / "r001"
    tensors = safetensors.numpy.load((folder / "policy.safetensors").read_bytes())
    name = next(name for name in tensors if name.endswith("weight"))
    tensors[name] = np.full_like(tensors[name], np.nan)
    data = safetensors.numpy.save(tensors)
    (folder / "policy.safetensors").write_bytes(data)
    content = yaml.safe_load((folder / "checkpoint.yaml").read_text())
    content["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "checkpoint.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(CheckpointError, match="weight holds NaN or infinity"):
        load(folder)


def test_missing_checkpoint_and_foreign_uri_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"s3://bucket.*file://"):
        load("s3://bucket/r001")


def test_a_policy_made_here_fits(
    tmp_path: Path, policy: MlpPolicy, contract: Contract, suite: TabletopSuite
) -> None:
    save(tmp_path, "r000", policy, round=0, num_demonstrations=0)
    check_fits(load(tmp_path / "r000"), contract, suite)


def test_a_checkpoint_of_an_older_version_fits_what_it_was_made_for(
    tmp_path: Path, policy: MlpPolicy, contract: Contract, suite: TabletopSuite, steps: Steps
) -> None:
    """Its observations were one vector, whatever the contract's entries are called."""
    save(tmp_path, "r000", policy, round=0, num_demonstrations=0)
    description = tmp_path / "r000" / "checkpoint.yaml"
    content = yaml.safe_load(description.read_text())
    entries = content["spec"].pop("observations")
    names = [name for entry in entries for name in entry["elements"]]
    content["spec"]["observation_names"], content["schema"] = names, "amf_checkpoint/1"
    description.write_text(yaml.safe_dump(content))
    loaded = load(tmp_path / "r000")
    check_fits(loaded, contract, suite)
    seen = steps.observations.split({entry["name"]: entry["shape"][0] for entry in entries})
    assert loaded.policy.infer(seen, steps.tasks).tobytes() == policy.infer(seen, steps.tasks).tobytes()
    content["spec"]["observation_names"] = names[1:]
    description.write_text(yaml.safe_dump(content))
    with pytest.raises(CheckpointError, match="does not fit its description"):
        load(tmp_path / "r000")


def renamed(spec: PolicySpec, elements: tuple[str, ...]) -> dict[str, Any]:
    """Another layout: the first entry with these elements."""
    first, *rest = spec.layout.entries
    return {"layout": ObservationLayout((replace(first, elements=elements), *rest))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "renamed observation",
            "other observations: it needs wrist_force, and it does not know panda_finger",
        ),
        ("swapped observations", "other observations: element 0 is"),
        ("renamed action", "other actions: it needs elbow"),
        ("other tasks", "other task embeddings: it needs task=fly"),
        ("rate", "acts at 50 Hz, contract 'panda_tabletop' at 20"),
        ("hash", "made with contract 0123"),
    ],
)
def test_checkpoint_for_something_else_is_refused_with_the_difference(
    tmp_path: Path, policy: MlpPolicy, contract: Contract, suite: TabletopSuite, change: str, message: str
) -> None:
    spec: PolicySpec = policy.spec
    o, a, t = spec.layout.entries[0].elements, spec.action_names, spec.task_names
    changes: dict[str, dict[str, Any]] = {
        "renamed observation": renamed(spec, ("wrist_force", *o[1:])),
        "swapped observations": renamed(spec, (o[1], o[0], *o[2:])),
        "renamed action": {"action_names": ("elbow", *a[1:])},
        "other tasks": {"task_names": (*t[:-1], "task=fly")},
        "rate": {"fps": 50.0},
        "hash": {"contract_hash": "0123"},
    }
    save(tmp_path, "r000", respec(policy, **changes[change]), round=0, num_demonstrations=0)
    with pytest.raises(CheckpointError, match=message):
        check_fits(load(tmp_path / "r000"), contract, suite)


def test_outside_policies_are_saved_by_their_path(tmp_path: Path, policy: MlpPolicy) -> None:
    assert checkpoints.policy_name(policy) == "mlp"
    outside = type("Outside", (MlpPolicy,), {"__module__": "my_lab.policies"})
    assert checkpoints.policy_name(outside.__new__(outside)) == "my_lab.policies:Outside"
