"""Threads while choosing: BLAS on one, and the work spread in blocks where there is much of it.

Small matrices gain nothing from a second BLAS thread on an idle machine, and on one whose cores are busy
with the rest of the graph the threads wait for each other (100 candidates: 42 ms with one, 3.8 s with two).
Large problems are cut into blocks that share nothing, one thread for each core. So every sum is made in
one order, whatever the number of cores: a machine with more of them answers alike, to the last bit.

    with one_blas_thread():
        spread(work, blocks, threads=cores())
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import OpenBLASController, ThreadpoolController

from amf_ros.selection.patience import go_on, present, until

T = TypeVar("T")


class _Limit:
    """The limit is the process's: it is set by the first caller inside and lifted by the last one out."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, [0]

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [library.num_threads for library in _libraries()]
                _limit([1] * len(self._before))
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _limit(self._before)


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit numpy's and scipy's BLAS to one thread inside the block, also with concurrent callers."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


class Scratch:
    """Arrays that one worker uses again for each block: fresh ones of this size cost more than the sums."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(held.nbytes for held in self._held.values())

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Memory of this shape; what stands in it is of no meaning."""
        size = int(np.prod(shape))
        held = self._held.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._held[name] = np.empty(size, dtype)
        return held[:size].reshape(shape)


def spread(
    work: Callable[[T, Scratch], None], items: Sequence[T], threads: int, scratch: Scratch | None = None
) -> None:
    """``work`` on each item, on up to ``threads`` threads; an error of one of them is raised.

    ``scratch`` is used where one thread is enough.
    """
    rest, over = iter(items), present()

    def worker(own: Scratch | None = None) -> None:
        own = own or Scratch()
        with until(over):
            for item in rest:  # a list's iterator gives each item to one thread only
                go_on()
                work(item, own)

    if min(threads, len(items)) <= 1:
        worker(scratch)
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        for done in [pool.submit(worker) for _ in range(min(threads, len(items)))]:
            done.result()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _limit(threads: Sequence[int]) -> None:
    """How many threads each library may use; for the caller that holds the lock, whichever thread it is."""
    # threadpoolctl 3.8 takes limits of OpenBLAS from the first thread that set one and, unless told that it
    # is done, ignores all others without a word.
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)
    for library, number in zip(_libraries(), threads):
        library.set_num_threads(number)


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    # Looking for the loaded libraries takes milliseconds; they are all there once this module's users are.
    # ThreadpoolController.limit() would ask each of them for all it knows, each time.
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
