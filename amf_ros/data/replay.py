"""Recorded streams -> the arrays that a policy learns from, through the contract that serves live.

Imports contract, types and errors only.

    arrays = replay(streams, contract, roles)
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.contract import Contract
from amf_ros.data.messages import Value
from amf_ros.errors import DataError, StaleObservation
from amf_ros.types import Array, JointCommand

Streams = Mapping[str, Sequence[Value]]
_EVERY_COMMAND = (0.75, 1.25)  # of the contract's period: within it each command is a step


@dataclass(frozen=True)
class Arrays:
    """``observations`` (T, d), ``actions`` (T, a) and ``stamps_ns`` (T,) of one demonstration."""

    observations: Array
    actions: Array
    stamps_ns: NDArray[np.int64]


def replay(
    streams: Streams, contract: Contract, roles: Mapping[str, str], start_ns: int = 0, end_ns: int = 0
) -> Arrays:
    """One step per command: the newest message of each stream not after the command, and the command.

    Messages are ordered by header stamp; of several with one stamp the first counts, as for the robot.
    Commands before the first message of every stream answer nothing that was recorded and are left out.

    Args:
        streams: contract topic -> values, in any order.
        contract: decides features, ages and rates.
        roles: of the task.
        start_ns: first stamp that belongs to the demonstration; 0 = all.
        end_ns: last one; 0 = all.

    Raises:
        DataError: no commands, or a stream that is missing, too slow or too old; names it.
        ContractError: joints, objects or roles do not fit.
    """
    inputs = {topic.name: _ordered(streams.get(topic.name, ())) for topic in contract.topics}
    missing = [name for name, values in inputs.items() if not values]
    if missing:
        raise DataError(f"nothing was recorded on {', '.join(missing)}; is the robot publishing it?")
    first_ns = max(start_ns, *(values[0].stamp_ns for values in inputs.values()))
    commands = _steps(_commands(streams, contract, first_ns, end_ns), contract)
    _check_rates(inputs, contract, commands[0].stamp_ns, commands[-1].stamp_ns)
    stamps = {name: [value.stamp_ns for value in values] for name, values in inputs.items()}
    observations, actions = [], []
    for command in commands:
        latest: dict[str, Any] = {
            name: values[bisect.bisect_right(stamps[name], command.stamp_ns) - 1]
            for name, values in inputs.items()
        }
        try:
            observation = contract.observe(latest, roles, now_ns=command.stamp_ns)
        except StaleObservation as error:
            raise DataError(f"at {command.stamp_ns} ns: {error}") from error
        observations.append(observation.vector)
        actions.append(contract.encode(command, latest[contract.joints_topic]))
    return Arrays(
        np.stack(observations), np.stack(actions), np.array([c.stamp_ns for c in commands], dtype=np.int64)
    )


def _ordered(values: Sequence[Value]) -> list[Value]:
    """By stamp, the first of each stamp."""
    unique: dict[int, Value] = {}
    for value in values:
        unique.setdefault(value.stamp_ns, value)
    return [unique[stamp] for stamp in sorted(unique)]


def _commands(streams: Streams, contract: Contract, first_ns: int, end_ns: int) -> list[JointCommand]:
    recorded = _ordered(streams.get(contract.record_from, ()))
    commands = [
        value
        for value in recorded
        if isinstance(value, JointCommand)
        and value.stamp_ns >= first_ns
        and (not end_ns or value.stamp_ns <= end_ns)
    ]
    if not commands:
        raise DataError(
            f"no command on {contract.record_from} that answers a recorded state ({len(recorded)} others); "
            "is the teleop device publishing, with header stamps on the robot's clock?"
        )
    return commands


def _steps(commands: list[JointCommand], contract: Contract) -> list[JointCommand]:
    """Commands at the contract's rate: each one where the device runs at it, else every period's newest.

    Raises:
        DataError: the device is slower than the contract.
    """
    stamps = np.array([command.stamp_ns for command in commands])
    if len(commands) < 3:
        return commands
    interval = float(np.median(np.diff(stamps))) / contract.period_ns
    if interval > _EVERY_COMMAND[1]:
        raise DataError(
            f"{contract.record_from} came at {contract.fps / interval:.1f} Hz and the contract needs "
            f"{contract.fps:g} Hz; make the device publish faster or lower fps in the contract"
        )
    if interval >= _EVERY_COMMAND[0]:
        return commands
    ticks = np.arange(stamps[0], stamps[-1] + 1, contract.period_ns)
    chosen = np.unique(np.searchsorted(stamps, ticks, side="right") - 1)
    return [commands[index] for index in chosen]


def _check_rates(
    inputs: Mapping[str, Sequence[Value]], contract: Contract, start_ns: int, end_ns: int
) -> None:
    """Raises DataError naming the stream that is slower than its ``min_rate_hz``; needs a second of data."""
    seconds = (end_ns - start_ns) * 1e-9
    if seconds < 1.0:
        return
    for topic in contract.topics:
        count = sum(start_ns <= value.stamp_ns <= end_ns for value in inputs[topic.name])
        rate = max(count - 1, 0) / seconds
        if rate < topic.min_rate_hz:
            raise DataError(
                f"{topic.name} came at {rate:.1f} Hz, allowed is no less than {topic.min_rate_hz:g} Hz; "
                "check its publisher and the network, then record again"
            )
