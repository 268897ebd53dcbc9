"""Candidates in blocks: what is kept of each, and as much of it as memory allows.

    blocks = arrange(names, length, room)

A block holds candidates with the same number of states, so few of them that its cross-covariances stay in
a processor's cache while they are updated and scored. Imports threads and types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.selection.threads import Scratch
from amf_ros.types import Array

Floats = NDArray[Any]

BLOCK_BYTES = 3 << 20
"""Of one block's cross-covariances: they and two arrays to work in fit a core's share of the cache."""


@dataclass(eq=False)
class Block:
    """Candidates with the same number T of states.

    Attributes:
        names: of the c candidates.
        states: T.
        keeps: how much is kept between calls: 0 nothing, 1 ``psi``, 2 all.
        psi: (c, T, p) whitened expected trajectories, as of when the workspace was made.
        cross: (c, T, E) covariance with the evaluation states, given all that is applied.
        gram: (c, T, T) covariance of the candidate's own states, given all that is applied.
        sizes: (c,) |psi|.
    """

    names: list[str]
    states: int
    keeps: int = 0
    psi: Floats | None = None
    cross: Floats | None = None
    gram: Array | None = None
    sizes: Array | None = None

    def held(self) -> int:
        """Bytes kept."""
        return sum(array.nbytes for array in self._arrays() if array is not None)

    def without(self, names: set[str]) -> Block:
        """The block less some candidates."""
        rows = [i for i, key in enumerate(self.names) if key not in names]
        kept = [None if array is None else array[rows] for array in self._arrays()]
        return Block([self.names[i] for i in rows], self.states, self.keeps, *kept)

    def assign(self, other: Block) -> None:
        """Take over what another block keeps of some of the same candidates."""
        rows = [self.names.index(key) for key in other.names]
        for mine, theirs in zip(self._arrays(), other._arrays()):
            if mine is not None:
                mine[rows] = theirs

    def _arrays(self) -> tuple[Floats | None, ...]:
        return self.psi, self.cross, self.gram, self.sizes


@dataclass(frozen=True, eq=False)
class Pending:
    """What kept blocks have not taken in yet.

    Attributes:
        taken: (m, p) rows of W.
        shared: (m, E) W Psi_E^T.
        known: of those rows, how many to keep; the rest is planned only.
        stale: columns whose evaluation states changed.
        again: (len(stale), p) these states, given all that is known.
    """

    taken: Floats
    shared: Floats
    known: int
    stale: NDArray[np.int64]
    again: Floats

    def apply(self, block: Block, scratch: Scratch) -> tuple[Floats, Array]:
        """Update a block that keeps all, and give its covariances with what is planned."""
        psi, cross, gram, known = block.psi, block.cross, block.gram, self.known
        if psi is None or cross is None or gram is None:
            raise ValueError(f"a block of {len(block.names)} candidates keeps no covariances to update")
        rows = psi.reshape(-1, psi.shape[2])
        part = rows @ self.taken.T  # (c T, m)
        flat = cross.reshape(len(rows), -1)
        if known:
            change = scratch.array("change", flat.shape, flat.dtype)
            np.matmul(part[:, :known], self.shared[:known], out=change)
            np.subtract(flat, change, out=flat)
            gram -= gram_of(part[:, :known].reshape(*psi.shape[:2], known))
        if len(self.stale):
            flat[:, self.stale] = rows @ self.again.T
        if part.shape[1] == known:
            return cross, gram
        change = scratch.array("change", flat.shape, flat.dtype)
        np.matmul(part[:, known:], self.shared[known:], out=change)
        np.subtract(flat, change, out=change)
        return change.reshape(cross.shape), gram - gram_of(part[:, known:].reshape(*psi.shape[:2], -1))


@dataclass(frozen=True)
class Room:
    """A candidate's state takes ``width`` + ``columns`` numbers of ``entry`` bytes; ``spare`` in all."""

    width: int
    columns: int
    entry: int
    spare: int


def arrange(names: Sequence[str], length: Callable[[str], int], room: Room) -> list[Block]:
    """Empty blocks for candidates of ``length`` states: the first are to keep all, the last nothing."""
    blocks, spare = [], room.spare
    for states, group in groupby(sorted(names, key=length), key=length):
        members = list(group)
        count = max(1, min(64, BLOCK_BYTES // (states * room.columns * room.entry)))
        for start in range(0, len(members), count):
            block = Block(members[start : start + count], states)
            rows = len(block.names) * states
            for numbers in (rows * room.width, rows * (room.columns + 2 * states + 2)):
                if numbers * room.entry > spare:
                    break
                spare -= numbers * room.entry
                block.keeps += 1
            blocks.append(block)
    return blocks


def in_float64(names: Sequence[str], length: Callable[[str], int], room: Room) -> list[Block]:
    """Blocks that keep nothing, for scoring some candidates once."""
    return arrange(names, length, Room(room.width, room.columns, 8, 0))


def sizes_of(psi: Floats) -> Array:
    """|Psi_c| of each candidate, (c, T, p) -> (c,)."""
    sizes: Array = np.sqrt(np.einsum("ctp,ctp->c", psi, psi, dtype=np.float64))
    return sizes


def gram_of(psi: Floats) -> Array:
    """Psi_c Psi_c^T of each candidate, (c, T, p) -> (c, T, T)."""
    gram: Array = np.matmul(psi, psi.transpose(0, 2, 1)).astype(np.float64)
    return gram
