"""Can a demonstration still be learned from? Judged while it is recorded: a person's time is not wasted.

A message that cannot be used is left out and counted; a stream of which too many cannot, which is too slow,
too old when commands come, or whose clock moved, ends the demonstration by name within a second. No rclpy.

    judging = Judging(contract, roles, exact=False)
    judging.message("joint_states", value, arrival_ns, now_s)      # raises BadMessage: leave it out
    judging.check(now_s)                                           # raises StaleObservation, BadStream
"""

from __future__ import annotations

import bisect
from collections import defaultdict, deque
from collections.abc import Mapping

import numpy as np

from amf_ros.arm.protocol import EPISODE_GAP_NS
from amf_ros.contract import Contract
from amf_ros.contract.holes import hole
from amf_ros.contract.intake import Intake
from amf_ros.core.errors import BadMessage, DataError, OutOfRange, StaleObservation
from amf_ros.core.values import JointPlan, Value

GRACE_S = 0.3  # so late may a state arrive that belongs before a command
WINDOW_S = 1.0  # of messages that a stream is judged by
FEWEST = 3  # messages that cannot be used, before a stream is given up for them
SHARE = 0.2  # of a stream's messages: so many may be of no use
LASTING_S = 0.5  # and for no longer than this
RATED_NS = 2_000_000_000  # of commands, before rates are judged
SLOWEST = 1.25  # periods of the contract between two commands


class BadStream(DataError):
    """What comes on a stream cannot be learned from; names the stream and the mend."""


class Reset(StaleObservation):
    """Scene, robot or clock began anew: what was recorded does not belong together."""


class Judging:
    """Of one demonstration.

    Args:
        roles: of the task.
        exact: lock-step: a step of a second is a reset, and stamps say nothing of delay.
    """

    def __init__(self, contract: Contract, roles: Mapping[str, str], *, exact: bool) -> None:
        self._contract, self._exact = contract, exact
        self._intake = Intake(contract, roles=roles, exact=exact)
        self._stamps: dict[str, list[int]] = {topic.name: [] for topic in contract.topics}
        self._pending: deque[tuple[int, float]] = deque()
        self._commands: list[int] = []
        self._judged_ns = 0  # the newest command that was looked at
        self._recent: dict[str, deque[tuple[float, bool]]] = defaultdict(deque)

    def message(self, topic: str, value: Value, arrival_ns: int, now_s: float) -> None:
        """Take in one message, with the stamp that counts.

        Raises:
            BadMessage: it cannot be used; the rest may.
            Reset: the stream's clock moved.
        """
        stamps = self._stamps.get(topic)
        if self._exact and stamps and not -EPISODE_GAP_NS < value.stamp_ns - stamps[-1] < EPISODE_GAP_NS:
            raise _jumped(topic, value.stamp_ns - stamps[-1])
        if self._intake.check(topic, value, arrival_ns) and topic != self._contract.applied.name:
            raise _jumped(topic, value.stamp_ns - (stamps[-1] if stamps else value.stamp_ns))
        self._count(topic, now_s, bad=False)
        if stamps is not None:
            bisect.insort(stamps, value.stamp_ns)
        elif topic == self._contract.record_from and not (isinstance(value, JointPlan) and value.stops):
            self._pending.append((value.stamp_ns, now_s))
            self._commands.append(value.stamp_ns)

    def skipped(self, error: BadMessage, now_s: float) -> None:
        """Note that a message was left out.

        Raises:
            BadStream: too many were: nothing would be learned from this stream.
        """
        recent = self._count(error.topic, now_s, bad=True)
        if error.topic == self._contract.applied.name:
            return  # without it the commands are learned as they were asked
        bad = [at_s for at_s, unusable in recent if unusable]
        lasting = isinstance(error, OutOfRange) or now_s - bad[0] >= LASTING_S
        if len(bad) >= FEWEST and lasting and len(bad) >= SHARE * len(recent):
            raise BadStream(f"{error} ({len(bad)} of the newest {len(recent)} messages cannot be used)")

    def check(self, now_s: float) -> None:
        """Look at what the newest messages do to the commands so far.

        Raises:
            StaleObservation: a stream is too slow, was too old when a command came, or has a hole.
        """
        while self._pending and now_s - self._pending[0][1] >= GRACE_S:
            command_ns = self._pending.popleft()[0]
            self._check_ages(command_ns)
            self._check_holes(command_ns)
        commands = self._commands
        if len(commands) > FEWEST and commands[-1] - commands[0] >= RATED_NS:
            self._check_rates(commands[0], commands[-1])

    def _check_ages(self, command_ns: int) -> None:
        for topic in self._contract.topics:
            stamps = self._stamps[topic.name]
            index = bisect.bisect_right(stamps, command_ns) - 1
            age_ns = command_ns - stamps[index] if index >= 0 else 0
            if age_ns > topic.max_age_ns:
                raise StaleObservation(
                    f"{topic.name} was {age_ns / 1e6:.0f} ms old when a command came on "
                    f"{self._contract.record_from}, allowed {topic.max_age_ns / 1e6:.0f} ms; look at its "
                    "publisher and the network, or raise align.max_age_ms in the contract"
                )

    def _check_holes(self, command_ns: int) -> None:
        before_ns, self._judged_ns = self._judged_ns, max(self._judged_ns, command_ns)
        for topic in self._contract.topics:
            problem = hole(topic, self._stamps[topic.name], before_ns or command_ns, command_ns)
            if problem:
                raise StaleObservation(problem)

    def _check_rates(self, first_ns: int, last_ns: int) -> None:
        seconds = (last_ns - first_ns) * 1e-9
        for topic in self._contract.topics:
            stamps = self._stamps[topic.name]
            count = bisect.bisect_right(stamps, last_ns) - bisect.bisect_left(stamps, first_ns)
            if (count + 1) / seconds < topic.min_rate_hz:
                raise StaleObservation(
                    f"{topic.name} comes at {count / seconds:.1f} Hz, allowed is no less than "
                    f"{topic.min_rate_hz:g} Hz; check its publisher and the network, then record again"
                )
        # A person who pauses is no slow device: the usual interval counts.
        interval = float(np.median(np.diff(self._commands[-100:]))) / self._contract.period_ns
        if interval > SLOWEST:
            fps = self._contract.fps
            raise StaleObservation(
                f"{self._contract.record_from} comes at {fps / interval:.1f} Hz and the contract needs "
                f"{fps:g} Hz; make the device publish faster or lower fps in the contract"
            )

    def _count(self, topic: str, now_s: float, *, bad: bool) -> deque[tuple[float, bool]]:
        recent = self._recent[topic]
        recent.append((now_s, bad))
        while now_s - recent[0][0] > WINDOW_S:
            recent.popleft()
        return recent


def _jumped(topic: str, by_ns: int) -> Reset:
    return Reset(
        f"{topic} jumped by {by_ns * 1e-9:.2f} s: the scene was reset, the robot restarted, or a clock was "
        "set while recording; record again"
    )
