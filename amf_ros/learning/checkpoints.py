"""Policies on disk: ``<root>/<id>/policy.safetensors`` and ``checkpoint.yaml``. No pickle.

A checkpoint is a directory that is written beside its place and renamed, so that it exists whole or
not at all. It holds what it was made for (names, order, rate, contract hash), so that serving it to
another robot or suite is refused with the difference named, and what pre-training covered.

    info = save(run.checkpoints, "round_003", policy, round=3, num_demonstrations=9)
    checkpoint = load(info.uri)
    check_fits(checkpoint, contract, suite)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError

from amf_ros.contract import Interface
from amf_ros.core.config import Model, load_yaml
from amf_ros.core.errors import CheckpointError, ConfigError, UnknownName, shown
from amf_ros.core.paths import local_path
from amf_ros.core.plain_yaml import dump
from amf_ros.core.plugins import BUILT_IN
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.values import CheckpointInfo
from amf_ros.learning.coverage import Coverage, from_tensors, to_tensors
from amf_ros.policies.base import PolicySpec, Trainable
from amf_ros.store.files import check_id, leave_alone, storage_errors, sync_folder
from amf_ros.tasks.base import Suite

SCHEMA = "amf_checkpoint/1"
DESCRIPTION, TENSORS = "checkpoint.yaml", "policy.safetensors"
_POLICY = "policy."


@dataclass(frozen=True)
class Checkpoint:
    """A policy and where it comes from.

    Attributes:
        coverage: uncertainty model -> what pre-training covered; empty where the checkpoint does not say.
        pretraining: task id -> demonstrations in pre-training.
        fingerprint: SHA-256 of its tensors in the file: ids may be used again, this tells which policy it
            is; empty for one that is in no file.
    """

    info: CheckpointInfo
    policy: Trainable
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    pretraining: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""


class Making(Model):
    """How a checkpoint was made; kept in ``checkpoint.yaml``.

    Attributes:
        finished: False where training was stopped early: such a checkpoint gives way to any other.
        recipe: digest of all that it was made from; empty where nothing says.
        loss: mean over the last logging window; None where there is none.
    """

    finished: bool = True
    recipe: str = ""
    loss: float | None = None


class _Spec(Model):
    """:class:`PolicySpec` on disk."""

    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    task_names: tuple[str, ...]
    contract_hash: str
    fps: float = Field(gt=0, le=1000)
    chunk: int = Field(ge=1, le=10_000)


class _Description(Model):
    """``checkpoint.yaml``."""

    schema_: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    id: str
    policy: str
    round: int = Field(ge=0, lt=2**31)  # as far as messages go, in which all this is told
    num_demonstrations: int = Field(ge=0, lt=2**31)
    stamp_ns: int = Field(ge=0, lt=2**31 * 10**9)
    sha256: str
    spec: _Spec
    settings: dict[str, Any]
    pretraining: dict[str, int]
    making: Making = Making()


def save(
    root: Path,
    checkpoint_id: str,
    policy: Trainable,
    *,
    round: int,
    num_demonstrations: int,
    coverage: Mapping[str, Coverage] | None = None,
    pretraining: Mapping[str, int] | None = None,
    stamp_ns: int | None = None,
    making: Making | None = None,
) -> CheckpointInfo:
    """Write ``root/checkpoint_id``, replacing an older one of that id.

    ``stamp_ns`` is the time of making, for :func:`newest`; None takes the wall clock. ``making`` says how.

    Raises:
        DataError: an id that cannot be a file name.
        StorageError: the disk is full or not writable; what was there before still is.
    """
    data = _tensor_bytes(policy, coverage or {})
    description = {
        "schema": SCHEMA,
        "id": checkpoint_id,
        "policy": policy_name(policy),
        "round": round,
        "num_demonstrations": num_demonstrations,
        "stamp_ns": time.time_ns() if stamp_ns is None else stamp_ns,
        "sha256": hashlib.sha256(data).hexdigest(),
        "spec": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(policy.spec).items()},
        "settings": dict(policy.settings()),
        "pretraining": dict(pretraining or {}),
        "making": (making or Making()).model_dump(),
    }
    text = dump(description).encode()
    target = root / check_id("checkpoint", checkpoint_id)
    with storage_errors(target):
        _write_directory(target, {TENSORS: data, DESCRIPTION: text})
    return _info(target, parse_description(target))


def load(source: Path | str, allow: Iterable[str] = ()) -> Checkpoint:
    """Read the checkpoint in a directory, given as a path or ``file://`` URI.

    Args:
        source: the directory.
        allow: ``package.module:Class`` of policies that may be imported beside the registered ones. A
            checkpoint may come from anywhere, so that it names a class is not enough; see
            :func:`amf_ros.tasks.loading.allowed_policies`.

    Raises:
        CheckpointError: it is missing, damaged, or of a policy class that is not installed or not allowed.
    """
    path = as_path(source)
    description = parse_description(path)
    try:
        data = (path / TENSORS).read_bytes()
        if hashlib.sha256(data).hexdigest() != description.sha256:
            raise CheckpointError(
                f"checkpoint {path}: {TENSORS} is damaged (its SHA-256 differs from {DESCRIPTION}); "
                "use an older checkpoint or fine-tune again"
            )
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(data)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: {TENSORS} cannot be read ({error.strerror})") from error
    except SafetensorError as error:
        raise CheckpointError(f"checkpoint {path}: {TENSORS} is not a safetensors file: {error}") from error
    for name, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise CheckpointError(
                f"checkpoint {path}: {name} holds NaN or infinity; use an older checkpoint or fine-tune again"
            )
    spec = PolicySpec(**description.spec.model_dump())
    named = {name[len(_POLICY) :]: value for name, value in tensors.items() if name.startswith(_POLICY)}
    try:
        make = load_registered("policy", description.policy, allow)
        policy: Trainable = make.restore(spec, named, description.settings)
    except (CheckpointError, ConfigError, UnknownName) as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from error
    return Checkpoint(
        _info(path, description),
        policy,
        from_tensors(tensors),
        description.pretraining,
        description.sha256,
    )


def list_checkpoints(root: Path) -> list[CheckpointInfo]:
    """All checkpoints in a directory, oldest first; none where the directory does not exist.

    Whatever holds no description is no checkpoint: it is said once and left alone.

    Raises:
        CheckpointError: one of them cannot be read, named.
    """
    infos = []
    for path in folders(root):
        if (path / DESCRIPTION).is_file():
            infos.append(_info(path, parse_description(path)))
        elif path.exists():  # else it was moved away just now
            leave_alone(f"{path}: is no checkpoint, {DESCRIPTION} is missing")
    return sorted(infos, key=lambda info: (info.stamp_ns, info.round, info.id))


def folders(root: Path) -> list[Path]:
    """The folders that may be checkpoints, by name."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def newest(root: Path) -> CheckpointInfo | None:
    """The checkpoint made last, or None where there is none. Raises as :func:`list_checkpoints`."""
    infos = list_checkpoints(root)
    return infos[-1] if infos else None


