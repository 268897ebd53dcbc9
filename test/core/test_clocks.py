"""Arrival minus stamp: which stream's clock is off, and what is only a busy machine."""

from __future__ import annotations

import math

import pytest
import yaml

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.clocks import Clocks
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.paths import find_config

MS = 1_000_000
START = 1_795_000_000_000_000_000
RATES = {"joint_states": 10, "scene_state": 20, "teleop/command": 50}  # [ms]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(load_contract("panda_tabletop"))


def run(clocks: Clocks, begin_ms: int, end_ms: int, arrive=lambda topic, at: at + 2, **off_ms: float) -> None:
    """Streams at their rates, each stamped by a clock that is off, in the order of arrival."""
    arrivals = [
        (arrive(topic, at), at, topic)
        for topic, every in RATES.items()
        for at in range(begin_ms, end_ms, every)
    ]
    for arrival, at, topic in sorted(arrivals):
        off = off_ms.get(topic.replace("/", "_"), 0.0)
        clocks.add(topic, START + round((at + off) * MS), START + arrival * MS)


def test_delay_is_the_median_of_arrival_minus_stamp(clocks: Clocks) -> None:
    assert math.isnan(clocks.delay_s("joint_states")) and math.isnan(clocks.delay_s("no/such"))
    run(clocks, 0, 3_000, scene_state=-2_000.0)
    assert clocks.delay_s("joint_states") == pytest.approx(0.002)
    assert clocks.delay_s("scene_state") == pytest.approx(2.002)


@pytest.mark.parametrize(
    ("topic", "off_ms", "text"),
    [
        ("joint_states", -2_000.0, "joint_states arrives 2002 ms after its stamps, allowed 100 ms"),
        ("teleop/command", 500.0, "teleop/command arrives 498 ms before its stamps, allowed 100 ms"),
        ("scene_state", -float(START) / MS + 7_000.0, "scene_state arrives 1794999993 s after its stamps"),
    ],
)
def test_a_clock_that_is_off_is_named_with_the_way_out(clocks: Clocks, topic, off_ms, text) -> None:
    run(clocks, 0, 2_500, **{topic.replace("/", "_"): off_ms})
    assert list(clocks.problems()) == [topic]
    assert text in clocks.problem() and "offset_ms" in clocks.problem()


def test_within_a_second_nobody_is_judged_but_at_the_end(clocks: Clocks) -> None:
    run(clocks, 0, 700, teleop_command=500.0)
    assert not clocks.problems()
    assert list(clocks.problems(final=True)) == ["teleop/command"]


def test_a_stalled_machine_is_no_clock(clocks: Clocks) -> None:
    """For three seconds nothing is processed, then all of it at once; then a slow second."""
    run(clocks, 0, 2_000)
    run(clocks, 2_000, 5_000, arrive=lambda topic, at: 5_000 + at // 100)
    assert not clocks.problems() and not clocks.problems(final=True)
    run(clocks, 5_050, 7_000, arrive=lambda topic, at: at + 180)
    assert not clocks.problems(final=True)  # all alike: no pair is wrong
    run(clocks, 7_200, 8_000)
    assert not clocks.problems(final=True)


def test_an_offset_that_all_share_changes_no_pair(clocks: Clocks) -> None:
    run(clocks, 0, 3_000, arrive=lambda topic, at: at + 2_000)
    assert not clocks.problems(final=True)
    assert clocks.delay_s("scene_state") == pytest.approx(2.0)


def test_one_message_far_off_is_not_a_clock(clocks: Clocks) -> None:
    for k in range(300):
        stamp = START + k * 10 * MS
        clocks.add("joint_states", stamp + (10**18 if k % 50 == 0 else 0), stamp + MS)
        clocks.add("scene_state", stamp, stamp + MS)
    assert not clocks.problems(final=True)


def test_a_contract_may_allow_more() -> None:
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    data["topics"]["scene_state"]["align"]["max_offset_ms"] = 3_000
    data["action"]["record_from"]["align"] = {"max_offset_ms": 900}
    clocks = Clocks(Contract(parse(data, ContractSpec, "c.yaml")))
    run(clocks, 0, 2_500, scene_state=-2_000.0, teleop_command=500.0)
    assert not clocks.problems()


def test_the_offset_is_forgotten_when_the_robots_clock_moves(clocks: Clocks) -> None:
    run(clocks, 0, 2_500, scene_state=-2_000.0)
    clocks.forget()
    assert not clocks.problems() and math.isnan(clocks.delay_s("scene_state"))
