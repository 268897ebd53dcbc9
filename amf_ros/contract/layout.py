"""What a policy is made for, whoever says so: names of its inputs and outputs, and their rate.

:class:`~amf_ros.contract.contract.Contract` is one, read from a robot's file; a suite with a simulator of
its own gives the other. Imports nothing.

    interface = SuiteInterface("reach", ("x", "y"), ("vx", "vy"), 10.0)
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol


class Interface(Protocol):
    """Names, order and rate; ``hash`` differs where what they mean may differ."""

    @property
    def name(self) -> str:
        """For messages to people."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of the d elements of an observation."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the a elements of an action."""

    @property
    def fps(self) -> float:
        """Actions per second [Hz]."""

    @property
    def hash(self) -> str:
        """Of all that defines observations and actions."""


@dataclass(frozen=True)
class SuiteInterface:
    """That of a suite which brings its own simulator; see :class:`Interface`."""

    name: str
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    fps: float

    @property
    def hash(self) -> str:
        """Of names, order and rate; nothing else is known about them."""
        defining = [self.observation_names, self.action_names, self.fps]
        return hashlib.sha256(json.dumps(defining).encode()).hexdigest()[:16]
