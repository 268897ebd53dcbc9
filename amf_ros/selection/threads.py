"""BLAS on one thread while choosing.

The matrices are small: a second thread gains nothing on an idle machine, and on one whose cores are busy
with the rest of the graph the threads wait for each other (100 candidates: 42 ms with one, 3.8 s with two).
It also keeps every sum in one order, so that the graph and the in-process session agree to the last bit.

    with one_blas_thread():
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit numpy's and scipy's BLAS to one thread inside the block."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # Looking for the loaded libraries takes milliseconds; they are all there once this module's users are.
    return ThreadpoolController()
