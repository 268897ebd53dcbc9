"""Decides what an arm is told: who drives, along which trajectory, when it holds, and when it is stopped.

It stands with the gate before any arm, simulated or real. No time passes here and nothing is sent:
``turns.py`` asks for a decision each period, sends it, and says whether it was sent.

    arbiter = Arbiter(SafetyGate(arm.limits, period_s=0.05), watchdog_ns=150_000_000)
    arbiter.take(plan, joints, now_ns, person=True)
    decision = arbiter.decide(joints, now_ns)
    arm.write(decision.command)
    arbiter.sent(decision)

- A **person** who sends commands shuts the policy out for the watchdog's time.
- A command is a **plan**: targets at times after its stamp, on straight lines from where the joints were told
  to be. One without points means: hold.
- The **watchdog**: a plan that is not renewed for so long breaks off.
- A **hold** is latched: the position is measured once, when the hold begins. Taken anew at each period, an
  arm that gives way would sink.
- A **stop** holds and refuses everything until it is released. A **fault** does too, until its cause is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.tally import Tally
from amf_ros.core.errors import CommandRefused, RobotFault, UnknownName
from amf_ros.core.values import Array, JointCommand, JointPlan, JointState

_NOTHING = JointPlan(0, (), np.empty(0, dtype=np.int64), np.empty((0, 0)))


@dataclass
class _Course:
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


@dataclass(frozen=True)
class Decision:
    """What the arm is to be told for one period.

    Attributes:
        command: its targets, within the limits; None: nothing new, the arm keeps its last targets.
        asked: what somebody asked for; None where the arm holds, or nothing new is to be said.
        ahead: what follows ``command``, one for each period, as far as the arm looks ahead.
        ends: whether the plan ends with this command.
        refusal: what came to nothing in this period, so that the arm holds.
    """

    command: JointCommand | None = None
    asked: JointCommand | None = None
    ahead: tuple[JointCommand, ...] = ()
    ends: bool = False
    refusal: CommandRefused | None = None


class Arbiter:
    """Decides for one arm. Times are nanoseconds of the arm's clock.

    Args:
        gate: every command passes it.
        watchdog_ns: how long a command counts, and for how long a person's shuts the policy out [ns].
        lookahead: periods beyond the next one that the arm can be told.

    Attributes:
        applied: what the newest period sent to the arm for a new command, with that command's stamp and
            joints; None where there was no new one. One stamped 0 is told in each period that follows
            it, under the stamp of the state that it was applied to.
        stopped: why the arm is stopped; empty while it may move.
        tally: what became of commands.
    """

    def __init__(self, gate: SafetyGate, *, watchdog_ns: int, lookahead: int = 0) -> None:
        self.gate, self.watchdog_ns, self._lookahead = gate, watchdog_ns, lookahead
        self.tally = Tally()
        self.stopped = ""
        self.applied: JointCommand | None = None
        self._faults: dict[str, str] = {}
        self._person_ns: int | None = None
        self._course: _Course | None = None
        self._holding = False

    @property
    def fault(self) -> str:
        """Why the arm may not move though nobody stopped it; empty while it may."""
        return "; ".join(self._faults.values())

    def declare_fault(self, source: str, reason: str) -> None:
        """Hold for this reason until the same source clears it."""
        if source not in self._faults:
            self.let_go()
        self._faults[source] = reason

    def clear_fault(self, source: str) -> None:
        """Take back what that source declared."""
        self._faults.pop(source, None)

    def stop(self, reason: str) -> None:
        """Hold from now on, at one position, and refuse all commands until :meth:`release`.

        The first reason stands.
        """
        self.stopped = self.stopped or reason
        self._course = None
        self.gate.reset()

    def release(self) -> None:
        """Allow motion again, from the measured position; what was sent while stopped is not made up for."""
        self.stopped = ""
        self.gate.reset()

    def halt(self) -> None:
        """Hold from the next period on; the next command moves the arm again."""
        self._course = _Course(_NOTHING, np.empty(0), 0, 0)

    def let_go(self) -> None:
        """Forget plan, hold and last target: what comes next begins where the arm is measured."""
        self._course, self.applied, self._holding = None, None, False
        self.gate.reset()

    @contextmanager
    def resetting(self, what: str) -> Iterator[None]:
        """Around a reset: one that is refused changes nothing, one that breaks off leaves a fault.

        Refused is what raises UnknownName or RobotFault, which promise that nothing moved. The fault of any
        other error lasts until a reset succeeds.

        Raises:
            RobotFault: the arm is stopped.
        """
        if self.stopped:
            raise RobotFault(f"the robot is stopped ({self.stopped}): call robot/release_stop before a reset")
        kept = dict(self._faults), self._course, self._holding
        self._faults["reset"] = f"a reset to {what[:80]!r} broke off; reset again"
        self._course, self._holding = None, False
        try:
            yield
        except (UnknownName, RobotFault):
            self._faults, self._course, self._holding = kept
            raise
        self.let_go()
        self._person_ns = None
        self.clear_fault("reset")

    def allow(self, plan: JointPlan, now_ns: int, *, person: bool) -> None:
        """Return where a command may move the arm now, and change nothing.

        Raises:
            CommandRefused: it may not; says why.
        """
        if self.fault:
            raise CommandRefused("fault", f"the robot may not move: {self.fault}")
        if self.stopped:
            raise CommandRefused(
                "stopped", f"the robot is stopped ({self.stopped}): call robot/release_stop to move again"
            )
        if not plan.stops:
            self.gate.check(plan)
        since_ns = None if self._person_ns is None else now_ns - self._person_ns  # below 0: another clock
        if not person and since_ns is not None and 0 <= since_ns <= self.watchdog_ns:
            raise CommandRefused(
                "a person drives",
                f"a person commands the arm: the policy waits until nothing came from there for "
                f"{self.watchdog_ns * 1e-9:g} s of the robot's clock, or until a reset",
            )

    def taken(self, now_ns: int, *, person: bool) -> None:
        """Note that a command was taken: a person's, and only such a one, shuts the policy out."""
        if person:
            self._person_ns = now_ns

    def take(
        self, plan: JointPlan, joints: JointState, now_ns: int, *, person: bool, since_ns: int | None = None
    ) -> None:
        """Follow a plan in the periods to come, in place of what was being followed.

        Args:
            plan: what to follow.
            joints: where the arm is.
            now_ns: the time.
            person: whether a person sent it, and not a policy.
            since_ns: when its times begin to count; None = now.

        Raises:
            CommandRefused: it may not move the arm; what was being done goes on.
        """
        self.allow(plan, now_ns, person=person)
        start = np.empty(0)
        if not plan.stops:
            start = self.gate.origin(plan.names, joints)
            plan = self.gate.unwound(plan, start)
        self._course = _Course(plan, start, now_ns if since_ns is None else since_ns, now_ns)
        self.taken(now_ns, person=person)

    def decide(self, joints: JointState, now_ns: int) -> Decision:
        """Return what to tell the arm for the next period: a step along the plan, a hold, or nothing new."""
        self.applied, course = None, self._course
        if self.stopped or self.fault:
            self._course = None
            return self.hold(joints)
        if course is None:
            self.gate.rest()
            return Decision()
        if course.plan.stops:
            self._course = None
            return self.hold(joints)
        if now_ns - course.taken_ns >= self.watchdog_ns:
            self._course = None
            return self.hold(joints, None if course.done else self._broken_off(course, now_ns))
        if course.done:
            self.gate.rest()
            return Decision()
        try:
            return self._along(course, joints, now_ns)
        except CommandRefused as refusal:
            self._course = None
            return self.hold(joints, refusal)

    def pass_on(self, command: JointCommand, joints: JointState) -> Decision:
        """Return a command as it may be sent at once, in place of any plan.

        Raises:
            CommandRefused: the gate refuses it.
        """
        self.applied = self._course = None
        return Decision(self.gate.filter(command, joints), command)

    def hold(self, joints: JointState, refusal: CommandRefused | None = None) -> Decision:
        """Return what keeps the arm where it is: the measured position once, then nothing new."""
        if self._holding or not np.isfinite(joints.position).all():
            return Decision(refusal=refusal)
        return Decision(self.gate.hold(joints), refusal=refusal)

    def sent(self, decision: Decision) -> None:
        """Take note that a decision was sent to the arm."""
        if decision.asked is None or decision.command is None:
            self._holding = self._holding or decision.command is not None
            return
        course, self._holding = self._course, False
        if course is None or course.new or not course.plan.stamp_ns:
            self.applied = decision.command
        if course is None or course.new:
            self.tally.apply(changed=self.gate.differ(decision.asked, decision.command))
        if course is not None:
            course.new, course.done = False, decision.ends

    def _along(self, course: _Course, joints: JointState, now_ns: int) -> Decision:
        """Return what the plan says for the end of the next period, through the gate."""
        period_ns, last_ns = self.gate.period_ns, int(course.plan.times_ns[-1])
        after_ns = now_ns + period_ns - course.since_ns
        asked = self._at(course, after_ns, joints)
        passed = self.gate.filter(asked, joints)
        times = [after_ns + (k + 1) * period_ns for k in range(self._lookahead)]
        known = [time for time in times if time < last_ns + period_ns]
        ahead = self.gate.ahead([self._at(course, time, joints) for time in known], joints)
        return Decision(passed, asked, ahead, ends=after_ns >= last_ns)

    @staticmethod
    def _at(course: _Course, after_ns: int, joints: JointState) -> JointCommand:
        asked = course.plan.at(after_ns, course.start)
        if asked is None:
            raise CommandRefused("malformed", "a plan without points is no motion")
        return replace(asked, stamp_ns=course.plan.stamp_ns or joints.stamp_ns)

    def _broken_off(self, course: _Course, now_ns: int) -> CommandRefused:
        left_s = (course.since_ns + int(course.plan.times_ns[-1]) - now_ns) * 1e-9
        return CommandRefused(
            "not renewed",
            f"the arm holds with {left_s:.3f} s of a trajectory left: nothing came for "
            f"{self.watchdog_ns * 1e-9:g} s; send trajectories as a stream, or raise the contract's "
            "watchdog_ms",
        )
