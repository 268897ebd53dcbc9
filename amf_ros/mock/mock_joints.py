"""The joints behind the mock controllers: how they follow, what is measured of them, and faults on request.

Messages come when they come, steps regularly, and both on one clock.

    joints = MockJoints(load_robot_file("ur5e"), MockWays())
    joints.take_trajectory(message, now_ns)
    for group in joints.step(now_ns): ...     # joint states as they are published
    joints.fail("freeze")                     # "" mends everything
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amf_ros.arm.robot_file import RobotFile
from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Array
from amf_ros.mock.trajectory_controller import Dropped, Trajectory, TrajectoryController

FAULTS = {
    "": "none: all is well",
    "drop_out": "no joint states come",
    "freeze": "the arm stands still, and its states say the same under new stamps",
    "stale_stamps": "states come under the stamp of the first of them",
    "nan": "one joint is not a number",
    "protective_stop": "the safety topics say that it may not move, and it does not",
    "deactivated": "the arm's controller is inactive",
    "jump": "no states for a second, then others: the arm was moved meanwhile",
}
JUMP_RAD = 0.3
AWAY_NS = 1_000_000_000


@dataclass(frozen=True)
class MockWays:
    """What the mock does that an ideal arm does not.

    Attributes:
        lag_s: time constant with which joints follow their targets [s].
        steady_error: by how much they stay behind, in the direction of gravity [rad or m].
        noise: standard deviation of what is measured [rad or m].
        split: whether the gripper, or the last joint, has a publisher of its own.
        seed: of the noise.
    """

    lag_s: float = 0.0
    steady_error: float = 0.0
    noise: float = 0.0
    split: bool = False
    seed: int = 0


@dataclass(frozen=True)
class StateGroup:
    """One message of joint states: names in the order of joint_state_broadcaster, by the alphabet."""

    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    velocity: Array


class MockJoints:
    """An arm by its robot file; times are nanoseconds of one clock.

    Attributes:
        position: where the joints are, in the file's order.
        fault: what is wrong, one of :data:`FAULTS`.
    """

    def __init__(self, robot: RobotFile, settings: MockWays) -> None:
        self.robot, self._settings = robot, settings
        self.fault = ""
        start = [robot.home.get(j, self._middle(robot, j)) for j in robot.joints]
        self.position = np.array(start)
        self._velocity = np.zeros(len(start))
        arm, rest = robot.arm_joints, robot.joints[len(robot.arm_joints) :]
        desired = robot.arm.interpolate_from_desired_state
        self.controller = TrajectoryController(arm, start[: len(arm)], from_desired=desired)
        self.gripper = TrajectoryController(rest, start[len(arm) :]) if rest else None
        self._rng = np.random.default_rng(settings.seed)
        self._stepped_ns: int | None = None
        self._away_until_ns = 0
        self._first_ns: int | None = None
        self._frozen: Array | None = None

    @staticmethod
    def _middle(robot: RobotFile, joint: str) -> float:
        limit = robot.limits[joint]
        return min(max(0.0, limit.lower), limit.upper)

    def take_trajectory(self, message: Trajectory, now_ns: int) -> None:
        """Give the arm's controller a message. Raises Dropped."""
        self._check_there(now_ns)
        n = len(self.controller.names)
        self.controller.accept(message, self.position[:n], now_ns, self._velocity[:n])

    def take_gripper(self, message: Trajectory, now_ns: int) -> None:
        """Give the gripper's own controller a message. Raises Dropped."""
        self._check_there(now_ns)
        if self.gripper is not None:
            self.gripper.accept(message, self.position[-1:], now_ns, self._velocity[-1:])

    def fail(self, fault: str, now_ns: int = 0) -> None:
        """Let something go wrong from now on; empty: it is well again.

        Raises:
            ConfigError: no such fault.
        """
        if fault not in FAULTS:
            raise ConfigError(f"fault is {fault!r}; allowed: {', '.join(map(repr, FAULTS))}")
        measured = self.position[: len(self.controller.names)]
        if fault == "deactivated":
            self.controller.deactivate()
        elif not self.controller.active:
            self.controller.activate(measured)
        if fault in ("protective_stop", "freeze"):
            self._frozen = self.position.copy()
        elif self._frozen is not None:
            self._frozen = None
            if self.fault == "protective_stop":  # a driver that takes up again from where the arm stands
                self.controller.activate(measured)
        self._away_until_ns = 0
        if fault == "jump":
            # Only the arm's own joints, to the side that has room; nobody pushes on the gripper.
            arm = self.controller.names
            lower = np.array([self.robot.limits[j].lower for j in arm])
            upper = np.array([self.robot.limits[j].upper for j in arm])
            by = np.where(measured + JUMP_RAD > upper, -JUMP_RAD, JUMP_RAD)
            self.position[: len(arm)] = np.clip(measured + by, lower, upper)
            self._velocity = np.zeros(len(self.position))
            self._away_until_ns = max(now_ns, self._stepped_ns or 0) + AWAY_NS
            self.controller.activate(self.position[: len(arm)])
        self.fault = fault

    def step(self, now_ns: int) -> list[StateGroup]:
        """Move to a time; return what is published of it."""
        last_ns = now_ns if self._stepped_ns is None else self._stepped_ns
        self._stepped_ns = now_ns
        if self._first_ns is None:
            self._first_ns = now_ns
        passed_s = (now_ns - last_ns) * 1e-9
        self._move(now_ns, passed_s)
        if self.fault == "drop_out" or now_ns < self._away_until_ns:
            return []
        return self._measured(now_ns)

    def _check_there(self, now_ns: int) -> None:
        # A driver that is away hears nothing, so that a stream does not bring the arm back unseen.
        if now_ns < self._away_until_ns:
            raise Dropped("the driver is away")

    def _move(self, now_ns: int, passed_s: float) -> None:
        target = self.controller.target(now_ns)
        if self.gripper is not None:
            target = np.append(target, self.gripper.target(now_ns))
        if self._frozen is not None:
            self._velocity = np.zeros(len(self.position))
            return
        if self._settings.steady_error:
            target = target - self._settings.steady_error
        lag_s = self._settings.lag_s
        share = 1.0 if lag_s <= 0 else 1.0 - math.exp(-passed_s / lag_s)
        moved = share * (target - self.position)
        self._velocity = moved / passed_s if passed_s > 0 else np.zeros(len(target))
        self.position = self.position + moved

    def _measured(self, now_ns: int) -> list[StateGroup]:
        stamp_ns = now_ns
        if self.fault == "stale_stamps" and self._first_ns is not None:
            stamp_ns = self._first_ns
        position = self.position.copy()
        if self._settings.noise and self.fault != "freeze":  # a frozen driver repeats itself to the bit
            position += self._rng.normal(0.0, self._settings.noise, len(position))
        if self.fault == "nan":
            position[0] = np.nan
        rows = {joint: k for k, joint in enumerate(self.robot.joints)}
        groups = [sorted(rows)]
        if self._settings.split and len(rows) > 1:
            groups = [sorted(self.robot.joints[:-1]), [self.robot.joints[-1]]]
        made = []
        for names in groups:
            at = [rows[name] for name in names]
            made.append(StateGroup(stamp_ns, tuple(names), position[at], self._velocity[at]))
        return made
