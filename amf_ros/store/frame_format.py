"""Frames in safetensors files: one tensor for each entry, ``observations/<entry>``. Imports core only.

The file's metadata keep the order of the entries. Files of older versions have one tensor ``observations`` of
vectors, which is read as one entry.

    data = save(frame_tensors(frames), frame_order(frames))
    frames = read_frames(file)                      # an opened safetensors file
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.frames import SINGLE, Frames

_PREFIX, _OLD = "observations/", "observations"
_DTYPES = ("float64", "uint8", "uint16")


def frame_tensors(frames: Frames) -> dict[str, NDArray[Any]]:
    """Give frames as tensors by name."""
    return {_PREFIX + name: np.ascontiguousarray(values) for name, values in frames.items()}


def frame_order(frames: Frames) -> dict[str, str]:
    """Give the names of the entries in their order, as metadata of the file: tensors have no order there."""
    return {_OLD: json.dumps(frames.names)}


def read_frames(file: Any) -> Frames:
    """Read the frames of an opened safetensors file.

    Raises:
        KeyError: it holds none.
        ValueError: they are no frames: of other kinds of numbers, not finite, or not equally many.
    """
    order = (file.metadata() or {}).get(_OLD)
    if order is None:
        entries = {SINGLE: file.get_tensor(_OLD)}
    else:
        entries = {name: file.get_tensor(_PREFIX + name) for name in json.loads(order)}
    for name, values in entries.items():
        if values.dtype.name not in _DTYPES or values.ndim < 2:
            raise ValueError(f"{name} is {values.dtype} {values.shape}, no entry of frames")
    lengths = {len(values) for values in entries.values()}
    if len(lengths) != 1:
        raise ValueError("its entries are not equally many")
    frames = Frames(entries)
    if bad := frames.first_bad():
        raise ValueError(f"{bad} holds NaN or infinity")
    return frames