def _tensor_bytes(policy: Trainable, coverage: Mapping[str, Coverage]) -> bytes:
    tensors = {_POLICY + name: np.ascontiguousarray(value) for name, value in policy.tensors().items()}
    tensors.update(to_tensors(coverage))
    return safetensors.numpy.save(tensors)


def fingerprint(checkpoint: Checkpoint) -> str:
    """SHA-256 of the tensors, also of a checkpoint that is in no file."""
    if checkpoint.fingerprint:
        return checkpoint.fingerprint
    return hashlib.sha256(_tensor_bytes(checkpoint.policy, checkpoint.coverage)).hexdigest()


def fingerprints(root: Path) -> dict[str, str]:
    """Id -> fingerprint of each checkpoint in a directory. Raises as :func:`list_checkpoints`."""
    return {info.id: parse_description(as_path(info.uri)).sha256 for info in list_checkpoints(root)}


def as_path(source: Path | str) -> Path:
    """The directory of a path or ``file://`` URI.

    Raises:
        CheckpointError: it is neither.
    """
    return local_path(source, "checkpoint", CheckpointError)


def describe(source: Path | str) -> CheckpointInfo:
    """Metadata of the checkpoint in a directory, without its tensors. Raises CheckpointError."""
    path = as_path(source)
    return _info(path, parse_description(path))


