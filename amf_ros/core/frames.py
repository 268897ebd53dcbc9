"""Frames: what a policy sees, as arrays by name. Numpy only.

A frame is of one instant, a mapping from the name of an entry to an array of its shape. :class:`Frames` holds
frames one after the other, or a batch of them: each array has one more axis, the first.

    frames = Frames.stacked([{"observation.state": np.zeros(3)}] * 5)
    frames["observation.state"].shape, len(frames)                      # (5, 3), 5
    frames[2:4].flat().shape                                            # (2, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.errors import DataError

Frame = Mapping[str, NDArray[Any]]
Rows = slice | NDArray[np.integer[Any]]

SINGLE = "observation"
"""The one entry of frames that are plain vectors: those of suites with a simulator, and of old files."""


class Frames:
    """Several frames with the same entries. Nothing in it may be written to once it is shared.

    Args:
        entries: name -> array (n, ...), all with the same n.

    Raises:
        DataError: there are no entries, or they are no arrays of one length.
    """

    def __init__(self, entries: Mapping[str, NDArray[Any] | Parts]) -> None:
        shapes = {name: values.shape for name, values in entries.items()}
        if len({shape[:1] for shape in shapes.values()}) != 1 or min(map(len, shapes.values())) < 2:
            raise DataError(f"frames need entries (n, ...) with one n for all, got {shapes or 'none'}")
        self._entries = dict(entries)
        self._length = next(iter(shapes.values()))[0]

    @classmethod
    def of_vectors(cls, vectors: NDArray[Any], name: str = SINGLE) -> Frames:
        """Make frames with one entry of vectors (n, d)."""
        return cls({name: vectors})

    @classmethod
    def stacked(cls, frames: Sequence[Frame]) -> Frames:
        """Put frames behind one another.

        Raises:
            DataError: there are none, so that nobody knows their entries.
        """
        if not frames:
            raise DataError("no frames to stack: their entries are not known")
        return cls.filled(len(frames), frames)

    @classmethod
    def filled(cls, length: int, frames: Iterable[Frame]) -> Frames:
        """Put ``length`` frames that come one by one behind one another; each is copied once and let go."""
        entries: dict[str, NDArray[Any]] = {}
        for row, frame in enumerate(frames):
            if not entries:
                entries = {n: np.empty((length, *np.shape(v)), np.asarray(v).dtype) for n, v in frame.items()}
            for name, values in frame.items():
                entries[name][row] = values
        return cls(entries)

    @classmethod
    def joined(cls, parts: Sequence[Frames]) -> Frames:
        """Put several frames behind one another. Vectors are copied; pictures stay where they are."""
        if len(parts) == 1:
            return parts[0]
        entries: dict[str, NDArray[Any] | Parts] = {}
        for name in parts[0].names:
            arrays = [part[name] for part in parts]
            entries[name] = Parts(arrays) if arrays[0].ndim > 2 else np.concatenate(arrays)
        return cls(entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the entries."""
        return tuple(self._entries)

    def items(self) -> Iterable[tuple[str, NDArray[Any]]]:
        """Give the entries with their names."""
        return ((name, self[name]) for name in self._entries)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, key: str) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, key: Rows) -> Frames: ...

    def __getitem__(self, key: str | Rows) -> NDArray[Any] | Frames:
        """Give an entry by name, (n, ...), or frames by their numbers."""
        if isinstance(key, str):
            if key not in self._entries:
                raise DataError(f"frames have no entry {key!r}; they have {', '.join(self._entries)}")
            values = self._entries[key]
            return values.whole() if isinstance(values, Parts) else values
        return Frames({name: values[key] for name, values in self._entries.items()})

    def flat(self) -> NDArray[Any]:
        """Join all entries to vectors (n, d), in their order.

        Raises:
            DataError: an entry is no vector, a picture for example; names it.
        """
        for name, values in self._entries.items():
            if len(values.shape) != 2:
                raise DataError(f"{name} has shape {values.shape[1:]} and is no vector")
        arrays = [self[name] for name in self._entries]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)

    def split(self, sizes: Mapping[str, int]) -> Frames:
        """Divide frames of one entry of vectors into entries of these sizes, in this order."""
        ends = np.cumsum(list(sizes.values()))[:-1]
        return Frames(dict(zip(sizes, np.split(self.flat(), ends, axis=1), strict=True)))

    def float32(self) -> Frames:
        """Give decimals as float32, as policies take them; pictures stay whole numbers."""
        return self._mapped(lambda v: v.astype(np.float32, copy=False) if v.dtype.kind == "f" else v)

    def frozen(self) -> Frames:
        """Forbid to write into any of the arrays: they are shared from now on."""
        for values in self._entries.values():
            for array in values.parts if isinstance(values, Parts) else (values,):
                array.setflags(write=False)
        return self

    def first_bad(self) -> str:
        """Name the first entry that holds NaN or infinity; an empty text where all is finite."""
        decimals = (name for name, values in self._entries.items() if values.dtype.kind == "f")
        return next((name for name in decimals if not np.isfinite(self[name]).all()), "")

    def update(self, digest: Any) -> None:
        """Feed everything into a hash: vectors as one row each, then other entries by name."""
        vectors = {n: v for n, v in self._entries.items() if len(v.shape) == 2}
        if vectors:
            digest.update(np.ascontiguousarray(Frames(vectors).flat()).tobytes())
        for name, values in self._entries.items():
            if name not in vectors:
                digest.update(name.encode())
                for array in values.parts if isinstance(values, Parts) else (values,):
                    digest.update(np.ascontiguousarray(array).data)

    def _mapped(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Frames:
        return Frames({n: v if isinstance(v, Parts) else change(v) for n, v in self._entries.items()})


class Parts:
    """Arrays that count as one behind another, without a copy until rows of them are asked for."""

    def __init__(self, parts: Sequence[NDArray[Any]]) -> None:
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *self.parts[0].shape[1:])
        self.dtype = self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        wanted = np.arange(len(self))[rows]
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        which = np.searchsorted(self._ends, wanted, side="right")
        for number in np.unique(which):
            here, part = which == number, self.parts[number]
            found[here] = part[wanted[here] - (self._ends[number] - len(part))]
        return found

    def whole(self) -> NDArray[Any]:
        """Copy everything into one array."""
        return np.concatenate(self.parts)
