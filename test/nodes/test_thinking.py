"""A strategy's thread: who waits for it, how long, and what becomes of questions that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.deadline import DEADLINE_S

from amf_ros.core.errors import Cancelled, OutOfTime
from amf_ros.ros.selecting.thinking import Thinker
from amf_ros.selection.cancellation import raise_if_cancelled


class Stuck:
    """A thought that ends when it is let to."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, _: Any) -> str:
        self.begun.set()
        assert self.let.wait(DEADLINE_S)
        return "late"


@pytest.fixture
def thinker() -> Iterator[Thinker]:
    made = Thinker("slow", object(), most_waiting=2)  # type: ignore[arg-type]
    yield made
    made.close()


def test_an_answer_comes_back_and_so_does_an_error(thinker: Thinker) -> None:
    assert thinker.ask(lambda _: "answer", DEADLINE_S) == "answer"
    with pytest.raises(ZeroDivisionError):
        thinker.ask(lambda _: 1 // 0, DEADLINE_S)

    def own_timeout(_: Any) -> None:
        raise TimeoutError("the strategy's own")

    with pytest.raises(TimeoutError, match="own"):
        thinker.ask(own_timeout, DEADLINE_S)
    assert thinker.ask(lambda _: "again", DEADLINE_S) == "again"


def test_who_waits_too_long_is_told_and_the_strategy_stops_between_two_steps(thinker: Thinker) -> None:
    stopped = threading.Event()

    def steps(_: Any) -> None:
        try:
            while True:
                raise_if_cancelled()
        except OutOfTime:
            stopped.set()
            raise

    with pytest.raises(OutOfTime, match="'slow' gave no answer within 0.05 s"):
        thinker.ask(steps, 0.05)
    assert stopped.wait(DEADLINE_S)
    assert thinker.ask(lambda _: "next", DEADLINE_S) == "next"


def test_a_strategy_that_does_not_stop_refuses_at_once_until_it_has(
    thinker: Thinker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amf_ros.ros.selecting.thinking.STOPPING_S", 0.0)
    stuck = Stuck()
    with pytest.raises(OutOfTime, match="no answer"):
        thinker.ask(stuck, 0.05)
    with pytest.raises(OutOfTime, match="earlier question"):
        thinker.ask(lambda _: "refused", DEADLINE_S)
    stuck.let.set()
    end = threading.Event()
    answer = ""
    while not answer and not end.wait(0.01):
        try:
            answer = thinker.ask(lambda _: "free", DEADLINE_S)
        except OutOfTime:
            continue
    assert answer == "free"


def test_a_question_that_was_not_begun_is_forgotten_with_its_asker(thinker: Thinker) -> None:
    stuck, asked = Stuck(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(thinker.ask, stuck, DEADLINE_S)
        assert stuck.begun.wait(DEADLINE_S)
        with pytest.raises(OutOfTime):
            thinker.ask(lambda _: asked.set(), 0.05)
        stuck.let.set()
        assert first.result() == "late"
    assert thinker.ask(lambda _: "next", DEADLINE_S) == "next" and not asked.is_set()


def test_no_more_than_a_number_wait_and_closing_tells_those_who_do(thinker: Thinker) -> None:
    stuck = Stuck()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(thinker.ask, stuck, DEADLINE_S)
        assert stuck.begun.wait(DEADLINE_S)
        second = pool.submit(thinker.ask, lambda _: "second", DEADLINE_S)
        while thinker._waiting < 2:
            assert not second.done()
        with pytest.raises(OutOfTime, match="2 callers wait"):
            thinker.ask(lambda _: "third", DEADLINE_S)
        thinker.close()
        with pytest.raises(Cancelled, match="shutting down"):
            second.result(DEADLINE_S)
        stuck.let.set()
        assert first.result(DEADLINE_S) == "late"
    with pytest.raises(Cancelled):
        thinker.ask(lambda _: "after", DEADLINE_S)
