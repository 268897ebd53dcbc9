"""Intervals for counts. Imports the standard library only.

low, high = wilson(successes=9, episodes=12)
"""

from __future__ import annotations

from math import sqrt

_Z95 = 1.959963984540054  # 97.5% quantile of the standard normal distribution


def wilson(successes: int, episodes: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's score interval of a success rate; (0, 1) without episodes.

    Wilson (1927): the p with |p_hat - p| <= z sqrt(p (1 - p) / n). Sensible for few episodes and at 0 and 1,
    where p_hat -+ z sqrt(p_hat (1 - p_hat) / n) is not.

    Args:
        successes: 0 to ``episodes``.
        episodes: not negative.
        z: standard normal quantile; the default gives 95%.

    Raises:
        ValueError: counts that cannot be.
    """
    if not 0 <= successes <= episodes:
        raise ValueError(f"{successes} successes in {episodes} episodes; give 0 <= successes <= episodes")
    if episodes == 0:
        return 0.0, 1.0
    rate = successes / episodes
    denominator = 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / denominator
    half = z / denominator * sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)
