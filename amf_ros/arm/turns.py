"""Passes time for one arm, and sends it what the arbiter decided. No ROS: the robot node is its shell.

- :class:`LockStep`, of a simulator only: a command moves it by one period if it answers the current state,
  which it says by carrying that state's stamp. Older stamps and second answers are ignored, so every reader
  may see a state twice and act once; equal commands then give equal trajectories, however slow readers are.
- :class:`RealTime`, of any arm: a tick for each period follows the newest command; when commands stop, the
  arm holds. A simulator takes a step at each tick. A real arm is read first; where its state is missing or
  too old, it is told to stand still and the fault is declared, until it is back.

    turns = make_turns(arm, arbiter, real_time_factor=0.0)
    if turns.answer(plan, person=True):
        publish(turns.joints, arbiter.applied)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from amf_ros.arm.arbiter import Arbiter, Decision
from amf_ros.arm.presence import Presence, asking
from amf_ros.arm.protocol import Arm, SteppedArm, is_stepped
from amf_ros.core.errors import CommandRefused, ConfigError, RobotFault
from amf_ros.core.values import JointCommand, JointPlan, JointState


class Turns:
    """What both ways to pass time have in common.

    Attributes:
        joints: the current state, under the arm's own stamp; None before an arm's first.
        episode: how many resets there were.
        fresh: whether the newest period brought a new state.
    """

    def __init__(self, arm: Arm, arbiter: Arbiter) -> None:
        self.arm, self.arbiter = arm, arbiter
        self.joints: JointState | None = None
        self.episode = 0
        self.fresh = False
        self._episode_ns = 0
        self._closed = False
        self._must_hold = False

    @property
    def stamp_ns(self) -> int:
        """The stamp of the current state; 0 before the first [ns]."""
        return 0 if self.joints is None else self.joints.stamp_ns

    def begin_episode(self, start: Callable[[], None], what: str) -> int:
        """Let ``start`` bring arm and scene to a start; return the stamp of the episode's first state.

        Raises:
            RobotFault: the arm is stopped, or ``start`` raised it. As for UnknownName, nothing changed.
        """
        with self.arbiter.resetting(what):
            start()
        self.episode += 1
        self._observe()
        self._episode_ns = self.stamp_ns
        return self.stamp_ns

    def close(self, reason: str) -> None:
        """Leave the arm, holding; it takes no command any more, and its last state stays."""
        self.arbiter.declare_fault("closed", reason)
        if not self._closed:
            self._closed = True
            self._stand_still()
            try:
                with asking("close"):
                    self.arm.close()
            except RobotFault as error:
                self.arbiter.declare_fault("close", str(error))

    def _observe(self) -> None:
        """Take in the arm's state."""
        self.joints, self.fresh = self.arm.read(), True

    def _send(self, decision: Decision) -> CommandRefused | None:
        """Send what was decided; return the arm's refusal, after which it was told to stand still."""
        try:
            if decision.command is not None:
                with asking("write"):
                    self.arm.write(decision.command, decision.ahead)
        except CommandRefused as error:
            refusal = error
        except RobotFault as error:
            refusal = CommandRefused("refused by the arm", str(error))
        else:
            self.arbiter.sent(decision)
            return None
        self.arbiter.let_go()
        self._stand_still()
        return refusal

    def _stand_still(self) -> None:
        """Let the arm hold by its own means; where that fails, it is a fault and tried again."""
        try:
            with asking("hold"):
                self.arm.hold()
        except RobotFault as error:
            self._must_hold = True
            self.arbiter.declare_fault("hold", f"the arm does not take a hold: {error}")
        else:
            self._must_hold = False
            self.arbiter.clear_fault("hold")


class LockStep(Turns):
    """Steps a simulator by one period for each command that answers its current state."""

    def __init__(self, arm: SteppedArm, arbiter: Arbiter) -> None:
        super().__init__(arm, arbiter)
        self._stepped = arm
        self.joints: JointState
        self._observe()
        self._episode_ns = self.stamp_ns

    def answer(self, plan: JointPlan, *, person: bool) -> bool:
        """Move by one period if the command answers the current state. Say whether it moved.

        Answers to earlier states of the episode are late or repeated, as is normal, and ignored.

        Raises:
            CommandRefused: the command is refused; nothing moved.
        """
        stamp_ns, arbiter = self.stamp_ns, self.arbiter
        if self._episode_ns <= plan.stamp_ns < stamp_ns:
            return False
        if plan.stamp_ns != stamp_ns:
            raise CommandRefused(
                "not the current state",
                f"in lock-step a command carries the stamp of the state that it answers, which is "
                f"{_seconds(stamp_ns)}; this one carries {_seconds(plan.stamp_ns)}",
            )
        arbiter.allow(plan, stamp_ns, person=person)
        start = None if plan.stops else arbiter.gate.origin(plan.names, self.joints)
        asked = plan.at(arbiter.gate.period_ns, start)
        if asked is None:
            arbiter.halt()
            self._pass(arbiter.decide(self.joints, stamp_ns))
        else:
            self.apply(replace(asked, stamp_ns=plan.stamp_ns))
        arbiter.taken(stamp_ns, person=person)
        return True

    def apply(self, command: JointCommand) -> None:
        """Move by one period towards these targets, as far as the gate lets it.

        Raises:
            CommandRefused: the command is refused; nothing moved.
        """
        self._pass(self.arbiter.pass_on(command, self.joints))

    def _pass(self, decision: Decision) -> None:
        refusal = self._send(decision)
        if refusal is not None:
            raise refusal
        self._stepped.step()
        self._observe()


