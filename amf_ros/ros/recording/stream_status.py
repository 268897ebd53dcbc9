"""How the recorder's streams arrive, counted and shown. Message classes only, no nodes.

meter = Meter("joint_states", "sensor_msgs/msg/JointState", required=True)
meter.arrived(now_s)
message = statuses_msg(stamp, recording, [(meter, delay_s, problem), ...], now_s)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time

from amf_msgs.msg import StreamStatus, StreamStatuses

WINDOW_S = 2.0
MOST_KEPT = 2000  # arrivals: enough for two seconds of a stream at 1 kHz


@dataclass
class Meter:
    """Counts one stream; arrivals are by a monotonic clock [s]."""

    topic: str
    type: str
    required: bool
    num_messages: int = 0
    num_skipped: int = 0
    problem: str = ""
    _arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def arrived(self, now_s: float) -> None:
        """Note one message, usable or not."""
        self.num_messages += 1
        self._arrivals.append(now_s)

    def skipped(self, problem: str) -> None:
        """Note that the newest message cannot be used, and why."""
        self.num_skipped += 1
        self.problem = problem

    def begin(self) -> None:
        """Count anew; what has arrived stays known."""
        self.num_messages = self.num_skipped = 0
        self.problem = ""

    def rate_hz(self, now_s: float) -> float:
        """Messages per second, of the last two seconds."""
        recent = [at_s for at_s in self._arrivals if now_s - at_s <= WINDOW_S]
        if len(recent) < 2 or recent[-1] == recent[0]:
            return len(recent) / WINDOW_S
        silent_s = now_s - recent[-1]
        usual_s = (recent[-1] - recent[0]) / (len(recent) - 1)
        return (len(recent) - 1) / (recent[-1] - recent[0] + max(0.0, silent_s - usual_s))

    def age_s(self, now_s: float) -> float:
        """Since the newest message arrived [s]; NaN where none came."""
        return now_s - self._arrivals[-1] if self._arrivals else float("nan")


def statuses_msg(
    stamp: Time, recording: bool, streams: Iterable[tuple[Meter, float, str]], now_s: float
) -> StreamStatuses:
    """Tell of every stream its meter, delay [s] and what is wrong with it now; empty = as its meter says."""
    return StreamStatuses(
        stamp=stamp,
        recording=recording,
        streams=[
            StreamStatus(
                topic=meter.topic,
                type=meter.type,
                required=meter.required,
                num_messages=meter.num_messages,
                num_skipped=meter.num_skipped,
                rate_hz=meter.rate_hz(now_s),
                age=meter.age_s(now_s),
                delay=delay_s,
                problem=problem or meter.problem,
            )
            for meter, delay_s, problem in streams
        ],
    )
