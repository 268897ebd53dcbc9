"""Paired statistics: areas and crossings by hand, intervals against normal theory and scipy's bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from amf_ros.core.errors import ConfigError, DataError, UnknownName
from amf_ros.sweep.statistics import (
    Curves,
    band,
    bootstrap,
    collect,
    compare,
    difference,
    mean,
    reaching,
    to_match,
    to_reach,
)
from amf_ros.sweep.tables import comparison_table


def rows(name: str, heights: list[list[float]], x: list[float] | None = None) -> list[dict[str, Any]]:
    at = x or [float(i) for i in range(len(heights[0]))]
    return [
        {"job": {"strategy": name, "seed": seed}, "result": {"demonstrations": at, "success": y}}
        for seed, y in enumerate(heights)
    ]


def test_area_is_the_mean_height_also_between_uneven_places() -> None:
    curves = Curves(np.array([0.0, 1.0, 4.0]), (0,), np.array([[0.0, 1.0, 1.0]]))
    assert curves.area == pytest.approx([(0.5 + 3.0) / 4.0])
    assert curves.final == pytest.approx([1.0])


def test_interval_is_that_of_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(3).normal(size=12)
    own = mean(values)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert own.value == pytest.approx(values.mean())
    assert (own.low, own.high) == pytest.approx((reference.low, reference.high), abs=0.05)
    same = bootstrap(12, lambda drawn: float(values[drawn].mean()))
    assert (same.value, same.low, same.high) == pytest.approx((own.value, own.low, own.high))


def test_one_seed_has_no_interval() -> None:
    estimate = mean(np.array([0.5]))
    assert estimate.value == 0.5 and np.isnan(estimate.low) and np.isnan(estimate.high)
    assert not estimate.excludes_zero
    assert f"{estimate:.2f}" == "0.50 [–, –]"


def test_pairing_sees_a_small_gain_that_unpaired_intervals_hide() -> None:
    base = np.linspace(0.1, 0.9, 10)
    gained = difference(base + 0.02, base)
    assert gained.estimate.excludes_zero and gained.better == 10
    assert gained.p == pytest.approx(2 / 2**10)  # the least that ten signs can give
    assert mean(base).high - mean(base).low > 10 * 0.02


def test_a_difference_without_direction_is_not_significant() -> None:
    none = difference(np.array([1.0, -1.0, 2.0, -2.0]), np.zeros(4))
    assert none.p == pytest.approx(1.0) and not none.estimate.excludes_zero
    with pytest.raises(ConfigError, match="pair them by seed"):
        difference(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize(
    ("level", "place"), [(0.0, 0.0), (0.25, 2.0), (0.5, 4.0), (0.75, 6.0), (1.0, 8.0), (1.1, np.inf)]
)
def test_a_level_is_reached_between_two_places(level: float, place: float) -> None:
    assert reaching(np.array([0.0, 4.0, 8.0]), np.array([0.0, 0.5, 1.0]), level) == pytest.approx(place)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1))
def test_a_level_is_reached_no_later_than_the_first_value_above_it(y: list[float], level: float) -> None:
    x = np.arange(len(y), dtype=float)
    above = [i for i, value in enumerate(y) if value >= level]
    place = reaching(x, np.array(y), level)
    assert place == np.inf if not above else max(above[0] - 1, 0) <= place <= above[0]


def test_demonstrations_to_reach_and_to_match() -> None:
    x = np.array([0.0, 4.0, 8.0])
    fast = Curves(x, (0, 1, 2), np.tile([0.0, 0.8, 1.0], (3, 1)))
    slow = Curves(x, (0, 1, 2), np.tile([0.0, 0.2, 0.4], (3, 1)))
    assert to_reach(fast, 0.9).value == pytest.approx(6.0)
    assert to_match(fast, slow).value == pytest.approx(2.0)
    never = to_match(slow, fast)
    assert f"{never:.1f}" == "never [never, never]"


def test_strategies_are_compared_on_shared_seeds_and_ordered_by_area() -> None:
    data = rows("uniform", [[0, 0.4], [0.2, 0.6], [0, 0.5]]) + rows("amf", [[0, 0.8], [0.2, 1.0]])
    first, second = compare(collect(data), "uniform")
    assert (first.name, first.seeds, first.difference.better) == ("amf", 2, 2)
    assert first.difference.estimate.value == pytest.approx(0.2)
    assert (second.name, second.seeds, second.difference.estimate.value) == ("uniform", 3, 0.0)
    assert (first.left_out, second.left_out) == (1, 0)
    cells = comparison_table([first, second], "uniform")[1]
    assert [row[1] for row in cells] == ["2 (1 left out)", "3"]
    assert first.start.value == pytest.approx(0.1) and first.to_match.value == pytest.approx(0.5)


def test_a_band_holds_the_mean_and_is_empty_where_all_seeds_agree() -> None:
    curves = collect(rows("amf", [[0.0, 0.2], [0.0, 0.4], [0.0, 0.9]]))["amf"]
    middle, low, high = band(curves)
    assert middle == pytest.approx([0.0, 0.5]) and low[0] == high[0] == 0.0
    assert low[1] < 0.5 < high[1]


def test_minutes_are_read_as_a_staircase_on_a_grid() -> None:
    data = rows("amf", [[0.1, 0.5, 0.9]], [0.0, 2.5, 7.0]) + rows("uniform", [[0.1, 0.3]], [0.0, 5.0])
    curves = collect(data, grid=[0, 2.5, 5, 10])
    assert curves["amf"].y.tolist() == [[0.1, 0.5, 0.5, 0.9]]
    assert curves["uniform"].y.tolist() == [[0.1, 0.1, 0.3, 0.3]]
    with pytest.raises(DataError, match="start the grid later"):
        collect(data, grid=[-1, 0])


def test_missing_values_stay_missing() -> None:
    data = rows("amf", [[0.1, 0.5]])
    data[0]["result"]["success"][1] = None
    assert np.isnan(collect(data)["amf"].y[0, 1])


def test_what_cannot_be_compared_is_refused() -> None:
    data = rows("amf", [[0, 1]]) + rows("uniform", [[0, 1], [0, 1]])[1:]
    with pytest.raises(DataError, match="share no seed"):
        compare(collect(data), "uniform")
    with pytest.raises(UnknownName, match="did you mean 'uniform'"):
        compare(collect(data), "unifrom")
    with pytest.raises(DataError, match="seed 0 twice"):
        collect(data + data)
    with pytest.raises(DataError, match="give a grid"):
        collect(rows("amf", [[0, 1]]) + [{"job": {"strategy": "amf", "seed": 1}, "result": {
            "demonstrations": [0.0, 2.0], "success": [0, 1]}}])  # fmt: skip
