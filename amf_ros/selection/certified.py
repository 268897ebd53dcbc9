"""Choices made in float32 that are those of float64.

    scores, sums = certified(workspace, weights, prices)

float32 scores of all candidates single out those that can be best at all; these are scored again in float64,
and the choice is among them. How far a float32 score may be off follows from what rounding does to K: with
entries of K wrong by c eps |psi| |psi'|, sigma^2 the noise, and s the score,

    |error| <= c eps [ |Psi_c| sqrt(2 (v_max + sigma^2) s E[v]) / sigma^3
                       + s (1 + (|Psi_c|^2 + v_max) / sigma^2) ]

to first order (Cauchy-Schwarz on dr = 2 (R^-1 k) . (R^-1 dk), and r <= 2 (v + sigma^2) I), and a term of
second order. c is not known, so it is measured: the candidates that look best are scored both ways, and
``SAFETY`` times the largest c among them is assumed of all others. Imports blocks, posterior and
workspace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.values import Array
from amf_ros.selection.blocks import Totals
from amf_ros.selection.posterior import Information
from amf_ros.selection.workspace import Workspace

PROBES, SAFETY, LEAST = 8, 8.0, 0.5
"""Candidates scored both ways, what multiplies the largest c among them, and the least c assumed."""


@dataclass(frozen=True, eq=False)
class Certified:
    """Scores whose best is the best of float64.

    Attributes:
        totals: of all candidates; those scored again stand in float64.
        scores: (candidates,) first weighting, divided by prices.
        again: rows of the candidates that were scored in float64; the best is among them.
        roundings: largest c that was seen; 0 where all is float64 from the start.
    """

    totals: Totals
    scores: Array
    again: tuple[int, ...]
    roundings: float


def certified(
    workspace: Workspace,
    weights: Array,
    prices: Array,
    noise_variance: float,
    information: Information,
    matrix: bool = False,
) -> Certified:
    """Score all candidates, those that may be the best in float64.

    Args:
        workspace: of the question.
        weights: (m, targets); the first row decides.
        prices: (candidates,) by which scores are divided, above 0.
        noise_variance: sigma^2.
        information: as the workspace was told.
        matrix: whether to keep the gains of each target.

    Raises:
        IllConditioned: a candidate's covariance could not be factorised.
    """
    totals, names = workspace.totals(weights, matrix), workspace.question.candidates
    scores = totals.gains[:, 0] / prices
    if workspace.question.precision is np.float64:
        return Certified(totals, scores, tuple(range(len(names))), 0.0)
    unit = _unit(workspace, totals, weights, noise_variance, information) / prices
    again: list[int] = []
    roundings, rest = 0.0, np.argsort(-scores, kind="stable")[:PROBES]
    while len(rest):
        guess = scores[rest].copy()
        _replace(totals, rest, workspace.exact([names[row] for row in rest], weights, matrix))
        scores[rest] = totals.gains[rest, 0] / prices[rest]
        off = np.abs(guess - scores[rest])
        roundings = max(roundings, float(np.max(off / unit[rest])) if np.isfinite(off).all() else np.inf)
        again += rest.tolist()
        # Ties to rounding are the seed's to decide, so candidates within best()'s margin belong to them.
        reach = scores + max(LEAST, SAFETY * roundings) * unit + 1e-9 * np.abs(scores)
        possible = ~(reach < scores[again].max())
        possible[again] = False
        rest = np.flatnonzero(possible)
    return Certified(totals, scores, tuple(again), roundings)


def _unit(
    workspace: Workspace, totals: Totals, weights: Array, noise_variance: float, information: Information
) -> Array:
    """The bound of the module's docstring for c = 1, (candidates,)."""
    eps, sigma = float(np.finfo(np.float32).eps), float(np.sqrt(noise_variance))
    mean, largest = workspace.spread_of(weights)
    gain, size = np.abs(totals.gains[:, 0]), totals.sizes
    if information == "variance":
        first = 2 * size / sigma * np.sqrt(gain * mean) + gain * (1 + size**2 / noise_variance)
        second = (size / sigma) ** 2 * mean
    else:
        first = size * np.sqrt(2 * (largest + noise_variance) * gain * mean) / sigma**3
        first += gain * (1 + (size**2 + largest) / noise_variance)
        second = (size / sigma) ** 2 * mean / noise_variance
    unit: Array = eps * first + eps**2 * second + 1e-37
    return unit


def _replace(totals: Totals, rows: NDArray[np.int64], exact: Totals) -> None:
    totals.gains[rows], totals.std[rows] = exact.gains, exact.std
    if totals.matrix is not None and exact.matrix is not None:
        totals.matrix[rows] = exact.matrix
