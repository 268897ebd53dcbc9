"""The values that flow between rooms: numpy only, frozen, no behaviour beyond look-up.

Stamps are integer nanoseconds on the robot's clock, lengths metres, angles radians, quaternions xyzw,
poses in the robot base frame (REP-103). Joints and objects are addressed by name, never by index.

    scene = SceneState(stamp_ns=0, names=("tool0",), poses=np.array([[0.4, 0, 0.3, 1, 0, 0, 0]]))
    scene.pose("tool0")[:3]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.errors import UnknownName
from amf_ros.core.frames import Frame, Frames

Array = NDArray[np.float64]


class Outcome(IntEnum):
    """Did the robot do the task? Same numbers as ``amf_msgs/Demonstration.OUTCOME_*``."""

    UNLABELED = 0
    SUCCESS = 1
    FAILURE = 2


class Source(IntEnum):
    """Who commanded the robot. Same numbers as ``amf_msgs/Demonstration.SOURCE_*``."""

    UNKNOWN = 0
    SCRIPTED_EXPERT = 1
    TELEOPERATION = 2
    POLICY = 3


def indices(kind: str, known: tuple[str, ...], wanted: Iterable[str]) -> list[int]:
    """Positions of ``wanted`` in ``known``, by name.

    Raises:
        UnknownName: with ``kind`` and the known names.
    """
    table = {name: i for i, name in enumerate(known)}
    found = []
    for name in wanted:
        if name not in table:
            raise UnknownName(kind, name, known)
        found.append(table[name])
    return found


@dataclass(frozen=True)
class JointState:
    """Measured joints: ``position`` [rad or m] and ``velocity`` [rad/s or m/s], each (n_joints,)."""

    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    velocity: Array

    def positions(self, names: Iterable[str]) -> Array:
        """Positions of the named joints, in that order, (len(names),)."""
        picked: Array = self.position[indices("joint", self.names, names)]
        return picked


@dataclass(frozen=True)
class SceneState:
    """Named poses in the base frame, ``poses`` (n, 7) as x y z [m] and quaternion x y z w.

    Holds the tool frame (``tool0``), objects, and moving parts of fixtures (a drawer's handle, a door's).
    """

    stamp_ns: int
    names: tuple[str, ...]
    poses: Array

    def pose(self, name: str) -> Array:
        """Return the pose of one object, (7,)."""
        (row,) = indices("scene object", self.names, [name])
        picked: Array = self.poses[row]
        return picked


@dataclass(frozen=True)
class JointCommand:
    """Absolute joint targets ``position`` (n,) [rad or m]; ``stamp_ns`` is that of the state it answers."""

    stamp_ns: int
    names: tuple[str, ...]
    position: Array

    def reached_after(self, period_ns: int) -> JointPlan:
        """Give the same targets as a plan of one point, to be reached after a period [ns]."""
        times = np.array([period_ns], dtype=np.int64)
        return JointPlan(self.stamp_ns, self.names, times, np.asarray(self.position, dtype=np.float64)[None])


@dataclass(frozen=True)
class JointPlan:
    """Joint targets at several times, as a JointTrajectory gives them; none at all: stop where the arm is.

    Attributes:
        times_ns: after the stamp, strictly increasing, (n,) [ns].
        positions: (n, n_joints) [rad or m].
    """

    stamp_ns: int
    names: tuple[str, ...]
    times_ns: NDArray[np.int64]
    positions: Array

    @property
    def stops(self) -> bool:
        """Whether it asks for nothing but to stop."""
        return len(self.times_ns) == 0

    def at(self, after_ns: int, start: Array | None = None) -> JointCommand | None:
        """Return the targets at a time after the stamp, by straight lines between the points.

        Args:
            after_ns: after the stamp; beyond the last point its targets hold [ns].
            start: where the joints are at the stamp, (n_joints,); None: the first point counts from there on.

        Returns:
            None where the plan is to stop.
        """
        if self.stops:
            return None
        times, positions = self.times_ns.astype(np.float64), self.positions
        if start is not None and times[0] > 0.0:
            times, positions = np.concatenate([[0.0], times]), np.vstack([start, positions])
        target = np.array([np.interp(float(after_ns), times, column) for column in positions.T])
        return JointCommand(self.stamp_ns + after_ns, self.names, target)


@dataclass(frozen=True)
class Numbers:
    """Numbers with names, ``values`` (n,), in the message's own units: a wrench, a twist, an array."""

    stamp_ns: int
    names: tuple[str, ...]
    values: Array


