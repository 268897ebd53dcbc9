"""Counts what became of commands: how many moved the arm, and how many did not, by reason. Imports nothing.

tally.refuse("too old", "the command is 300 ms old ...")
"""

from __future__ import annotations

from collections import Counter


class Tally:
    """Of one robot, since it started.

    Attributes:
        applied: commands that moved the arm.
        changed: of those, bounded by the gate to something else than was asked.
        refused: by reason; commands that moved nothing.
    """

    def __init__(self) -> None:
        self.applied = self.changed = 0
        self.refused: Counter[str] = Counter()
        self._newest: tuple[str, str] | None = None

    def apply(self, *, changed: bool) -> None:
        """Count a command that moved the arm."""
        self.applied += 1
        self.changed += changed

    def refuse(self, reason: str, text: str) -> None:
        """Count one that did not, and keep its text for :attr:`refusal`."""
        self.refused[reason] += 1
        self._newest = reason, text

    @property
    def num_refused(self) -> int:
        """Of all reasons."""
        return self.refused.total()

    @property
    def refusal(self) -> str:
        """Why the newest was refused, and how often each reason came; empty where none was."""
        if self._newest is None:
            return ""
        counts = ", ".join(f"{reason} {count}" for reason, count in self.refused.most_common())
        return f"{self._newest[1]} (so far: {counts})"