def check_fits(checkpoint: Checkpoint, contract: Interface, suite: Suite) -> None:
    """Whether the policy can act on these observations, at this rate, on this suite's tasks.

    ``contract`` is a robot's, or the interface of a suite that brings its own simulator.

    Raises:
        CheckpointError: naming the first difference.
    """
    spec, who = checkpoint.policy.spec, f"checkpoint {checkpoint.info.id!r}"
    hint = "choose another checkpoint or contract, or pre-train again with 'amf pretrain'"
    for kind, made_for, running in (
        ("observations", spec.observation_names, contract.observation_names),
        ("actions", spec.action_names, contract.action_names),
        ("task embeddings", spec.task_names, suite.embedding_names),
    ):
        if made_for != running:
            raise CheckpointError(
                f"{who} was made for other {kind}: {_difference(made_for, running)}; {hint}"
            )
    if spec.fps != contract.fps:
        raise CheckpointError(
            f"{who} acts at {spec.fps:g} Hz, contract {contract.name!r} at {contract.fps:g}; {hint}"
        )
    if spec.contract_hash != contract.hash:
        raise CheckpointError(
            f"{who} was made with contract {spec.contract_hash}, contract {contract.name!r} is "
            f"{contract.hash}: the names agree, but how a feature or action is computed "
            f"(its range, say) does not; {hint}"
        )


def _difference(made_for: tuple[str, ...], running: tuple[str, ...]) -> str:
    """What one has and the other lacks, else where their order differs."""
    lacking = [name for name in made_for if name not in running]
    added = [name for name in running if name not in made_for]
    parts = [f"it needs {', '.join(lacking)}"] if lacking else []
    if added:
        parts.append(f"it does not know {', '.join(added)}")
    if parts:
        return ", and ".join(parts)
    row = next(
        (i for i, (a, b) in enumerate(zip(made_for, running)) if a != b), min(len(made_for), len(running))
    )
    return f"element {row} is {made_for[row : row + 1]} there and {running[row : row + 1]} here"


def parse_description(path: Path) -> _Description:
    """``checkpoint.yaml`` of a checkpoint directory, read once. Raises CheckpointError."""
    file = path / DESCRIPTION
    try:
        status = file.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL or half a surrogate in the path
        raise CheckpointError(
            f"no checkpoint at {shown(str(path), 300)}: {DESCRIPTION} is missing; "
            "run 'amf pretrain' to make one"
        ) from error
    return _parsed(file, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=1024)
def _parsed(file: Path, version: tuple[int, ...]) -> _Description:
    """The description as it was at one version of the file: who looks for news looks at all checkpoints."""
    try:
        return load_yaml(file, _Description)
    except ConfigError as error:
        raise CheckpointError(f"checkpoint {file.parent} cannot be read: {error}") from error


def _info(path: Path, description: _Description) -> CheckpointInfo:
    uri = path.resolve().as_uri()
    d = description
    return CheckpointInfo(d.id, uri, d.policy, d.round, d.num_demonstrations, d.stamp_ns)


def policy_name(policy: Trainable) -> str:
    """The short name of a policy's class where it is registered, else ``module:Class``."""
    path = f"{type(policy).__module__}:{type(policy).__qualname__}"
    return next((name for name, known in BUILT_IN["policy"].items() if known == path), path)


def _write_directory(target: Path, files: Mapping[str, bytes]) -> None:
    """Write beside, fsync, rename. A directory cannot be replaced in one step: the old one steps aside."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _finish_interrupted(target.parent)
    staging = target.parent / f".staging-{target.name}-{uuid.uuid4().hex[:8]}"
    aside = target.parent / f".replaced-{target.name}"
    try:
        staging.mkdir()
        for name, data in files.items():
            with (staging / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(staging)
        if target.exists():
            target.rename(aside)
        staging.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _finish_interrupted(target.parent)


def _finish_interrupted(root: Path) -> None:
    """Bring back what stepped aside for a checkpoint that never came; drop it where that one is there.

    Only a writer may do so: a reader would get in the way of one that is at work.
    """
    for aside in root.glob(".replaced-*"):
        target = root / aside.name.removeprefix(".replaced-")
        if target.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(target)
