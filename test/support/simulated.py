"""Small helpers for simulated arms."""

from __future__ import annotations

from amf_ros.core.values import JointCommand
from amf_ros.sim.protocol import Simulator


def move(arm: Simulator, command: JointCommand | None) -> None:
    """Apply a command for one control period, without any gate; None keeps the target that the arm has."""
    if command is not None:
        arm.write(command)
    arm.step()
