"""Arrival minus stamp of every stream: is a device's clock off? Imports contract only.

A message's stamp says when it was true, and messages are paired by stamps alone. A clock that lags by two
seconds pairs states with commands from two seconds before, and nothing else would show it.

    clocks = Clocks(contract)
    clocks.add("scene_state", stamp_ns, arrival_ns)
    text = clocks.problem()             # "" while all is well
    delay_s = clocks.delay_s("scene_state")

Arrivals are read from the clock that stamps are made by: wall time in real time; with simulated time and
in lock-step the robot's clock (``/clock``, or the newest joint state), never the wall.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from amf_ros.contract.contract import Contract
from amf_ros.contract.topics import NS_PER_MS, Topic

WINDOW = 201  # messages of a stream that its delay is the median of
JUDGE_NS = 1_000_000_000  # a stream is off when all of its messages were, for as long as this
NO_LIMIT_NS = 2**62
FEWEST = 3  # and at least as many


class _Stream:
    """One stream's offsets, and since when all of them are beyond what is allowed."""

    def __init__(self, allowed_ns: int) -> None:
        self.allowed_ns = allowed_ns or NO_LIMIT_NS
        self.offsets: deque[int] = deque(maxlen=WINDOW)
        self.off_since_ns: int | None = None
        self.num_off = 0
        self.newest_ns = 0

    def add(self, stamp_ns: int, arrival_ns: int) -> None:
        offset = arrival_ns - stamp_ns
        self.offsets.append(offset)
        self.newest_ns = arrival_ns
        if abs(offset) <= self.allowed_ns:
            self.off_since_ns, self.num_off = None, 0
            return
        if self.off_since_ns is None:
            self.off_since_ns = arrival_ns
        self.num_off += 1

    def off(self, final: bool) -> bool:
        if self.off_since_ns is None or self.num_off < FEWEST:
            return False
        return final or self.newest_ns - self.off_since_ns >= JUDGE_NS

    @property
    def median_ns(self) -> float:
        return float(np.median(self.offsets))


class Clocks:
    """Measures each stream that a contract reads, the demonstrator's commands too. Not for several threads.

    A stream is off when every message of a second or more arrived further from its stamp than
    ``align.max_offset_ms`` allows. A busy machine delays messages for a moment, and all streams alike: a
    moment is forgiven, and so is an offset that all streams share, which changes no pair.

    Args:
        topics: to measure; None = the contract's streams and commands.
    """

    def __init__(self, contract: Contract, topics: Iterable[Topic] | None = None) -> None:
        measured = (contract.command, *contract.topics) if topics is None else topics
        self._streams = {topic.name: _Stream(topic.max_offset_ns) for topic in measured}

    def add(self, topic: str, stamp_ns: int, arrival_ns: int) -> None:
        """Take in a message, with its stamp as :meth:`Topic.stamp_ns` corrects it; others are ignored."""
        stream = self._streams.get(topic)
        if stream is not None and stamp_ns > 0:
            stream.add(stamp_ns, arrival_ns)

    def delay_s(self, topic: str) -> float:
        """Median of arrival minus stamp over the newest messages [s]; NaN where none came."""
        stream = self._streams.get(topic)
        return stream.median_ns * 1e-9 if stream is not None and stream.offsets else float("nan")

    def problems(self, *, final: bool = False) -> dict[str, str]:
        """Topic -> what is wrong with its clock, in one line; empty while all is well.

        Args:
            final: nothing more comes: judge also what has been off for less than a second.
        """
        off = {name: stream for name, stream in self._streams.items() if stream.off(final)}
        if not off or self._all_alike():
            return {}
        return {name: _say(name, stream) for name, stream in off.items()}

    def problem(self, *, final: bool = False) -> str:
        """Return the first of :meth:`problems`, or an empty text."""
        return next(iter(self.problems(final=final).values()), "")

    def forget(self) -> None:
        """Begin anew: the robot's clock moved."""
        self._streams = {name: _Stream(stream.allowed_ns) for name, stream in self._streams.items()}

    def _all_alike(self) -> bool:
        """Say whether every stream is off by about the same: they still belong together."""
        seen = [stream for stream in self._streams.values() if stream.offsets]
        medians = [stream.median_ns for stream in seen]
        return len(seen) > 1 and max(medians) - min(medians) <= min(stream.allowed_ns for stream in seen)


def _say(name: str, stream: _Stream) -> str:
    offset, allowed = stream.median_ns, stream.allowed_ns / NS_PER_MS
    where = "after" if offset > 0 else "before"
    return (
        f"{name} arrives {_duration(abs(offset))} {where} its stamps, allowed {allowed:.0f} ms: its clock is "
        f"not the robot's; synchronise the clocks (chrony), or correct it in the contract by align: "
        f"{{stamp: receive}} or {{offset_ms: {offset / NS_PER_MS:.0f}}}"
    )


def _duration(ns: float) -> str:
    return f"{ns / NS_PER_MS:.0f} ms" if ns < 10_000 * NS_PER_MS else f"{ns * 1e-9:.0f} s"