class RealTime(Turns):
    """Follows the newest command by the clock.

    Args:
        arm: of any kind.
        arbiter: decides what it is told.
        max_age_ns: how old a real arm's state may be to be acted upon [ns].
    """

    def __init__(self, arm: Arm, arbiter: Arbiter, max_age_ns: int = 0) -> None:
        super().__init__(arm, arbiter)
        self._stepped = arm if is_stepped(arm) else None
        self._presence = Presence(arm, max_age_ns)
        if self._stepped is not None:
            self._observe()
        else:
            arbiter.halt()
            self._look()

    @property
    def now_ns(self) -> int:
        """The time on the arm's clock, which goes on where its states do not [ns]."""
        return self.stamp_ns if self._stepped is not None else self._presence.now_ns

    def offer(self, plan: JointPlan, *, person: bool, stamp_ns: int | None = None) -> None:
        """Take a command for the ticks to come. Stamp 0 means now; no points mean: hold.

        Args:
            plan: the command.
            person: whether a person sent it.
            stamp_ns: its stamp by the robot's clock, where the device's is known to be off; None = its own.

        Raises:
            CommandRefused: the command is refused; what was being done goes on.
        """
        now_ns, watchdog_ns = self.now_ns, self.arbiter.watchdog_ns
        stamp = plan.stamp_ns if stamp_ns is None else stamp_ns
        lead_ns = stamp - now_ns if stamp else 0
        if self.joints is None or self.arbiter.fault:  # said first: no stamp is right while the arm is lost
            raise CommandRefused("fault", f"the robot may not move: {self.arbiter.fault}")
        if abs(lead_ns) > watchdog_ns and not plan.stops:
            raise CommandRefused(
                "too old" if lead_ns < 0 else "in the future",
                f"the command is stamped {abs(lead_ns) * 1e-9:.3f} s {'before' if lead_ns < 0 else 'after'} "
                f"the robot's clock ({_seconds(stamp)} against {_seconds(now_ns)}), allowed is "
                f"{watchdog_ns * 1e-9:g} s: stamp commands as the state that they answer, by /clock "
                "(use_sim_time), or with 0 for now",
            )
        if self.episode and 0 < stamp < self._episode_ns and not plan.stops:
            raise CommandRefused(
                "too old",
                f"the command is stamped {_seconds(stamp)}, the newest reset {_seconds(self._episode_ns)}: "
                "it answers a state from before the reset",
            )
        self.arbiter.take(plan, self.joints, now_ns, person=person, since_ns=min(stamp or now_ns, now_ns))

    def tick(self) -> None:
        """Let one period pass: along the newest command, or holding where the arm is.

        Raises:
            CommandRefused: the gate or the arm refused the command, or it was not renewed and breaks off
                before its last point; the arm holds.
        """
        self.fresh, self.arbiter.applied = False, None
        if self._closed:
            return
        if self._stepped is None and not self._look():
            return
        joints = self.joints
        if joints is None:
            return
        if self._must_hold:
            self._stand_still()
        decision = self.arbiter.decide(joints, self.now_ns)
        refusal = self._send(decision) or decision.refusal
        if self._stepped is not None:
            self._stepped.step()
            self._observe()
        if refusal is not None:
            raise refusal

    def _observe(self) -> None:
        if self._stepped is not None:
            super()._observe()
        else:
            self._look()

    def _look(self) -> bool:
        """Read a real arm. Where it is lost, let it stand still; where it is back, hold what is measured."""
        presence, arbiter = self._presence, self.arbiter
        was_there = not presence.missing
        there = presence.look()
        self.joints, self.fresh = presence.joints, presence.fresh
        if there:
            arbiter.clear_fault("arm")
            if not was_there:
                arbiter.halt()
            return True
        arbiter.declare_fault("arm", presence.missing)
        if was_there or self._must_hold:
            self._stand_still()
        return False


def make_turns(
    arm: Arm, arbiter: Arbiter, *, real_time_factor: float, max_age_ns: int = 0
) -> LockStep | RealTime:
    """Return how time passes for an arm.

    Args:
        arm: of any kind.
        arbiter: decides what it is told.
        real_time_factor: speed of a simulator's time; 0 = lock-step. A real arm has 1.
        max_age_ns: how old a real arm's state may be to be acted upon [ns].

    Raises:
        ConfigError: lock-step, or another speed than 1, of an arm that is no simulator.
    """
    if is_stepped(arm):
        return RealTime(arm, arbiter) if real_time_factor else LockStep(arm, arbiter)
    if real_time_factor != 1.0:
        raise ConfigError(
            f"real_time_factor is {real_time_factor:g}, but the robot is no simulator and its time passes by "
            "itself: set real_time_factor:=1.0"
        )
    return RealTime(arm, arbiter, max_age_ns)


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d} s"
