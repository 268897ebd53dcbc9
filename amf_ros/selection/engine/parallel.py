"""Blocks of work that share nothing, on one thread for each core.

Every sum is made in one order, whatever the number of cores: a machine with more of them answers alike, to
the last bit. Imports cancellation.

    spread(work, blocks, threads=cores())
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from amf_ros.selection.cancellation import cancelled_by, current_check, raise_if_cancelled

T = TypeVar("T")


class Scratch:
    """Lends a worker the same arrays for each block: fresh ones of this size cost more than the sums."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return memory of this shape; what stands in it is of no meaning."""
        size = int(np.prod(shape))
        held = self._held.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._held[name] = np.empty(size, dtype)
        return held[:size].reshape(shape)


def spread(work: Callable[[T, Scratch], None], items: Sequence[T], threads: int) -> None:
    """Do ``work`` on each item, on up to ``threads`` threads; an error of one of them is raised."""
    rest, check = iter(items), current_check()

    def worker() -> None:
        scratch = Scratch()
        with cancelled_by(check):
            for item in rest:  # a list's iterator gives each item to one thread only
                raise_if_cancelled()
                work(item, scratch)

    if min(threads, len(items)) <= 1:
        worker()
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        for done in [pool.submit(worker) for _ in range(min(threads, len(items)))]:
            done.result()
