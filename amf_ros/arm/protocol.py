"""What an arm offers, and what its maker is given. A simulator offers more: :mod:`amf_ros.sim.protocol`.

    class LabArm:                                    # robot:=my_lab.arm:LabArm
        def __init__(self, context: RobotContext): ...
        joint_names, limits                          # known before anything is connected
        def connect(self): ...
        def read(self): ...                          # JointState with the arm's own stamp, or None
        def write(self, command, ahead=()): ...
        def hold(self): ...
        def close(self): ...

Nothing above this seam knows what carries out the commands. An arm has a clock of its own, and it can refuse,
lag and vanish: then it says so, the robot node holds and shows FAULT, and goes on when the arm is back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

from amf_ros.core.values import JointCommand, JointState

EPISODE_GAP_NS = 1_000_000_000
"""On the graph a reset moves simulated time on by at least this: two stamps show that it happened [ns]."""


@dataclass(frozen=True)
class JointLimit:
    """Limits of one joint from the URDF: position [rad or m], velocity [rad/s or m/s], effort [N m or N].

    A URDF's continuous joint has none on position: infinite on both sides, or 0 and -1 as PyBullet reports.

    Attributes:
        acceleration: of the targets; None = not bounded [rad/s^2 or m/s^2].
        following_error: how far a target may be from the measured joint; None = not bounded [rad or m].
    """

    lower: float
    upper: float
    velocity: float
    effort: float
    acceleration: float | None = None
    following_error: float | None = None

    @property
    def continuous(self) -> bool:
        """Whether it turns without end: only its velocity is limited, and angles are equal modulo 2 pi."""
        return (self.lower, self.upper) in ((-math.inf, math.inf), (0.0, -1.0))


@dataclass(frozen=True)
class RobotContext:
    """What the maker of an arm is given.

    ``robot:=`` names the maker, by a registered name or as ``package.module:Object``. It is called with a
    context and nothing else, and returns an :class:`Arm`. It raises ConfigError for what a user must mend.

    Attributes:
        suite: whose tasks the arm will do. A simulator stages them, which loads their scene; a real arm
            does not look at it (:func:`amf_ros.sim.staging.load_staging`).
        rate_hz: commands per second, the contract's ``fps`` [Hz].
        config: what ``robot_config:=`` says: the file that describes this arm; empty where none was given.
        start_ns: when simulated time begins [ns].
        episode_gap_ns: a reset moves simulated time on by at least so much [ns].
        node: the ROS node that runs the arm, for an arm that is reached over ROS; None in-process.
    """

    suite: Any
    rate_hz: float
    config: str = ""
    start_ns: int = 0
    episode_gap_ns: int = 0
    node: Any = None


@runtime_checkable
class Arm(Protocol):
    """One arm with its gripper. Every call returns within a small part of a control period.

    It may have more: ``simulated``, True where nothing real moves (all others start stopped);
    ``lookahead``, how many periods beyond the next one it can use (:meth:`write`).
    """

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The commanded joints, arm first, then gripper. Known before it is connected."""

    @property
    def limits(self) -> Mapping[str, JointLimit]:
        """The limits by joint name, of each of ``joint_names``. Known before it is connected."""

    def connect(self) -> None:
        """Begin to talk to the arm, or do nothing where that is done.

        It is called before anything else, and again, at most once a second, for as long as no state comes.

        Raises:
            RobotFault: it cannot be done now; says what is missing.
        """

    def read(self) -> JointState | None:
        """Return the newest measured joints under the arm's own stamp; None where there is none.

        The names may come in any order, and others may be among them. The same stamp means the same state.

        Raises:
            RobotFault: the arm says that it cannot move now; says why, as a protective stop.
        """

    def write(self, command: JointCommand, ahead: Sequence[JointCommand] = ()) -> None:
        """Send targets for the end of the next control period; they have passed the gate.

        Joints that are not named keep their last targets, and so do all of them when nothing is written.

        Args:
            command: of some or all joints.
            ahead: targets of the periods after it, as far as they are known and the arm has a ``lookahead``.

        Raises:
            RobotFault: the arm refuses; nothing moved by it.
        """

    def hold(self) -> None:
        """Stand still by the arm's own means: called where the gate has no state to hold, and at the end.

        Raises:
            RobotFault: it cannot be said to the arm now; it is tried again.
        """

    def close(self) -> None:
        """Leave the arm, holding. Closing twice is fine; any other call then raises RobotFault."""


@runtime_checkable
class SteppedArm(Arm, Protocol):
    """An arm whose time passes only when it is told to: all that this room knows of a simulator.

    Its state never vanishes, and it is commanded once for each step.
    """

    @property
    def control_hz(self) -> float:
        """Steps per second of its own clock [Hz]."""

    def step(self) -> None:
        """Let one control period pass with the targets that were written."""


def is_stepped(arm: Arm) -> TypeGuard[SteppedArm]:
    """Say whether an arm's time passes by steps. One that does not say ``simulated`` is taken for real."""
    return getattr(arm, "simulated", False) is True and isinstance(arm, SteppedArm)


@runtime_checkable
class Slowable(Protocol):
    """An arm whose own controller bounds how fast it moves; the gate bounds only how far targets go."""

    def slow_to(self, share: float) -> None:
        """Move no joint faster than this share of its velocity limit, in (0, 1]."""
