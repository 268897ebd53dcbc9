"""How long a choice may take: whoever waits for it can give up; the strategy then stops between two steps.

    with until(deadline_passed):
        strategy.select(problem)

    for _ in range(problem.num_tasks):   # in a strategy
        go_on()                          # raises OutOfTime where nobody waits any more

A strategy that never asks is not stopped; its answer then comes too late for whoever asked. Imports errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amf_ros.core.errors import OutOfTime

_HERE = threading.local()


@contextmanager
def until(over: Callable[[], bool] | None) -> Iterator[None]:
    """Inside the block, :func:`go_on` of this thread raises as soon as ``over()`` is true; None = never."""
    before, _HERE.over = present(), over
    try:
        yield
    finally:
        _HERE.over = before


def present() -> Callable[[], bool] | None:
    """What limits this thread, to be handed on to threads that work for it."""
    found: Callable[[], bool] | None = getattr(_HERE, "over", None)
    return found


def go_on() -> None:
    """Return at once.

    Raises:
        OutOfTime: nobody waits for the choice any more.
    """
    over = present()
    if over is not None and over():
        raise OutOfTime("stopped: nobody waits for this choice any more")
