"""Drives one robot in simulated time for whoever sends commands. No ROS: the robot node is its shell.

Two ways to pass time:

- lock-step: a command moves the robot by one period if it answers the current state, which it says by
  carrying that state's stamp. Older stamps and second answers are ignored, so every reader may see a state
  twice and act once; equal commands then give equal trajectories, however slow the readers are.
- real time: a tick per period applies the newest command; when commands stop, the arm holds.

Either way a command is a plan: targets at times after its stamp. What belongs to the end of the next period
is taken, on straight lines from where the joints were told to be. A plan without points means stop: hold.

    driver = Driver(robot, SafetyGate(robot.limits, 0.05), start_ns=0, watchdog_ns=150_000_000)
    if driver.answer(plan, teleop=True):        # lock-step
        publish(driver.state(), driver.applied)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import Robot
from amf_ros.arm.tally import Tally
from amf_ros.core.errors import CommandRefused, RobotFault, UnknownName
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState, SceneState

EPISODE_GAP_NS = 1_000_000_000
"""A reset moves the clock by at least this much, so that a reader sees from two stamps that it happened."""

_NOTHING = JointPlan(0, (), np.empty(0, dtype=np.int64), np.empty((0, 0)))


@dataclass
class _Task:
    """A plan that is being followed.

    Attributes:
        start: where its joints were told to be when it was taken, (n_joints,).
        since_ns: when its times begin to count.
        taken_ns: when it came.
        new: whether no period has followed it yet.
        done: whether its last point has been sent.
    """

    plan: JointPlan
    start: Array
    since_ns: int
    taken_ns: int
    new: bool = True
    done: bool = False


class Driver:
    """State and time of one robot.

    Args:
        robot: in simulated time.
        gate: every command passes it.
        start_ns: the clock at the first state [ns].
        watchdog_ns: a demonstrator's commands shut the policy out for this long; in real time also the
            age at which the newest command is too old to go on with [ns, robot clock].

    Attributes:
        applied: what the newest period sent to the arm for a new command, with that command's stamp and
            joints; None where there was no new one. One stamped 0 is told in each period that follows
            it, under the stamp of the state that it was applied to.
        fault: why the robot may not move, whatever the gate says; only a reset that succeeds mends it.
    """

    def __init__(self, robot: Robot, gate: SafetyGate, *, start_ns: int, watchdog_ns: int) -> None:
        self.robot, self.gate = robot, gate
        self.period_ns = round(1e9 / robot.control_hz)
        self.watchdog_ns = watchdog_ns
        self.episode = 0
        self.tally = Tally()
        self.fault = ""
        self.applied: JointCommand | None = None
        self._stamp_ns = self._episode_ns = start_ns
        self._teleop_ns: int | None = None
        self._task: _Task | None = None
        self._holding = self._closed = False
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
        """Start an episode; returns the stamp of its first state. A reset that is refused changes nothing.

        One that breaks off with any other error leaves the robot faulted: it holds, and takes no command
        until a reset succeeds.

        Raises:
            UnknownName: the task.
            RobotFault: the gate is stopped, or the robot cannot be reset now.
        """
        if self.gate.stopped is not None:
            why = f"the robot is stopped ({self.gate.stopped})"
            raise RobotFault(f"{why}: call robot/release_stop before a reset")
        kept = self.fault, self._task, self._holding
        self.fault = f"a reset to {task_id[:80]!r} broke off; reset again"
        self._task, self._holding = None, False
        try:
            self.robot.reset(task_id, seed)
        except (UnknownName, RobotFault):  # which promise that nothing moved
            self.fault, self._task, self._holding = kept
            raise
        self.gate.reset()
        self._teleop_ns = self.applied = None
        self.episode += 1
        self._stamp_ns += EPISODE_GAP_NS
        self._episode_ns = self._stamp_ns
        self._read()
        self.fault = ""
        return self._stamp_ns

    def stop(self, reason: str) -> None:
        """Hold from now on, at one position, and refuse all commands and resets until :meth:`release`."""
        self.gate.stop(reason)
        self._task = None

    def release(self) -> None:
        """Allow motion again; nothing that was sent while stopped is made up for."""
        self.gate.release()

    def halt(self) -> None:
        """Hold from the next tick on; the next command moves the arm again."""
        self._task = _Task(_NOTHING, np.empty(0), self._stamp_ns, self._stamp_ns)

    def close(self, reason: str) -> None:
        """Free the robot; it takes no command any more, and its last state stays."""
        self.fault, self._closed = reason, True
        self.robot.close()

    def answer(self, plan: JointPlan, *, teleop: bool) -> bool:
        """Lock-step: move by one period if the command answers the current state. Whether it moved.

        Answers to earlier states of the episode are late or repeated, as is normal, and ignored.

        Raises:
            CommandRefused: the command is refused; nothing moved.
        """
        if self._episode_ns <= plan.stamp_ns < self._stamp_ns:
            return False
        if plan.stamp_ns != self._stamp_ns:
            raise CommandRefused(
                "not the current state",
                f"in lock-step a command carries the stamp of the state that it answers, which is "
                f"{_seconds(self._stamp_ns)}; this one carries {_seconds(plan.stamp_ns)}",
            )
        self._require(plan, teleop)
        self.applied = self._task = None
        if plan.stops:
            self._hold()
        else:
            start = self.gate.origin(plan.names, self._joints)
            self._follow(_Task(plan, start, self._stamp_ns, self._stamp_ns))
        self._taken(teleop, self._stamp_ns - self.period_ns)
        return True

    def offer(self, plan: JointPlan, *, teleop: bool, stamp_ns: int | None = None) -> None:
        """Real time: take a command for the ticks to come. Stamp 0 means now; no points mean stop.

        Args:
            plan: the command.
            teleop: whether a person sent it.
            stamp_ns: its stamp by the robot's clock, where the device's is known to be off; None = its own.

        Raises:
            CommandRefused: the command is refused; what was being done goes on.
        """
        now = self._stamp_ns
        stamp = plan.stamp_ns if stamp_ns is None else stamp_ns
        lead_ns = stamp - now if stamp else 0
        if abs(lead_ns) > self.watchdog_ns and not plan.stops:
            raise CommandRefused(
                "too old" if lead_ns < 0 else "in the future",
                f"the command is stamped {abs(lead_ns) * 1e-9:.3f} s {'before' if lead_ns < 0 else 'after'} "
                f"the robot's clock ({_seconds(stamp)} against {_seconds(now)}), allowed is "
                f"{self.watchdog_ns * 1e-9:g} s: stamp commands as the state that they answer, by /clock "
                "(use_sim_time), or with 0 for now",
            )
        if self.episode and 0 < stamp < self._episode_ns and not plan.stops:
            raise CommandRefused(
                "too old",
                f"the command is stamped {_seconds(stamp)}, the newest reset {_seconds(self._episode_ns)}: "
                "it answers a state from before the reset",
            )
        self._require(plan, teleop)
        start = np.empty(0)
        if not plan.stops:
            start = self.gate.origin(plan.names, self._joints)
            plan = self.gate.unwound(plan, start)
        self._task = _Task(plan, start, min(stamp or now, now), now)
        self._taken(teleop, now)

    def tick(self) -> None:
        """Real time: move by one period along the newest command, or hold where the arm is.

        Raises:
            CommandRefused: the gate refused the command, or it was not renewed and breaks off before its last
                point; the arm held for this period.
        """
        self.applied, task = None, self._task
        if self._closed:
            return
        silent = task is not None and self._stamp_ns - task.taken_ns >= self.watchdog_ns
        if self.gate.stopped is not None or self.fault or silent or (task is not None and task.plan.stops):
            self._task = None
            self._hold()
            if silent and task is not None and not task.done and not task.plan.stops:
                self._say_broken_off(task)
        elif task is None or task.done:
            self._step(None)
        else:
            try:
                self._follow(task)
            except CommandRefused:
                self._task = None
                self._hold()
                raise

    def _require(self, plan: JointPlan, teleop: bool) -> None:
        """Raise CommandRefused for what may not move the arm now, and change nothing."""
        if self.fault:
            raise CommandRefused("fault", f"the robot may not move: {self.fault}")
        if not plan.stops or self.gate.stopped is not None:
            self.gate.check(plan)
        if not teleop and self._shut_out():
            raise CommandRefused(
                "a person drives",
                f"a person commands the arm: the policy waits until nothing came from there for "
                f"{self.watchdog_ns * 1e-9:g} s of the robot's clock, or until a reset",
            )

    def _follow(self, task: _Task) -> None:
        """Send what the plan says for the end of the next period, through the gate."""
        after_ns = self._stamp_ns + self.period_ns - task.since_ns
        asked = task.plan.at(after_ns, task.start)
        if asked is None:
            raise CommandRefused("malformed", "a plan without points is no motion")
        asked = replace(asked, stamp_ns=task.plan.stamp_ns or self._stamp_ns)
        passed = self.gate.filter(asked, self._joints)
        self._holding = False
        self._step(passed)
        task.done = after_ns >= task.plan.times_ns[-1]
        if task.new or not task.plan.stamp_ns:
            self.applied = passed
        if task.new:
            task.new = False
            self.tally.apply(changed=self.gate.differ(asked, passed))

    def _say_broken_off(self, task: _Task) -> None:
        reached_ns = self._stamp_ns - self.period_ns  # the newest period held
        left_s = (task.since_ns + int(task.plan.times_ns[-1]) - reached_ns) * 1e-9
        raise CommandRefused(
            "not renewed",
            f"the arm holds with {left_s:.3f} s of a trajectory left: nothing came for "
            f"{self.watchdog_ns * 1e-9:g} s; send trajectories as a stream, or raise the contract's "
            "watchdog_ms",
        )

    def _hold(self) -> None:
        """Stay where the arm is. Measured once: taken anew at each tick, an arm that gives way would sink."""
        command = None
        if not self._holding and np.isfinite(self._joints.position).all():
            command, self._holding = self.gate.hold(self._joints), True
        self._step(command)

    def _step(self, command: JointCommand | None) -> None:
        self.robot.step(command)
        self._stamp_ns += self.period_ns
        self._read()

    def _taken(self, teleop: bool, at_ns: int) -> None:
        """A person's command that was taken, and only such a one, shuts the policy out."""
        if teleop:
            self._teleop_ns = at_ns

    def _shut_out(self) -> bool:
        """A person who takes over is not fought by the policy."""
        return self._teleop_ns is not None and self._stamp_ns - self._teleop_ns <= self.watchdog_ns


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d} s"
