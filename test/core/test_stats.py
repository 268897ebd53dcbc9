"""Wilson's interval against published and exact values."""

import pytest

from amf_ros.core.stats import wilson


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_agrees_with_newcombe_1998(successes, episodes, low, high):
    assert wilson(successes, episodes) == pytest.approx((low, high), abs=5e-5)


def test_bounds_solve_the_score_equation():
    n, k, z = 37, 9, 1.959963984540054
    for p in wilson(k, n):
        assert abs(k / n - p) == pytest.approx(z * (p * (1 - p) / n) ** 0.5, rel=1e-9)


def test_nothing_tried_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "episodes"), [(3, 2), (-1, 2), (0, -1)])
def test_impossible_counts_are_refused(successes, episodes):
    with pytest.raises(ValueError, match="episodes"):
        wilson(successes, episodes)
