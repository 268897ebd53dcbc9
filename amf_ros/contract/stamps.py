"""Do the stamps of a stream go on as time does? Imports errors only.

stamps = Stamps({"joint_states": 100_000_000}, exact=False)
moved = stamps.check("joint_states", stamp_ns, arrival_ns)      # raises BadMessage where it jumped
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amf_ros.core.errors import BadMessage

LATEST_STAMP_NS = 2**62  # beyond it sums of stamps overflow


@dataclass
class _Clock:
    """Where one stream's stamps stand."""

    stamp_ns: int
    offset_ns: int  # the least arrival minus stamp
    strange_ns: int | None = None  # the stamp of the message before, which did not follow


class Stamps:
    """Follows the stamps of several streams.

    Args:
        ages_ns: topic -> by how much a stamp may be off from where time since the last one puts it [ns].
        exact: lock-step: stamps are the robot's and may jump, resets move them.
    """

    def __init__(self, ages_ns: Mapping[str, int], *, exact: bool) -> None:
        self._ages, self._exact = dict(ages_ns), exact
        self._clocks: dict[str, _Clock] = {}

    def forget(self) -> None:
        """Forget where stamps stood: they may jump without being doubted."""
        self._clocks.clear()

    def check(self, topic: str, stamp: int, arrival_ns: int, *, zero_is_now: bool = False) -> bool:
        """Take in a stamp; say whether its stream's clock moved (a reset).

        A stamp that jumps is refused once, and taken when the next message follows it.

        Args:
            topic: of the stream.
            stamp: of a message [ns].
            arrival_ns: of the same clock in each call [ns].
            zero_is_now: a stamp of zero is one that says so, not one that is missing.

        Raises:
            BadMessage: no clock shows the stamp, or it jumped.
        """
        if stamp < 0 or stamp > LATEST_STAMP_NS:
            raise BadMessage(topic, f"its stamp is {stamp * 1e-9:.9g} s, which no clock shows")
        if self._exact or (zero_is_now and stamp == 0):
            return False
        if stamp == 0:
            raise BadMessage(
                topic, "its header has no stamp; make the driver stamp it, or set align.stamp: receive"
            )
        known = self._clocks.get(topic)
        if known is None:
            self._clocks[topic] = _Clock(stamp, arrival_ns - stamp)
            return False
        # Since the message before would have arrived undelayed: one that was late makes no jump of the next.
        allowed, waited = self._ages.get(topic, 0), max(0, arrival_ns - known.stamp_ns - known.offset_ns)
        follows = -allowed <= stamp - known.stamp_ns <= allowed + waited
        if follows:
            known.stamp_ns = max(stamp, known.stamp_ns)
            known.offset_ns = min(arrival_ns - stamp, known.offset_ns)
            known.strange_ns = None
            return False
        strange, known.strange_ns = known.strange_ns, stamp
        if strange is not None and -allowed <= stamp - strange <= allowed + waited:
            self._clocks[topic] = _Clock(stamp, arrival_ns - stamp)
            return True
        raise BadMessage(
            topic,
            f"its stamp jumped by {(stamp - known.stamp_ns) * 1e-9:.3g} s in {waited * 1e-9:.3g} s; allowed "
            f"is {allowed / 1e6:.0f} ms more",
        )
