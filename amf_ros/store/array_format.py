"""Demonstrations as arrays, one safetensors file each: what simulators give, where there are no messages.

The files lie beside recordings in the same folder. Only the interface that made the arrays can use them: they
cannot be made anew by another. Imports contract, errors and the rest of the store only.

    ARRAYS.write(path, demonstration, interface, recorded_ns=time.time_ns())
    info = ARRAYS.read_info(path)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.contract import Interface
from amf_ros.core.errors import ContractError, DataError, ForeignFile
from amf_ros.core.values import Demonstration, Outcome, Source
from amf_ros.store.file_format import FileFormat, check_name
from amf_ros.store.files import one_line, storage_errors, write_whole
from amf_ros.store.frame_format import frame_order, frame_tensors, read_frames
from amf_ros.store.metadata import About, DemonstrationInfo
from amf_ros.store.replay import Arrays


class ArrayFormat(FileFormat):
    """Reads and writes arrays; see :class:`FileFormat`."""

    suffix = ".safetensors"

    def write(self, path: Path, demonstration: Demonstration, interface: Interface, recorded_ns: int) -> None:
        """Write a demonstration, whole or not at all.

        Args:
            path: of the file.
            demonstration: to keep.
            interface: whose columns the arrays have.
            recorded_ns: wall clock [ns]: the order of demonstrations in a folder.

        Raises:
            StorageError: the disk is full or not writable.
        """
        arrays = frame_tensors(demonstration.observations) | {
            "actions": np.ascontiguousarray(demonstration.actions, dtype=np.float64),
            "stamps_ns": np.ascontiguousarray(demonstration.stamps_ns, dtype=np.int64),
        }
        about = {
            "id": demonstration.id,
            "task_id": demonstration.task_id,
            "outcome": demonstration.outcome.name,
            "source": demonstration.source.name,
            "seed": str(demonstration.seed),
            "recorded_ns": str(recorded_ns),
            "contract": interface.name,
            "contract_hash": interface.hash,
        } | frame_order(demonstration.observations)
        with storage_errors(path):
            write_whole(path, save(arrays, about))

    def read_info(self, path: Path, named: bool = True) -> DemonstrationInfo:
        """Read the whole file: whether its arrays are steps belongs to what must be known."""
        return _read(path, named)[0]

    def read_arrays(
        self, path: Path, info: DemonstrationInfo, interface: Interface, roles: Mapping[str, str]
    ) -> Arrays:
        """Read the arrays as they were made; ``roles`` are in them already."""
        info, arrays = _read(path, named=True)
        return _fitted(info, arrays, interface)


ARRAYS = ArrayFormat()


def _read(path: Path, named: bool) -> tuple[DemonstrationInfo, Arrays]:
    """Read what a file says of itself, and its arrays. Raises as :meth:`FileFormat.read_info`."""
    try:
        with safe_open(path, framework="numpy") as file:
            data = file.metadata() or {}
            id_ = data["id"]  # first: another program's file has none
            arrays = Arrays(read_frames(file), file.get_tensor("actions"), file.get_tensor("stamps_ns"))
        about = About(
            id=id_,
            task_id=data["task_id"],
            source=Source[data["source"]],
            seed=int(data["seed"]),
            recorded_ns=int(data.get("recorded_ns", "0")),  # files of older versions do not say
            contract=data.get("contract", ""),
            contract_hash=data.get("contract_hash", ""),
        )
        outcome = Outcome[data["outcome"]]
        _check_arrays(arrays)
    except (OSError, KeyError) as error:  # KeyError: another program's safetensors file
        raise ForeignFile(f"{path}: is no demonstration of amf_ros ({one_line(error)})") from error
    except (SafetensorError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({one_line(error)}); move it to the trash") from error
    if named:
        check_name(path, about.id)
    stamps = arrays.stamps_ns
    info = DemonstrationInfo(
        id=about.id,
        task_id=about.task_id,
        uri=path.resolve().as_uri(),
        source=about.source,
        outcome=outcome,
        stamp_ns=int(stamps[0]) if len(stamps) else 0,
        duration_s=float(stamps[-1] - stamps[0]) * 1e-9 if len(stamps) else 0.0,
        num_steps=len(arrays.actions),
        seed=about.seed,
        end_stamp_ns=0,
        about=about,
    )
    return info, arrays


def _check_arrays(arrays: Arrays) -> None:
    """Raise ValueError where they are no steps: not finite, not numbers, or not equally many."""
    observations, actions, stamps = arrays.observations, arrays.actions, arrays.stamps_ns
    if actions.ndim != 2 or stamps.ndim != 1:
        raise ValueError("its arrays are not (T, d)")
    if not len(observations) == len(actions) == len(stamps):
        raise ValueError(
            f"it has {len(observations)} observations, {len(actions)} actions and {len(stamps)} stamps"
        )
    if actions.dtype != np.float64 or stamps.dtype != np.int64:
        raise ValueError(f"its actions are {actions.dtype}, its stamps {stamps.dtype}")
    if not np.isfinite(actions).all():
        raise ValueError("it holds NaN or infinity")


def _fitted(info: DemonstrationInfo, arrays: Arrays, interface: Interface) -> Arrays:
    """Give the arrays as this interface names them.

    Raises:
        ContractError: another one made them; they cannot be made anew.
    """
    made_by = info.about.contract_hash
    try:
        if made_by and made_by != interface.hash:
            raise ValueError(f"their digest is {made_by}")
        if arrays.actions.shape[1] != len(interface.action_names):
            raise ValueError(f"they have {arrays.actions.shape[1]} action columns")
        return replace(arrays, observations=interface.layout.fit(arrays.observations))
    except ValueError as error:
        raise ContractError(
            f"its arrays were made in one process by contract {info.about.contract or 'unknown'!r}, not by "
            f"{interface.name!r} ({interface.hash}): {error}"
        ) from error
