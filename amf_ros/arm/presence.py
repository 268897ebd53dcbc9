"""Whether an arm is there: connects it, reads its newest state, and judges how old that is. No ROS.

presence = Presence(arm, max_age_ns=100_000_000)
if presence.look():
act_upon(presence.joints)
else:
print(presence.missing)          # why it may not be acted upon
"""

from __future__ import annotations

import time
from collections.abc import Callable

from amf_ros.arm.protocol import Arm
from amf_ros.core.errors import RobotFault
from amf_ros.core.values import JointState

RETRY_NS = 1_000_000_000
"""How often a lost arm is asked to connect [ns]."""


class Presence:
    """Watches one arm that lives by a clock of its own.

    Ages are counted from arrival on this computer's steady clock: how the arm's clock is set says nothing
    about whether its state is fresh, and a state that comes late again and again is no lost arm.

    Args:
        arm: to watch.
        max_age_ns: after which time without a new state the arm counts as lost [ns].
        clock_ns: a steady clock [ns].

    Attributes:
        joints: the newest state, under the arm's own stamp; None before the first.
        missing: why it may not be acted upon; empty where it may.
        fresh: whether the newest look brought a state that was not seen before.
    """

    def __init__(self, arm: Arm, max_age_ns: int, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._arm, self._max_age_ns, self._clock_ns = arm, max_age_ns, clock_ns
        self.joints: JointState | None = None
        self.missing = "the arm was not looked at yet"
        self.fresh = False
        self._came_ns = clock_ns()
        self._asked_ns: int | None = None

    @property
    def now_ns(self) -> int:
        """The time on the arm's clock: the newest stamp, and what passed here since it came [ns]."""
        stamp_ns = 0 if self.joints is None else self.joints.stamp_ns
        return stamp_ns + self._clock_ns() - self._came_ns

    def look(self) -> bool:
        """Take in the newest state. Say whether there is one that is fresh enough to act upon."""
        self.fresh = False
        try:
            if self.missing:
                self._connect()
            self.missing = self._read()
        except RobotFault as error:
            self.missing = str(error)
        return not self.missing

    def _connect(self) -> None:
        now_ns = self._clock_ns()
        if self._asked_ns is None or now_ns - self._asked_ns >= RETRY_NS:
            self._asked_ns = now_ns
            self._arm.connect()

    def _read(self) -> str:
        """Read once. Return why the state may not be acted upon, or an empty text."""
        joints, now_ns = self._arm.read(), self._clock_ns()
        if joints is not None:
            lacking = [name for name in self._arm.joint_names if name not in joints.names]
            if lacking:
                return f"the arm's state lacks joint {', '.join(lacking)}; it has {', '.join(joints.names)}"
            if self.joints is None or joints.stamp_ns != self.joints.stamp_ns:
                self.joints, self._came_ns, self.fresh = joints, now_ns, True
        age_s, allowed_s = (now_ns - self._came_ns) * 1e-9, self._max_age_ns * 1e-9
        if age_s > allowed_s:
            return f"no joint state came from the arm for {age_s:.2f} s, allowed is {allowed_s:g} s"
        return "" if joints is not None else "no joint state comes from the arm"
