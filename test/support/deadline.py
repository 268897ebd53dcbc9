"""The one deadline of tests that wait for other processes, or for the work of another thread.

An event ends each wait, so a generous one costs nothing where all is well; a tight one fails on two cores
that run other things too. It lies below the time limit of a test (``timeout`` in pyproject.toml).
"""

from __future__ import annotations

DEADLINE_S = 180.0
