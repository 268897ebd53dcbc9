"""Whether an arm is there: connects it, reads its newest state, and judges how old that is. No ROS.

    presence = Presence(arm, max_age_ns=100_000_000)
    if presence.look():
        act_upon(presence.joints)
    else:
        print(presence.missing)          # why it may not be acted upon

An arm's code is written by others and talks to devices: whatever it raises, or says that is no state, is a
fault of the arm, by name, and never ends the node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from amf_ros.arm.protocol import Arm
from amf_ros.core.errors import RobotFault, raised
from amf_ros.core.values import JointState

RETRY_NS = 1_000_000_000
"""How often a lost arm is asked to connect [ns]."""
LAST_STAMP_NS = (2**31 - 1) * 1_000_000_000  # of what a message can carry


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever the arm's own code raises inside the block into a fault of the arm.

    Raises:
        RobotFault: what was raised, and where.
    """
    try:
        yield
    except RobotFault:
        raise
    except Exception as error:  # code of others, talking to devices: its error must not end the node
        raise RobotFault(f"the arm's {what} raised {raised(error)}") from error


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
            with asking("connect"):
                self._arm.connect()

    def _read(self) -> str:
        """Read once. Return why the state may not be acted upon, or an empty text."""
        with asking("read"):
            read = self._arm.read()
            joints = None if read is None else _as_arrays(read)
        now_ns = self._clock_ns()
        if joints is not None:
            wrong = self._find_wrong(joints)
            if wrong:
                return wrong
            last = self.joints
            if last is None or joints.stamp_ns != last.stamp_ns:
                self.joints, self._came_ns, self.fresh = joints, now_ns, True
            if last is not None and joints.stamp_ns < last.stamp_ns:
                back_s = (last.stamp_ns - joints.stamp_ns) * 1e-9
                return f"the arm's clock went back by {back_s:.3f} s; its stamps must not decrease"
        age_s, allowed_s = (now_ns - self._came_ns) * 1e-9, self._max_age_ns * 1e-9
        if age_s > allowed_s:
            # Without its age: one fault is told once, not in every period.
            return f"no joint state came from the arm for more than {allowed_s:g} s"
        return "" if joints is not None else "no joint state comes from the arm"

    def _find_wrong(self, joints: JointState) -> str:
        """Return why this is no state of the arm, or an empty text."""
        wanted, names = self._arm.joint_names, joints.names
        if joints.position.shape != (len(names),):
            return f"the arm's state has {len(names)} names and positions of shape {joints.position.shape}"
        lacking = [name for name in wanted if name not in names]
        if lacking:
            return f"the arm's state lacks joint {', '.join(lacking)}; it has {', '.join(names)}"
        for name, position in zip(names, joints.position.tolist(), strict=True):
            if name in wanted and (not np.isfinite(position) or names.count(name) > 1):
                what = "stands twice" if names.count(name) > 1 else f"is {position}"
                return f"joint {name} of the arm's state {what}; each needs one finite position"
        if not 0 <= joints.stamp_ns <= LAST_STAMP_NS:
            return f"the arm's state is stamped {joints.stamp_ns} ns; allowed is 0 to {LAST_STAMP_NS}"
        return ""


def _as_arrays(joints: JointState) -> JointState:
    """Return a state whose numbers are numbers; velocities that are not given one to one are NaN."""
    names, stamp_ns = tuple(joints.names), int(joints.stamp_ns)
    position = np.array(joints.position, dtype=np.float64)
    velocity = np.array(joints.velocity, dtype=np.float64)
    if velocity.shape != (len(names),):
        velocity = np.full(len(names), np.nan)
    return replace(joints, stamp_ns=stamp_ns, names=names, position=position, velocity=velocity)
