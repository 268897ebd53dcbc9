"""Streams to steps: order, duplicates, rates, ages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amf_ros.data.replay import replay
from amf_ros.errors import ContractError, DataError
from amf_ros.types import JointCommand

MS = 1_000_000


@pytest.fixture
def roles(suite):
    return suite.task("push").roles


def streams(episode):
    return {
        "joint_states": list(episode.joints),
        "scene_state": list(episode.scenes),
        "teleop/command": list(episode.commands),
    }


def same(first, second) -> bool:
    return (
        first.observations.tobytes() == second.observations.tobytes()
        and first.actions.tobytes() == second.actions.tobytes()
        and first.stamps_ns.tolist() == second.stamps_ns.tolist()
    )


def test_the_order_of_arrival_does_not_matter(contract, roles, draw):
    straight, shuffled = streams(draw(30)), streams(draw(30))
    rng = np.random.default_rng(1)
    for values in shuffled.values():
        rng.shuffle(values)
    assert same(replay(straight, contract, roles), replay(shuffled, contract, roles))


def test_of_messages_with_one_stamp_the_first_counts(contract, roles, draw):
    doubled, once = streams(draw(10)), streams(draw(10))
    for topic, value in [
        ("joint_states", draw(10, seed=1).joints[4]),
        ("teleop/command", draw(10, seed=1).commands[4]),
    ]:
        doubled[topic].append(value)
    assert same(replay(doubled, contract, roles), replay(once, contract, roles))


def test_an_observation_never_comes_from_after_its_command(contract, roles, draw):
    recorded = streams(draw(10))
    early = [replace(c, stamp_ns=c.stamp_ns - 1) for c in recorded["teleop/command"]]
    shifted = replay({**recorded, "teleop/command": early}, contract, roles)
    exact = replay(recorded, contract, roles)
    assert len(shifted.actions) == 9  # the first one answers nothing that was recorded
    assert shifted.observations.tobytes() == exact.observations[:-1].tobytes()


def test_only_what_lies_between_start_and_end_counts(contract, roles, draw):
    episode = draw(20)
    stamps = [command.stamp_ns for command in episode.commands]
    arrays = replay(streams(episode), contract, roles, start_ns=stamps[3], end_ns=stamps[11])
    assert arrays.stamps_ns.tolist() == stamps[3:12]
    with pytest.raises(DataError, match="no command on teleop/command that answers"):
        replay(streams(episode), contract, roles, start_ns=stamps[-1] + 1)


def test_a_faster_device_is_sampled_at_the_contracts_rate(contract, roles, draw):
    episode = draw(41)
    fast = []
    for command in episode.commands:
        fast += [
            JointCommand(command.stamp_ns + k * 10 * MS, command.names, command.position + k)
            for k in range(5)
        ]
    arrays = replay({**streams(episode), "teleop/command": fast}, contract, roles)
    assert same(arrays, replay(streams(episode), contract, roles))


def test_a_jittering_device_loses_no_command(contract, roles, draw):
    episode, rng = draw(41), np.random.default_rng(0)
    jittered = [
        replace(command, stamp_ns=command.stamp_ns + int(rng.integers(0, 9)) * MS)
        for command in episode.commands
    ]
    arrays = replay({**streams(episode), "teleop/command": jittered}, contract, roles)
    assert len(arrays.actions) == 41


def test_a_slower_device_is_refused_with_its_rate(contract, roles, draw):
    episode = draw(41)
    slow = {**streams(episode), "teleop/command": episode.commands[::2]}
    with pytest.raises(DataError, match=r"teleop/command came at 10\.0 Hz and the contract needs 20 Hz"):
        replay(slow, contract, roles)


def test_a_stream_that_stops_is_named_with_its_age(contract, roles, draw):
    episode = draw(41)
    recorded = {**streams(episode), "scene_state": episode.scenes[:30]}
    with pytest.raises(DataError, match="scene_state is 150 ms old, allowed 100 ms"):
        replay(recorded, contract, roles)


def test_commands_that_outlive_all_streams_are_stale(contract, roles, draw):
    episode = draw(41)
    recorded = {
        "joint_states": episode.joints[:30],
        "scene_state": episode.scenes[:30],
        "teleop/command": episode.commands,
    }
    with pytest.raises(DataError, match="joint_states is 150 ms old"):
        replay(recorded, contract, roles)


def test_a_slow_stream_is_named_with_its_rate(contract, roles, draw):
    episode = draw(61)
    sparse = [joints for step, joints in enumerate(episode.joints) if step % 3 == 0]
    with pytest.raises(DataError, match=r"joint_states came at 6\.\d Hz, allowed is no less than 10 Hz"):
        replay({**streams(episode), "joint_states": sparse}, contract, roles)


def test_a_command_for_other_joints_is_refused(contract, roles, draw):
    episode = draw(5)
    other = [replace(command, names=("a",) * len(command.names)) for command in episode.commands]
    with pytest.raises(ContractError, match="command lacks a joint that the contract commands"):
        replay({**streams(episode), "teleop/command": other}, contract, roles)
