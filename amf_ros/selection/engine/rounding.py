"""Choices made in float32 that are those of float64.

float32 scores of all candidates single out those that can be best at all; these are scored again in float64,
and the choice is among them. How far a float32 score may be off follows from what rounding does to K: with
entries of K wrong by k eps |tau| |psi|, sigma^2 the noise, and s the score,

    |error| <= k eps [ |tau_c| sqrt(2 (v_max + sigma^2) s E[v]) / sigma^3
                       + s (1 + (|tau_c|^2 + v_max) / sigma^2) ]

to first order (Cauchy-Schwarz on dr = 2 (R^-1 K) . (R^-1 dK), and r <= 2 (v + sigma^2)), and a term of second
order. k is not known, so it is measured: the candidates that look best are scored both ways, and ``SAFETY``
times the largest k among them is assumed of all others. Imports information_gain and config.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.information_gain import CandidateScores
from amf_ros.selection.posterior import Floats

PROBES, SAFETY, LEAST = 8, 8.0, 0.5
"""Candidates scored both ways, what multiplies the largest k among them, and the least k assumed."""


@dataclass(frozen=True, eq=False)
class Totals:
    """Holds gains, posterior deviations and |tau_c|, (c,) each; ``about`` (c, targets) gains, or None."""

    gains: Array
    std: Array
    sizes: Array
    about: Floats | None


def certified(
    names: Sequence[str],
    found: Totals,
    unit: Array,
    prices: Array,
    exact: Callable[[Sequence[str]], Totals],
) -> CandidateScores:
    """Score again in float64 whichever candidates may have the best gain / price.

    Args:
        names: of all candidates.
        found: their scores in float32; those scored again are written over.
        unit: (candidates,) of :func:`error_unit`.
        prices: (candidates,) above 0.
        exact: scores some candidates in float64, with gains about each target.
    """
    scores, unit = found.gains / prices, unit / prices
    about: dict[int, Array] = {}
    rounding, rest = 0.0, np.argsort(-scores, kind="stable")[:PROBES]
    while len(rest):
        guess, again = scores[rest].copy(), exact([names[row] for row in rest])
        found.gains[rest], found.std[rest], scores[rest] = again.gains, again.std, again.gains / prices[rest]
        if again.about is not None:
            about |= zip(rest.tolist(), again.about)
        off = np.abs(guess - scores[rest])
        rounding = max(rounding, float(np.max(off / unit[rest])) if np.isfinite(off).all() else np.inf)
        # Ties to rounding are the seed's to decide, so candidates within best()'s margin belong to them.
        reach = scores + max(LEAST, SAFETY * rounding) * unit + 1e-9 * np.abs(scores)
        possible = ~(reach < scores[list(about)].max())
        possible[list(about)] = False
        rest = np.flatnonzero(possible)
    scored, rows = np.array(list(about)), np.array(list(about.values()))
    if found.about is not None:
        found.about[scored] = rows
    return CandidateScores(found.gains, found.std, found.about, scored, rows, rounding)


def error_unit(found: Totals, config: SelectionConfig, mean: float, largest: float) -> Array:
    """Return the bound of the module's docstring for k = 1, (candidates,) [nat].

    Args:
        found: scores in float32.
        config: noise and form of information.
        mean: E[v] over the evaluation states, of what was known at first.
        largest: v_max, of the same.
    """
    noise = config.noise_variance
    eps, sigma = float(np.finfo(np.float32).eps), float(np.sqrt(noise))
    gain, size = np.abs(found.gains), found.sizes
    if config.information == "variance":
        first = 2 * size / sigma * np.sqrt(gain * mean) + gain * (1 + size**2 / noise)
        second = (size / sigma) ** 2 * mean
    else:
        first = size * np.sqrt(2 * (largest + noise) * gain * mean) / sigma**3
        first += gain * (1 + (size**2 + largest) / noise)
        second = (size / sigma) ** 2 * mean / noise
    unit: Array = eps * first + eps**2 * second + 1e-37
    return unit
