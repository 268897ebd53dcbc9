"""An arm that is no simulator, robot:=support.lab_arm:LabArm. When told to, it lags, refuses and vanishes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from amf_ros.arm.protocol import JointLimit, RobotContext
from amf_ros.core.errors import CommandRefused, RobotFault
from amf_ros.core.values import Array, JointCommand, JointState

JOINTS = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")
HOME = np.array([0.0, -0.328, 0.0, -2.549, 0.0, 2.221, 0.785, 0.03])
SAMPLE_NS = 10_000_000


class LabArm:
    """Goes where it is told at its joints' velocity, and says so by a clock of its own, at 100 Hz.

    Attributes:
        newest: the one that was made last.
        ahead_ns: of this computer's wall clock, its clock.
        lag_ns: how late its states come.
        gone: it does not answer at all.
        frozen: it says the same state again and again.
        protective: why it says that it cannot move.
        refuses: why it refuses what it is told.
        says: what it makes of each state that it says, or raises.
        breaks: the calls, ``write`` or ``hold``, that raise an error of its own.
    """

    newest: ClassVar[LabArm]
    born_gone: ClassVar[bool] = False
    joint_names = JOINTS
    limits: ClassVar[dict[str, JointLimit]] = {
        **{name: JointLimit(-2.9, 3.8, 2.0, 87.0) for name in JOINTS[:7]},
        JOINTS[7]: JointLimit(0.0, 0.04, 0.2, 20.0),
    }
    ahead_ns = 7_000_000_000

    def __init__(self, context: RobotContext) -> None:
        LabArm.newest = self
        self.context = context
        self.lag_ns = 0
        self.gone, self.frozen, self.protective, self.refuses = self.born_gone, False, "", ""
        self.says: Callable[[JointState], Any] = lambda state: state
        self.breaks: tuple[str, ...] = ()
        self.connects = self.holds = 0
        self.closed = False
        self.written: list[JointCommand] = []
        self.said: set[int] = set()
        self.position = HOME.copy()
        self.target = HOME.copy()
        self._states: deque[tuple[int, Array]] = deque(maxlen=200)
        self._reached_ns = time.time_ns()

    def connect(self) -> None:
        self.connects += 1
        if self.gone:
            raise RobotFault("nothing answers at arm.example: is it switched on?")

    def read(self) -> JointState | None:
        self._go_on()
        if self.protective:
            raise RobotFault(self.protective)
        due_ns = time.time_ns() - self.lag_ns
        due = [state for state in self._states if state[0] <= due_ns]
        if self.gone or not due:
            return None
        taken_ns, position = due[-1]
        stamp_ns = taken_ns + self.ahead_ns
        self.said.add(stamp_ns)
        # In the order of a driver, with a joint of the table it stands on.
        names = ("lift", *reversed(JOINTS))
        values = np.array([0.5, *reversed(position.tolist())])
        return self.says(JointState(stamp_ns, names, values, np.zeros(len(names))))

    def write(self, command: JointCommand, ahead: Sequence[JointCommand] = ()) -> None:
        if self.closed:
            raise RobotFault("the arm is closed")
        self._break("write")
        if self.refuses:
            raise CommandRefused("controller inactive", self.refuses)
        self.written.append(command)
        for name, value in zip(command.names, command.position.tolist(), strict=True):
            self.target[JOINTS.index(name)] = value

    def hold(self) -> None:
        self.holds += 1
        self._break("hold")
        if self.gone:
            raise RobotFault("nothing answers at arm.example: is it switched on?")
        self.target = self.position.copy()

    def close(self) -> None:
        self.closed = True

    def _break(self, call: str) -> None:
        if call in self.breaks:
            raise ConnectionResetError(104, "Connection reset by peer")

    def _go_on(self) -> None:
        """Move, and take a sample every 10 ms."""
        fastest = np.array([self.limits[name].velocity for name in JOINTS]) * SAMPLE_NS * 1e-9
        while not self.frozen and self._reached_ns + SAMPLE_NS <= time.time_ns():
            self._reached_ns += SAMPLE_NS
            self.position = self.position + np.clip(self.target - self.position, -fastest, fastest)
            self._states.append((self._reached_ns, self.position))
        if self.frozen:
            self._reached_ns = time.time_ns() // SAMPLE_NS * SAMPLE_NS


NOTHING = 3


class Halfway:
    """Lacks what an arm must have."""

    joint_names = JOINTS
    limits = LabArm.limits

    def __init__(self, context: RobotContext) -> None:
        pass

    def connect(self) -> None:
        pass


class Unlimited(LabArm):
    limits: ClassVar[dict[str, JointLimit]] = {name: LabArm.limits[name] for name in JOINTS[:7]}


def takes_two(context: RobotContext, more: int) -> LabArm:
    return LabArm(context)


class Raising(LabArm):
    def __init__(self, context: RobotContext) -> None:
        raise OSError("no such device: /dev/ttyUSB0")
