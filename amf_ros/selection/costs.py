"""What one usable demonstration of each task takes the operator, learned from the attempts so far.

    seconds = demonstration_seconds({"push": [(12.0, True), (20.0, False)], "lift": []}, reset_s=10.0)

Imports base, errors and values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem


def demonstration_seconds(
    attempts: Mapping[str, Sequence[tuple[float, bool]]], reset_s: float, strength: float = 1.0
) -> dict[str, float]:
    """Return the expected seconds until there is one usable demonstration of each task.

        t(c) = a(c) (d(c) + reset),    by Wald's identity: attempts are alike and stop at the first usable one

        a(c) = (n + k) / (s + k p0),   p0 = (S + 1) / (N + 1)
        d(c) = (sum_i d_i + k d0) / (n + k),   d0 = mean over the tasks with attempts of their mean duration

    a(c) is E[1/p] under p ~ Beta(1 + k p0, k (1 - p0)) after s of the task's n attempts were usable: a prior
    of k attempts at the rate of all tasks together (S of N, and one usable attempt beside them). d(c)
    is the posterior mean of a duration whose prior at d0 weighs as much as k attempts. So a task nobody tried
    costs what tasks cost this operator, and each attempt moves it to its own figure.

    Args:
        attempts: task id -> (duration [s], whether a usable demonstration came of it), in any order.
        reset_s: of resetting the scene before each attempt [s].
        strength: k, in attempts; above 0.

    Returns:
        task id -> t(c) [s]; NaN for all where no attempt lasted any time.

    Raises:
        SelectionError: a duration or ``reset_s`` is negative or not finite, or ``strength`` is not above 0.
    """
    _check(attempts, reset_s, strength)
    tried = {key: tries for key, tries in attempts.items() if tries}
    if not any(duration > 0 for tries in tried.values() for duration, _ in tries):
        return dict.fromkeys(attempts, float("nan"))
    number = sum(len(tries) for tries in tried.values())
    usable = sum(good for tries in tried.values() for _, good in tries)
    prior_rate = (usable + 1) / (number + 1)
    prior_s = math.fsum(_total(tries) / len(tries) for tries in tried.values()) / len(tried)
    seconds = {}
    for key, tries in attempts.items():
        expected = (len(tries) + strength) / (sum(good for _, good in tries) + strength * prior_rate)
        duration_s = (_total(tries) + strength * prior_s) / (len(tries) + strength)
        seconds[key] = expected * (duration_s + reset_s)
    return seconds


def prices(seconds: Sequence[float]) -> Array:
    """Return the minutes of one demonstration of each task, (n,), by which a score is divided.

    Args:
        seconds: one per task [s]; NaN where nobody knows, which is taken for the mean of the others. 1 for
            all where none is known.

    Raises:
        SelectionError: one is zero, negative or infinite.
    """
    known = [value for value in seconds if not math.isnan(value)]
    bad = [value for value in known if not 0 < value < math.inf]
    if bad:
        raise SelectionError(
            f"a demonstration is said to take {bad[0]:g} s; give a time above 0, or NaN where it is unknown"
        )
    if not known:
        return np.ones(len(seconds))
    # Exactly rounded, so that the order of the tasks plays no part.
    mean = math.fsum(known) / len(known)
    return np.array([(mean if math.isnan(value) else value) / 60 for value in seconds])


def minutes(problem: Problem) -> Array:
    """Return the minutes of one demonstration of each candidate, (candidates,).

    A task nobody has timed is taken for the mean of the timed ones; where none is, each costs 1.

    Raises:
        SelectionError: a duration is zero, negative or infinite.
    """
    of_task = dict(
        zip((task.id for task in problem.tasks), prices([task.demonstration_s for task in problem.tasks]))
    )
    return np.array([of_task[key] for key in problem.candidates])


def _total(tries: Sequence[tuple[float, bool]]) -> float:
    return math.fsum(duration for duration, _ in tries)


def _check(attempts: Mapping[str, Sequence[tuple[float, bool]]], reset_s: float, strength: float) -> None:
    for key, tries in attempts.items():
        for duration, _ in tries:
            if not 0 <= duration < math.inf:
                raise SelectionError(
                    f"an attempt at {key!r} is said to have lasted {duration:g} s; "
                    "durations are finite and not negative: look at the recording"
                )
    if not 0 <= reset_s < math.inf:
        raise SelectionError(f"reset_s is {reset_s:g}; it is finite and not negative")
    if not 0 < strength < math.inf:
        raise SelectionError(f"strength is {strength:g}; give a number of attempts above 0")
