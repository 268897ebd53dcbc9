"""BLAS on one thread while choosing.

Small matrices gain nothing from a second BLAS thread on an idle machine, and on one whose cores are busy
with the rest of the graph the threads wait for each other (100 candidates: 42 ms with one, 3.8 s with two).
Large problems are cut into blocks instead (:mod:`amf_ros.selection.engine.parallel`).

    with one_blas_thread():
        ...
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController


class _Limit:
    """Limits the whole process: the first caller inside sets the limit, the last one out lifts it."""

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


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _limit(threads: Sequence[int]) -> None:
    """Set how many threads each library may use, for the caller that holds the lock."""
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