@dataclass(frozen=True)
class Picture:
    """One picture of a camera.

    Attributes:
        encoding: ``rgb8``, ``mono8``, or ``16UC1`` for depth [mm].
        pixels: (height, width, channels), uint8, of depth uint16.
    """

    stamp_ns: int
    encoding: str
    pixels: NDArray[Any]


@dataclass(frozen=True)
class Views:
    """What a contract takes of one picture: entry of the observation -> pixels (height, width, channels)."""

    stamp_ns: int
    pixels: Mapping[str, NDArray[Any]]


Value = JointState | SceneState | JointCommand | JointPlan | Numbers | Picture | Views
"""What a message of one of the types that a contract can name says."""


@dataclass(frozen=True)
class Observation:
    """What a policy sees at one instant: a frame with an array for each key of the contract, in its order."""

    stamp_ns: int
    values: Frame


@dataclass(frozen=True)
class Task:
    """One task the policy can be asked to do.

    Attributes:
        id: unique in its suite; any text without control characters, lower_snake_case by habit.
        instruction: what a human would tell the robot.
        roles: role name -> scene object name; one feature vector serves all tasks through them.
            All tasks of a robot's suite name the same roles; other suites have none.
        attributes: what tasks share, for the task embedding, e.g. ``{"skill": "pick_place"}``.
        time_limit_s: of one episode, on the robot's clock [s].
        max_episode_steps: of one episode in a simulator that the suite brings along; 0 = as many as
            ``time_limit_s`` has.
    """

    id: str
    instruction: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    time_limit_s: float = 20.0
    max_episode_steps: int = 0

    def num_steps(self, fps: float) -> int:
        """Return the longest episode, at ``fps`` steps per second [steps]."""
        return self.max_episode_steps or round(self.time_limit_s * fps)


@dataclass(frozen=True)
class Demonstration:
    """One recorded demonstration as arrays: T steps, one per action.

    Attributes:
        observations: T frames, entries as the contract's ``layout``.
        actions: (T, a) float64, columns as the contract's ``action_names``, encoded by its mode.
        stamps_ns: (T,) int64, header stamp of each step's action.
    """

    id: str
    task_id: str
    observations: Frames
    actions: Array
    stamps_ns: NDArray[np.int64]
    outcome: Outcome = Outcome.UNLABELED
    source: Source = Source.UNKNOWN
    seed: int = 0
    uri: str = ""

    @property
    def num_steps(self) -> int:
        """Observation-action pairs T."""
        return len(self.actions)

    @property
    def duration_s(self) -> float:
        """First step to last step [s]."""
        return float(self.stamps_ns[-1] - self.stamps_ns[0]) * 1e-9 if len(self.stamps_ns) else 0.0


@dataclass(frozen=True)
class Rollout:
    """States that the policy visited in one episode; the selector embeds them as a task's occupancy.

    Attributes:
        observations: T frames, entries as the contract's ``layout``.
        checkpoint_id: the policy that ran.
        fingerprint: of that checkpoint's weights: the same id may stand for others later; empty = not known.
    """

    id: str
    task_id: str
    observations: Frames
    outcome: Outcome
    checkpoint_id: str
    num_steps: int
    uri: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata of a saved policy; mirrors ``amf_msgs/Checkpoint``."""

    id: str
    uri: str
    policy_type: str
    round: int
    num_demonstrations: int
    stamp_ns: int = 0
