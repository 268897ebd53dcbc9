"""A strategy and the one thread that it thinks in: who asks waits in a thread of their own, and not for ever.

    thinker = Thinker("amf", strategy, most_waiting=96)
    answer = thinker.ask(lambda strategy: strategy.select(problem), patience_s=20.0)

Questions to one strategy are answered in turn; those to another one do not wait for them. A question whose
asker has gone is forgotten, or stopped between two of the strategy's steps (``selection/cancellation.py``). A
strategy that does not stop keeps nobody waiting: new questions to it are refused until it has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import TypeVar

from amf_ros.core.errors import Cancelled, OutOfTime, shown
from amf_ros.selection.base import Strategy
from amf_ros.selection.cancellation import cancelled_by

T = TypeVar("T")
STOPPING_S = 1.0  # a strategy that has not stopped this long after it was asked to counts as stuck


class Thinker:
    """Answers one question after another.

    Args:
        name: of the strategy, as it was asked for.
        strategy: keeps what it has computed.
        most_waiting: askers at one time; more are refused, so that they do not take the room of others.
    """

    def __init__(self, name: str, strategy: Strategy, most_waiting: int) -> None:
        self._name, self._strategy, self._most = name, strategy, most_waiting
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="thinking")
        self._lock = threading.Lock()
        self._waiting = 0
        self._now: threading.Event | None = None  # of the question that is being thought about
        self._left_s = 0.0  # when its asker gave up; 0 = has not

    def ask(self, think: Callable[[Strategy], T], patience_s: float) -> T:
        """Return or raise what ``think`` does, run in the strategy's thread.

        Raises:
            OutOfTime: it took longer, too many wait already, or the strategy is stuck.
            Cancelled: the thinker was closed.
        """
        with self._lock:
            self._check_room()
            self._waiting += 1
        gone = threading.Event()
        try:
            return self._wait(self._submit(think, gone), patience_s, gone)
        finally:
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        """Take no more questions; who waits for one that was not begun is told so."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_room(self) -> None:
        if self._left_s and time.monotonic() - self._left_s > STOPPING_S:
            raise OutOfTime(
                f"strategy {shown(self._name)} still works on an earlier question that nobody waits for; "
                "ask another strategy, or start the selector again"
            )
        if self._waiting >= self._most:
            raise OutOfTime(
                f"{self._waiting} callers wait for strategy {shown(self._name)} already; ask again later"
            )

    def _submit(self, think: Callable[[Strategy], T], gone: threading.Event) -> Future[T]:
        def run() -> T:
            self._begin(gone)
            try:
                with cancelled_by(gone.is_set):
                    return think(self._strategy)
            finally:
                self._begin(None)

        try:
            return self._pool.submit(run)
        except RuntimeError as error:
            raise Cancelled("the selector is shutting down; ask again") from error

    def _begin(self, gone: threading.Event | None) -> None:
        with self._lock:
            self._now, self._left_s = gone, time.monotonic() if gone and gone.is_set() else 0.0

    def _wait(self, future: Future[T], patience_s: float, gone: threading.Event) -> T:
        try:
            return future.result(timeout=patience_s)
        except CancelledError as error:
            raise Cancelled("the selector is shutting down; ask again") from error
        except TooLate as error:
            if future.done():  # the strategy's own, or the answer came just now
                return future.result()
            gone.set()
            future.cancel()
            with self._lock:
                if self._now is gone:
                    self._left_s = time.monotonic()
            raise OutOfTime(
                f"strategy {shown(self._name)} gave no answer within {patience_s:g} s; ask for fewer tasks, "
                "another strategy, or raise the selector's answer_s"
            ) from error
