"""Intervals for counts. Imports scipy, when it is asked for one.

low, high = wilson(successes=9, episodes=12)
"""

from __future__ import annotations


def wilson(successes: int, episodes: int) -> tuple[float, float]:
    """Return Wilson's 95% score interval of a success rate; (0, 1) without episodes.

    Wilson (1927): the p with |p_hat - p| <= z sqrt(p (1 - p) / n). It stays sensible for few episodes and at
    rates of 0 and 1, where p_hat -+ z sqrt(p_hat (1 - p_hat) / n) does not.

    Args:
        successes: 0 to ``episodes``.
        episodes: not negative.

    Raises:
        ValueError: the counts contradict each other.
    """
    from scipy.stats import binomtest  # takes a second, for which not every command should wait

    if not 0 <= successes <= episodes:
        raise ValueError(f"{successes} successes in {episodes} episodes; give 0 <= successes <= episodes")
    if episodes == 0:
        return 0.0, 1.0
    interval = binomtest(successes, episodes).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)
