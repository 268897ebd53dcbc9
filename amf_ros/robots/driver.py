"""Drives one robot in simulated time for whoever sends commands. No ROS: the robot node is its shell.

Two ways to pass time:

- lock-step: a command moves the robot by one period if it answers the current state, which it says by
  carrying that state's stamp. Older stamps and second answers are ignored, so every reader may see a state
  twice and act once; equal commands then give equal trajectories, however slow the readers are.
- real time: a tick per period applies the newest command; when commands stop, the arm holds.

    driver = Driver(robot, SafetyGate(robot.limits, 0.05), start_ns=0, watchdog_ns=150_000_000)
    if driver.answer(command, teleop=True):     # lock-step
        publish(driver.state())
"""

from __future__ import annotations

from amf_ros.errors import RobotFault
from amf_ros.robots.base import Robot
from amf_ros.robots.safety import SafetyGate
from amf_ros.types import JointCommand, JointState, SceneState

EPISODE_GAP_NS = 1_000_000_000
"""A reset moves the clock by at least this much, so that a reader sees from two stamps that it happened."""


class Driver:
    """State and time of one robot.

    Args:
        robot: in simulated time.
        gate: every command passes it.
        start_ns: the clock at the first state [ns].
        watchdog_ns: a demonstrator's commands shut the policy out for this long; in real time also the
            age at which the newest command is too old to go on with [ns, robot clock].
    """

    def __init__(self, robot: Robot, gate: SafetyGate, *, start_ns: int, watchdog_ns: int) -> None:
        self.robot, self.gate = robot, gate
        self.period_ns = round(1e9 / robot.control_hz)
        self.watchdog_ns = watchdog_ns
        self.episode = 0
        self._stamp_ns = start_ns
        self._teleop_ns: int | None = None
        self._pending: JointCommand | None = None
        self._commanded_ns: int | None = None
        self._read()

    def _read(self) -> None:
        joints, scene = self.robot.state()
        self._joints = JointState(self._stamp_ns, joints.names, joints.position, joints.velocity)
        self._scene = SceneState(self._stamp_ns, scene.names, scene.poses)

    @property
    def stamp_ns(self) -> int:
        """Of the current state; never goes back."""
        return self._stamp_ns

    def state(self) -> tuple[JointState, SceneState]:
        """The current state, one stamp."""
        return self._joints, self._scene

    def reset(self, task_id: str, seed: int) -> int:
        """Start an episode; returns the stamp of its first state.

        Raises:
            UnknownName: the task.
            RobotFault: the gate is stopped.
        """
        if self.gate.stopped is not None:
            raise RobotFault(
                f"the robot is stopped ({self.gate.stopped}): call robot/release_stop before a reset"
            )
        self.robot.reset(task_id, seed)
        self.gate.reset()
        self._teleop_ns = self._pending = self._commanded_ns = None
        self.episode += 1
        self._stamp_ns += EPISODE_GAP_NS
        self._read()
        return self._stamp_ns

    def answer(self, command: JointCommand, *, teleop: bool) -> bool:
        """Lock-step: move by one period if the command answers the current state. Whether it moved.

        Raises:
            RobotFault: the gate refuses the command; nothing moved.
        """
        if command.stamp_ns != self._stamp_ns or self._shut_out(teleop):
            return False
        self._step(self.gate.filter(command, self._joints))
        return True

    def offer(self, command: JointCommand, *, teleop: bool) -> bool:
        """Real time: take a command for the next tick. Whether it was taken; too old ones are not.

        Raises:
            RobotFault: the gate is stopped.
        """
        if self._stamp_ns - command.stamp_ns > self.watchdog_ns or self._shut_out(teleop):
            return False
        if self.gate.stopped is not None:
            raise RobotFault(
                f"the robot is stopped ({self.gate.stopped}): call robot/release_stop to move again"
            )
        self._pending, self._commanded_ns = command, self._stamp_ns
        return True

    def tick(self) -> None:
        """Real time: move by one period with the newest command, or hold where the arm is.

        Raises:
            RobotFault: the gate refused the command; the arm held for this period.
        """
        command, self._pending = self._pending, None
        if command is None:
            silent = (
                self._commanded_ns is not None and self._stamp_ns - self._commanded_ns >= self.watchdog_ns
            )
            if silent or self.gate.stopped is not None:
                self._commanded_ns = None
                self._step(self.gate.hold(self._joints))
            else:
                self._step(None)
            return
        try:
            self._step(self.gate.filter(command, self._joints))
        except RobotFault:
            self._step(self.gate.hold(self._joints))
            raise

    def _step(self, command: JointCommand | None) -> None:
        self.robot.step(command)
        self._stamp_ns += self.period_ns
        self._read()

    def _shut_out(self, teleop: bool) -> bool:
        """A person who takes over is not fought by the policy."""
        if teleop:
            self._teleop_ns = self._stamp_ns
            return False
        return self._teleop_ns is not None and self._stamp_ns - self._teleop_ns <= self.watchdog_ns
