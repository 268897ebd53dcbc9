"""Candidates in blocks: what is kept of each, and as much of it as memory allows.

    blocks = arrange(names, shape, room)

A block holds candidates with the same number of states, so few of them that its cross-covariances stay in
a processor's cache while they are updated and scored. A candidate that is a target too has its expected
trajectory among the evaluation states: what products with those are known need no second computing.
Imports threads and types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm

from amf_ros.core.values import Array
from amf_ros.selection.threads import Scratch

Floats = NDArray[Any]

BLOCK_BYTES = 3 << 20
"""Of one block's cross-covariances: they and two arrays to work in fit a core's share of the cache."""


TOGETHER = 1024
"""States of candidates to multiply with the evaluation states at once: for those of a single block BLAS packs
the evaluation states as often (first choice among 5,000 candidates: 1.70 s in place of 1.95 s)."""


@dataclass(eq=False)
class Block:
    """Candidates with the same number T of states.

    Attributes:
        names: of the c candidates.
        states: T.
        keeps: how much is kept between calls: 0 nothing, 1 ``psi``, 2 all.
        factors: (c, T) by which the whitened states are multiplied: the root of what each counts.
        columns: (c, T) where among the evaluation states they stand, or None.
        psi: (c, T, p) whitened expected trajectories, as of when the workspace was made; None where
            ``columns`` tell.
        cross: (c, T, E) covariance with the evaluation states, given all that is applied.
        gram: (c, T, T) covariance of the candidate's own states, given all that is applied.
        sizes: (c,) |psi|.
    """

    names: list[str]
    states: int
    keeps: int = 0
    factors: Array | None = None
    columns: NDArray[np.intp] | None = None
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

    def products(self, rows: Floats, width: int) -> Floats:
        """Psi_c X^T, (c T, m), from rows [X, X Psi_E^T] whose first ``width`` columns are X."""
        if self.columns is None or self.factors is None:
            if self.psi is None:
                raise ValueError(f"a block of {len(self.names)} candidates keeps no states")
            found: Floats = self.psi.reshape(-1, width) @ rows[:, :width].T
            return found
        picked = np.take(rows, (self.columns + width).ravel(), axis=1)
        picked *= self.factors.ravel()
        return picked.T

    def _arrays(self) -> tuple[Floats | None, ...]:
        return self.factors, self.columns, self.psi, self.cross, self.gram, self.sizes


@dataclass(frozen=True, eq=False)
class Pending:
    """What kept blocks have not taken in yet. Rows X are [X, X Psi_E^T], (m, p + E).

    Attributes:
        width: p.
        looks: W.
        known: of its rows, how many to keep; the rest is planned only.
        stale: columns whose evaluation states changed.
        again: these states, given all that is known.
    """

    width: int
    looks: Floats
    known: int
    stale: NDArray[np.int64]
    again: Floats

    def apply(self, block: Block, scratch: Scratch) -> tuple[Floats, Array]:
        """Update a block that keeps all, and give its covariances with what is planned."""
        cross, gram, known = block.cross, block.gram, self.known
        if cross is None or gram is None:
            raise ValueError(f"a block of {len(block.names)} candidates keeps no covariances to update")
        part, shared = block.products(self.looks, self.width), self.looks[:, self.width :]  # (c T, m), (m, E)
        flat = cross.reshape(len(part), -1)
        if known:
            _subtract(flat, part[:, :known], shared[:known], scratch)
            gram -= gram_of(part[:, :known].reshape(*cross.shape[:2], known))
        if len(self.stale):
            flat[:, self.stale] = block.products(self.again, self.width)
        if part.shape[1] == known:
            return cross, gram
        change = scratch.array("change", flat.shape, flat.dtype)
        np.matmul(part[:, known:], shared[known:], out=change)
        np.subtract(flat, change, out=change)
        return change.reshape(cross.shape), gram - gram_of(part[:, known:].reshape(*cross.shape[:2], -1))


def _subtract(rows: Floats, left: Floats, right: Floats, scratch: Scratch) -> None:
    """Take left @ right from (n, E) rows, in place."""
    if rows.dtype == np.float64:  # few: no need to write the product down, nor to let other threads work
        taken = dgemm(-1.0, right.T, left.T, 1.0, rows.T, overwrite_c=1)
        if not np.may_share_memory(taken, rows):
            rows[:] = taken.T
        return
    change = scratch.array("change", rows.shape, rows.dtype)
    np.matmul(left, right, out=change)
    np.subtract(rows, change, out=rows)


@dataclass(frozen=True, eq=False)
class Totals:
    """Scores of candidates, in the order they were asked for.

    Attributes:
        gains: (candidates, m) gain summed over the targets, for each of m weightings.
        std: (candidates,) mean posterior standard deviation of the candidate's own states.
        sizes: (candidates,) |Psi_c|.
        matrix: (candidates, targets) gain about each target, or None.
    """

    gains: Array
    std: Array
    sizes: Array
    matrix: Floats | None


@dataclass(frozen=True)
class Room:
    """``columns`` numbers of ``entry`` bytes for each state of a candidate; ``spare`` bytes in all."""

    columns: int
    entry: int
    spare: int


Shape = Callable[[str], tuple[int, int]]
"""Of a candidate: states, and numbers to keep of each whitened one."""


def arrange(names: Sequence[str], shape: Shape, room: Room) -> list[Block]:
    """Empty blocks for candidates of one shape: the first are to keep all, the last nothing."""
    blocks, spare = [], room.spare
    for (states, width), group in groupby(sorted(names, key=shape), key=shape):
        members = list(group)
        count = max(1, min(64, BLOCK_BYTES // (states * room.columns * room.entry)))
        for start in range(0, len(members), count):
            block = Block(members[start : start + count], states)
            rows = len(block.names) * states
            for numbers in (rows * width, rows * (room.columns + 2 * states + 6)):
                if numbers * room.entry > spare:
                    break
                spare -= numbers * room.entry
                block.keeps += 1
            blocks.append(block)
    return blocks


def together(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks with as many states in groups of up to :data:`TOGETHER` rows."""
    groups: list[list[Block]] = []
    rows = 0
    for block in blocks:
        more = len(block.names) * block.states
        if not groups or groups[-1][0].states != block.states or rows + more > TOGETHER:
            groups.append([])
            rows = 0
        groups[-1].append(block)
        rows += more
    return groups


def in_float64(names: Sequence[str], shape: Shape, room: Room) -> list[Block]:
    """Blocks that keep nothing, for scoring some candidates once."""
    return arrange(names, shape, Room(room.columns, 8, 0))


def sizes_of(psi: Floats) -> Array:
    """|Psi_c| of each candidate, (c, T, p) -> (c,)."""
    sizes: Array = np.sqrt(np.einsum("ctp,ctp->c", psi, psi, dtype=np.float64))
    return sizes


def gram_of(psi: Floats) -> Array:
    """Psi_c Psi_c^T of each candidate, (c, T, p) -> (c, T, T)."""
    gram: Array = np.matmul(psi, psi.transpose(0, 2, 1)).astype(np.float64)
    return gram
