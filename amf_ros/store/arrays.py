"""Demonstrations as arrays, one safetensors file each: what a session in one process keeps.

There are no ROS messages to keep there. The files lie beside recordings in the same folder, and
:class:`~amf_ros.store.demonstrations.DemonstrationStore` reads both. Imports contract, types, errors and
the rest of data only.

    write_arrays(path, demonstration, interface, recorded_ns=time.time_ns())
    info, arrays = read_arrays(path)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from amf_ros.contract import Interface
from amf_ros.core.errors import ContractError, DataError, ForeignFile, shown
from amf_ros.core.values import Demonstration, Outcome, Source
from amf_ros.store.files import one_line, storage_errors, write_whole
from amf_ros.store.metadata import About, DemonstrationInfo
from amf_ros.store.replay import Arrays

ARRAYS_SUFFIX = ".safetensors"


def write_arrays(
    path: Path, demonstration: Demonstration, interface: Interface | None, recorded_ns: int
) -> None:
    """Write one, whole or not at all.

    Args:
        path: of the file.
        demonstration: to keep.
        interface: whose columns the arrays have; None = nobody says.
        recorded_ns: wall clock [ns]: the order of demonstrations in a folder.

    Raises:
        StorageError: the disk is full or not writable.
    """
    arrays = {
        "observations": np.ascontiguousarray(demonstration.observations, dtype=np.float64),
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
        "contract": interface.name if interface is not None else "",
        "contract_hash": interface.hash if interface is not None else "",
    }
    with storage_errors(path):
        write_whole(path, save(arrays, about))


def read_arrays(path: Path, named: bool = True) -> tuple[DemonstrationInfo, Arrays]:
    """What a file says of itself, and what it holds.

    Args:
        path: of the file.
        named: whether it must be named after its id, as in the store.

    Raises:
        DataError: it is damaged, no demonstration, or named otherwise.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            data = file.metadata() or {}
            id_ = data["id"]  # first: another program's file has none
            arrays = Arrays(*(file.get_tensor(name) for name in ("observations", "actions", "stamps_ns")))
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
    if named and about.id != path.stem:
        raise ForeignFile(f"{path}: holds demonstration {shown(about.id)}: a copy, or renamed")
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
    if observations.ndim != 2 or actions.ndim != 2 or stamps.ndim != 1:
        raise ValueError("its arrays are not (T, d)")
    if not len(observations) == len(actions) == len(stamps):
        raise ValueError(
            f"it has {len(observations)} observations, {len(actions)} actions and {len(stamps)} stamps"
        )
    if observations.dtype != np.float64 or actions.dtype != np.float64 or stamps.dtype != np.int64:
        raise ValueError(f"its arrays are {observations.dtype}, {actions.dtype} and {stamps.dtype}")
    if not (np.isfinite(observations).all() and np.isfinite(actions).all()):
        raise ValueError("it holds NaN or infinity")


def check_columns(info: DemonstrationInfo, arrays: Arrays, interface: Interface) -> None:
    """Whether the arrays mean what this contract says: they cannot be made anew by another.

    Raises:
        ContractError: they do not.
    """
    made_by = info.about.contract_hash
    widths = arrays.observations.shape[1], arrays.actions.shape[1]
    if (made_by and made_by != interface.hash) or widths != (
        len(interface.observation_names),
        len(interface.action_names),
    ):
        raise ContractError(
            f"its {widths[0]} observation and {widths[1]} action columns were made in one process by "
            f"contract {info.about.contract or 'unknown'!r} ({made_by or 'unknown'}), not by "
            f"{interface.name!r} ({interface.hash})"
        )
