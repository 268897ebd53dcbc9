"""Writes and reads policies: ``<root>/<id>/policy.safetensors`` and ``checkpoint.yaml``. No pickle.

A checkpoint is a directory that is written beside its place and renamed, so that it exists whole or
not at all. It holds what it was made for (names, order, rate, contract hash), so that serving it to
another robot or suite is refused with the difference named (:mod:`amf_ros.learning.checkpoint_fit`), and what
pre-training covered.

    info = save(run.checkpoints, "round_003", policy, round=3, num_demonstrations=9)
    checkpoint = load(info.uri)
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from amf_ros.core.errors import CheckpointError, ConfigError, UnknownName
from amf_ros.core.paths import local_path
from amf_ros.core.plain_yaml import dump
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.plugins import registered
from amf_ros.core.values import CheckpointInfo
from amf_ros.learning.checkpoint_description import (
    DESCRIPTION,
    SCHEMA,
    Making,
    describe_spec,
    info_of,
    parse_description,
)
from amf_ros.learning.coverage import Coverage, from_tensors, to_tensors
from amf_ros.policies.base import Trainable
from amf_ros.store.files import check_id, storage_errors, write_folder_whole

TENSORS = "policy.safetensors"
_POLICY = "policy."


@dataclass(frozen=True)
class Checkpoint:
    """Holds a policy and where it comes from.

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
        "spec": describe_spec(policy.spec),
        "settings": dict(policy.settings()),
        "pretraining": dict(pretraining or {}),
        "making": (making or Making()).model_dump(),
    }
    text = dump(description).encode()
    target = root / check_id("checkpoint", checkpoint_id)
    with storage_errors(target):
        write_folder_whole(target, {TENSORS: data, DESCRIPTION: text})
    return info_of(target, parse_description(target))


def save_checkpoint(
    root: Path, checkpoint: Checkpoint, stamp_ns: int | None = None, making: Making | None = None
) -> CheckpointInfo:
    """Write ``root/<id>`` with all that the checkpoint holds.

    Args:
        root: the folder of checkpoints.
        checkpoint: with its id in ``checkpoint.info``.
        stamp_ns: wall clock of its making [ns]; None = now.
        making: how it was made.

    Raises:
        DataError: the id cannot be a file name.
        StorageError: the disk is full or not writable; what was there before still is.
    """
    return save(
        root,
        checkpoint.info.id,
        checkpoint.policy,
        round=checkpoint.info.round,
        num_demonstrations=checkpoint.info.num_demonstrations,
        coverage=checkpoint.coverage,
        pretraining=checkpoint.pretraining,
        stamp_ns=stamp_ns,
        making=making,
    )


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
    spec = description.spec.spec()
    named = {name[len(_POLICY) :]: value for name, value in tensors.items() if name.startswith(_POLICY)}
    try:
        make = load_registered("policy", description.policy, allow)
        policy: Trainable = make.restore(spec, named, description.settings)
    except (CheckpointError, ConfigError, UnknownName) as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from error
    return Checkpoint(
        info_of(path, description),
        policy,
        from_tensors(tensors),
        description.pretraining,
        description.sha256,
    )


def _tensor_bytes(policy: Trainable, coverage: Mapping[str, Coverage]) -> bytes:
    tensors = {_POLICY + name: np.ascontiguousarray(value) for name, value in policy.tensors().items()}
    tensors.update(to_tensors(coverage))
    return safetensors.numpy.save(tensors)


def fingerprint(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 of the tensors, also of a checkpoint that is in no file."""
    if checkpoint.fingerprint:
        return checkpoint.fingerprint
    return hashlib.sha256(_tensor_bytes(checkpoint.policy, checkpoint.coverage)).hexdigest()


def as_path(source: Path | str) -> Path:
    """Return the directory that a path or ``file://`` URI names.

    Raises:
        CheckpointError: it is neither.
    """
    return local_path(source, "checkpoint", CheckpointError)


def describe(source: Path | str) -> CheckpointInfo:
    """Read what the checkpoint in a directory says of itself, without its tensors. Raises CheckpointError."""
    path = as_path(source)
    return info_of(path, parse_description(path))


def policy_name(policy: Trainable) -> str:
    """Return the short name of a policy's class where it is registered, else ``module:Class``."""
    path = f"{type(policy).__module__}:{type(policy).__qualname__}"
    return next((name for name, known in registered("policy").items() if known == path), path)
