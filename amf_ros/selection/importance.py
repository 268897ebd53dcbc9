"""Importance weights: whose demonstrations tell which states another task visits. Arrays only.

    weights = importance_weights(log_ratios)                   # (tasks, demonstrations)

arXiv 2410.05026, section 4: for a task c' that nobody may have shown, demonstration i of task c_i counts by

    w_i(c') ~ prod_t pi(a_t | s_t, c') / pi(a_t | s_t, c_i)

normalised over i. The dynamics cancel, so the policy alone decides. Products over long trajectories leave one
demonstration with all the weight more often than not, which the effective sample size 1 / sum w^2 shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array

MIN_EFFECTIVE = 2.0  # demonstrations: a weight that one of them has alone says nothing about the others


@dataclass(frozen=True)
class ImportanceWeights:
    """Holds self-normalised weights.

    Attributes:
        weights: (m, n), rows summing to 1; a row of zeros where nothing can be said.
        effective: (m,) effective sample sizes, from 1 to n; 0 for a row of zeros.
        collapsed: (m,) whether a row's effective sample size is too small to be used.
    """

    weights: Array
    effective: Array
    collapsed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def importance_weights(log_ratios: Array, min_effective: float = MIN_EFFECTIVE) -> ImportanceWeights:
    """Return the weights of n demonstrations for m tasks.

    Args:
        log_ratios: (m, n) sums over time of log pi(a|s,c') - log pi(a|s,c_i); -inf = impossible under c'.
        min_effective: smaller effective sample sizes count as collapsed.

    Raises:
        SelectionError: a ratio is NaN or +inf, or the array is not (m, n).
    """
    ratios = np.asarray(log_ratios, dtype=np.float64)
    if ratios.ndim != 2:
        raise SelectionError(f"log ratios of shape {ratios.shape}; give one row per task, (m, n)")
    if np.isnan(ratios).any() or np.isposinf(ratios).any():
        row, column = np.argwhere(np.isnan(ratios) | np.isposinf(ratios))[0]
        raise SelectionError(
            f"log ratio of task {row} and demonstration {column} is {ratios[row, column]}; it must be a "
            "number or -inf: check that the policy's answers and the demonstrated actions are finite"
        )
    weights = np.zeros_like(ratios)
    possible = np.isfinite(ratios).any(axis=1) if ratios.shape[1] else np.zeros(len(ratios), dtype=bool)
    some = ratios[possible]
    weights[possible] = np.exp(some - logsumexp(some, axis=1, keepdims=True)) if len(some) else some
    effective = np.zeros(len(ratios))
    effective[possible] = 1 / np.square(weights[possible]).sum(axis=1)
    return ImportanceWeights(weights, effective, effective < min_effective)


def gaussian_log_ratio(actions: Array, own: Array, others: Array, variance: float) -> Array:
    """Return the log of prod_t N(a_t; others_t, v) / N(a_t; own_t, v), one for each other task, (m,).

    Args:
        actions: (T, a) demonstrated, in standardised units.
        own: (T, a) what the policy answers under the demonstration's own task.
        others: (m, T, a) what it answers under the others.
        variance: v, in the same units squared.
    """
    distance = np.square(actions - own).sum()
    ratio: Array = (distance - np.square(actions - others).sum(axis=(1, 2))) / (2 * variance)
    return ratio
