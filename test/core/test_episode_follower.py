"""When to act in an episode, from stamps alone."""

from __future__ import annotations

import pytest

from amf_ros.arm.episode_follower import EpisodeFollower, Turn
from amf_ros.arm.protocol import EPISODE_GAP_NS

PERIOD = 50_000_000


def turns(episode: EpisodeFollower, *stamps: int) -> list[Turn]:
    return [episode.turn(stamp) for stamp in stamps]


def test_an_episode_acts_once_per_state_from_its_start_on() -> None:
    episode = EpisodeFollower(5 * PERIOD, 2 * PERIOD, exact=True)
    seen = turns(episode, 4 * PERIOD, 5 * PERIOD, 5 * PERIOD, 6 * PERIOD)
    assert seen == [Turn.IGNORE, Turn.ACT, Turn.REPEAT, Turn.ACT]
    assert not episode.timed_out
    assert episode.turn(7 * PERIOD) is Turn.ACT and episode.timed_out
    assert episode.elapsed_s == pytest.approx(0.1)


@pytest.mark.parametrize("next_ns", [5 * PERIOD + EPISODE_GAP_NS, 4 * PERIOD])
def test_a_jump_of_the_clock_is_another_episode(next_ns: int) -> None:
    episode = EpisodeFollower(0, 100 * PERIOD, exact=False)
    assert turns(episode, 5 * PERIOD, next_ns) == [Turn.ACT, Turn.LOST]


def test_in_lock_step_nobody_joins_an_episode_that_has_begun() -> None:
    assert EpisodeFollower(5 * PERIOD, PERIOD, exact=True).turn(6 * PERIOD) is Turn.LOST
    assert EpisodeFollower(5 * PERIOD, PERIOD, exact=False).turn(6 * PERIOD) is Turn.ACT
    assert EpisodeFollower(0, PERIOD, exact=True).turn(6 * PERIOD) is Turn.ACT
