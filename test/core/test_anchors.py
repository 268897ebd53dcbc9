"""What an audit is worth, in demonstrations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from amf_ros.knowledge.anchors import HALF_KNOWN, anchor_demonstrations


@given(successes=st.integers(0, 200), failures=st.integers(0, 200))
def test_a_success_makes_a_task_better_known_and_a_failure_less(successes: int, failures: int) -> None:
    worth = anchor_demonstrations(successes, failures)
    assert worth >= 0 and (worth == 0) == (successes == 0)
    assert anchor_demonstrations(successes + 1, failures) > worth
    assert anchor_demonstrations(successes, failures + 1) <= worth
    assert anchor_demonstrations(1, 9) < anchor_demonstrations(1, 0) == HALF_KNOWN


@pytest.mark.parametrize("episodes", [1, 4, 10, 60])
@pytest.mark.parametrize("rate", [0.1, 0.4, 0.5, 0.9])
def test_on_average_it_is_what_the_learning_curve_says_of_the_rate(rate: float, episodes: int) -> None:
    """Half known after k demonstrations: m / (m + k) = rate; short audits say less, never more."""
    counts = np.arange(episodes + 1)
    worth = [anchor_demonstrations(int(s), int(episodes - s)) for s in counts]
    mean = float(stats.binom.pmf(counts, episodes, rate) @ worth)
    curve = HALF_KNOWN * rate / (1 - rate)
    assert mean == pytest.approx(curve * (1 - rate**episodes))


def test_more_episodes_do_not_make_a_half_working_task_known() -> None:
    worth = [anchor_demonstrations(half, half) for half in (1, 2, 5, 50, 500)]
    assert max(worth) < HALF_KNOWN < anchor_demonstrations(2, 0)
