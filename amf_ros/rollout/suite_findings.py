"""What the check of a suite found (:mod:`amf_ros.rollout.suite_check`), as values. Imports stats only.

[finding.found for finding in examination.wrong]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from amf_ros.core.stats import wilson

Severity = Literal["ok", "hint", "wrong"]


@dataclass(frozen=True)
class SuiteFinding:
    """Says what was found of one thing that was looked at; ``wrong`` would make numbers wrong."""

    what: str
    severity: Severity
    found: str


@dataclass
class TriedTask:
    """Counts episodes of one task: the expert tried ``seeds`` of them and did ``successes``."""

    task_id: str
    limit: int
    seeds: int = 0
    successes: int = 0
    timed_out: int = 0
    steps: list[int] = field(default_factory=list)

    @property
    def rate(self) -> str:
        """Write the rate of success with its 95% interval."""
        low, high = wilson(self.successes, self.seeds)
        return f"{self.successes}/{self.seeds} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True)
class Examination:
    """Holds what was found, and what the expert did in each task."""

    findings: tuple[SuiteFinding, ...]
    tasks: tuple[TriedTask, ...]

    @property
    def wrong(self) -> tuple[SuiteFinding, ...]:
        """Return what must be mended."""
        return tuple(finding for finding in self.findings if finding.severity == "wrong")
