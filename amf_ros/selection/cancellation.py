"""Choices that nobody waits for any more are given up, between two of a strategy's steps.

    with cancelled_by(deadline_passed):
        strategy.select(problem)

    for _ in range(problem.num_tasks):   # in a strategy
        raise_if_cancelled()             # raises OutOfTime once deadline_passed() is true

A strategy that never asks is not stopped; its answer then comes too late for whoever asked. Imports errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amf_ros.core.errors import OutOfTime

_OF_THREAD = threading.local()


@contextmanager
def cancelled_by(check: Callable[[], bool] | None) -> Iterator[None]:
    """Make :func:`raise_if_cancelled` raise in this thread, inside the block, once ``check()`` is true.

    None never cancels.
    """
    before, _OF_THREAD.check = current_check(), check
    try:
        yield
    finally:
        _OF_THREAD.check = before


def current_check() -> Callable[[], bool] | None:
    """Return what may cancel this thread's choice, to be handed on to threads that work for it."""
    found: Callable[[], bool] | None = getattr(_OF_THREAD, "check", None)
    return found


def raise_if_cancelled() -> None:
    """Return at once where somebody still waits for the choice.

    Raises:
        OutOfTime: nobody does.
    """
    check = current_check()
    if check is not None and check():
        raise OutOfTime("stopped: nobody waits for this choice any more")
