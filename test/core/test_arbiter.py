"""Who drives an arm, and what stops it. Plans and holds over time are in test_turns.py."""

from __future__ import annotations

import numpy as np
import pytest

from amf_ros.arm.arbiter import Arbiter
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import JointLimit
from amf_ros.core.errors import CommandRefused, RobotFault
from amf_ros.core.values import JointPlan, JointState

LIMITS = {"a": JointLimit(-1.0, 2.0, 2.0, 1.0)}


def at(position: float, stamp_ns: int = 0) -> JointState:
    return JointState(stamp_ns, ("a",), np.array([position]), np.zeros(1))


def to(position: float) -> JointPlan:
    return JointPlan(0, ("a",), np.array([0]), np.array([[position]]))


@pytest.fixture
def arbiter() -> Arbiter:
    return Arbiter(SafetyGate(LIMITS, 0.05), watchdog_ns=150_000_000)


def test_a_stop_is_latched_and_the_first_reason_stands(arbiter: Arbiter) -> None:
    arbiter.stop("button")
    arbiter.stop("another")
    arbiter.let_go()
    with pytest.raises(CommandRefused, match=r"stopped \(button\)"):
        arbiter.take(to(0.0), at(0.0), 0, person=True)
    with pytest.raises(RobotFault, match="before a reset"), arbiter.resetting("any"):
        raise AssertionError("a stopped arm is not reset")
    arbiter.release()
    arbiter.take(to(1.0), at(0.5), 0, person=True)
    command = arbiter.decide(at(0.5), 0).command
    assert command is not None and command.position[0] == pytest.approx(0.6)


def test_a_decision_that_was_not_sent_is_no_command_that_was_applied(arbiter: Arbiter) -> None:
    arbiter.take(to(0.1), at(0.0), 0, person=False)
    decision = arbiter.decide(at(0.0), 0)
    assert arbiter.applied is None and arbiter.tally.applied == 0
    arbiter.sent(decision)
    assert arbiter.applied is decision.command and arbiter.tally.applied == 1


def test_a_hold_that_was_not_sent_is_decided_again_and_then_once(arbiter: Arbiter) -> None:
    arbiter.halt()
    assert arbiter.decide(at(0.3), 0).command is not None
    arbiter.halt()
    again = arbiter.decide(at(0.2), 1)
    assert again.command is not None and again.command.position.tolist() == [0.2]
    arbiter.sent(again)
    arbiter.halt()
    assert arbiter.decide(at(0.1), 2).command is None


def test_faults_last_until_whoever_declared_them_takes_them_back(arbiter: Arbiter) -> None:
    arbiter.declare_fault("arm", "it is gone")
    arbiter.declare_fault("hold", "it does not hold")
    assert arbiter.fault == "it is gone; it does not hold"
    with pytest.raises(CommandRefused, match="may not move: it is gone"):
        arbiter.take(to(0.0), at(0.0), 0, person=True)
    arbiter.clear_fault("arm")
    arbiter.clear_fault("arm")
    assert arbiter.fault == "it does not hold"
    arbiter.clear_fault("hold")
    arbiter.take(to(0.0), at(0.0), 0, person=True)


def test_a_fault_ends_what_was_being_done(arbiter: Arbiter) -> None:
    arbiter.take(to(1.0), at(0.0), 0, person=True)
    arbiter.declare_fault("arm", "it is gone")
    arbiter.clear_fault("arm")
    assert arbiter.decide(at(0.0), 0).command is None
