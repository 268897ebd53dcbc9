"""Importance weights against exact values in a small Markov chain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from amf_ros.core.errors import SelectionError
from amf_ros.core.values import Array
from amf_ros.selection.importance import gaussian_log_ratio, importance_weights

HORIZON, STATES = 4, 5
# pi(right | s, c) of a walk on five states, from the middle; task 1 was demonstrated by a fair coin.
RIGHT = np.array([[0.9, 0.7, 0.6, 0.8, 0.2], [0.5] * 5, [0.1, 0.4, 0.3, 0.2, 0.5]])


def walk(actions: tuple[int, ...]) -> list[int]:
    """States visited, before each action and after the last."""
    states = [2]
    for action in actions:
        states.append(min(max(states[-1] + (1 if action else -1), 0), STATES - 1))
    return states


def log_likelihood(task: int, actions: tuple[int, ...]) -> float:
    chances = [RIGHT[task, s] if a else 1 - RIGHT[task, s] for s, a in zip(walk(actions), actions)]
    return float(np.log(chances).sum())


def visits(actions: tuple[int, ...]) -> Array:
    return np.bincount(walk(actions), minlength=STATES) / (HORIZON + 1)


def exact_occupancy(task: int) -> Array:
    """By enumeration of all walks, weighted by their probability."""
    walks = itertools.product((0, 1), repeat=HORIZON)
    return sum((np.exp(log_likelihood(task, w)) * visits(w) for w in walks), np.zeros(STATES))


def test_demonstrations_that_stand_for_their_task_exactly_give_the_others_occupancy_exactly() -> None:
    # Under the fair coin all 16 walks are equally likely: one of each is its distribution, without noise.
    demos = list(itertools.product((0, 1), repeat=HORIZON))
    ratios = np.array([[log_likelihood(c, w) - log_likelihood(1, w) for w in demos] for c in range(3)])
    got = importance_weights(ratios)
    for task in range(3):
        chances = [np.exp(log_likelihood(task, w)) for w in demos]
        np.testing.assert_allclose(got.weights[task], chances, rtol=1e-12)
        occupancy = sum((w * visits(d) for w, d in zip(got.weights[task], demos)), np.zeros(STATES))
        np.testing.assert_allclose(occupancy, exact_occupancy(task), rtol=1e-12)
        assert got.effective[task] == pytest.approx(1 / np.square(chances).sum())
    assert got.effective[1] == pytest.approx(16) and not got.collapsed.any()


def test_drawn_demonstrations_converge_to_it() -> None:
    rng = np.random.default_rng(0)
    demos = [tuple(row) for row in rng.integers(0, 2, (20_000, HORIZON)).tolist()]
    ratios = np.array([[log_likelihood(0, w) - log_likelihood(1, w) for w in demos]])
    (weights,) = importance_weights(ratios).weights
    occupancy = sum((w * visits(d) for w, d in zip(weights, demos)), np.zeros(STATES))
    assert np.abs(occupancy - exact_occupancy(0)).max() < 0.01
    plain = np.mean([visits(d) for d in demos], axis=0)
    assert np.abs(plain - exact_occupancy(0)).max() > 0.05  # the weights are what brings it there


@given(arrays(np.float64, (3, 7), elements=st.floats(-1e6, 1e6)), st.floats(-1e6, 1e6))
def test_weights_are_a_distribution_however_large_the_ratios_and_ignore_a_common_factor(
    ratios: Array, shift: float
) -> None:
    got = importance_weights(ratios)
    np.testing.assert_allclose(got.weights.sum(axis=1), 1, rtol=1e-9)
    assert (got.effective >= 1 - 1e-9).all() and (got.effective <= 7 + 1e-9).all()
    np.testing.assert_allclose(importance_weights(ratios + shift).weights, got.weights, atol=1e-7)


def test_one_demonstration_or_one_that_outweighs_all_is_a_collapse() -> None:
    assert importance_weights(np.array([[3.0]])).collapsed.all()
    got = importance_weights(np.array([[0.0, -500.0, -700.0], [0.0, 0.0, -700.0]]))
    assert got.collapsed.tolist() == [True, False]
    np.testing.assert_allclose(got.effective, [1, 2])


def test_what_is_impossible_has_no_weight_and_nothing_possible_is_a_collapse() -> None:
    got = importance_weights(np.array([[-np.inf, 0.0, 0.0], [-np.inf] * 3]))
    np.testing.assert_allclose(got.weights, [[0, 0.5, 0.5], [0, 0, 0]])
    assert got.effective.tolist() == [2, 0] and got.collapsed.tolist() == [False, True]
    assert importance_weights(np.zeros((2, 0))).collapsed.all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_ratios_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(SelectionError, match="task 0 and demonstration 1"):
        importance_weights(np.array([[0.0, bad]]))


def test_gaussian_ratio_is_that_of_the_densities() -> None:
    rng = np.random.default_rng(1)
    actions, own, others = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), rng.normal(size=(3, 6, 2))

    def log_density(means: Array) -> float:
        return float((-0.5 * np.log(2 * np.pi * 0.7) - (actions - means) ** 2 / (2 * 0.7)).sum())

    wanted = [log_density(other) - log_density(own) for other in others]
    np.testing.assert_allclose(gaussian_log_ratio(actions, own, others, 0.7), wanted, rtol=1e-9)
