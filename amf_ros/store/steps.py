"""A demonstrator's commands -> one command per step. Imports contract, types and errors only.

commands = steps(expanded(by_stamp, contract.period_ns, states), contract)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np

from amf_ros.contract import Contract
from amf_ros.contract.align import Streams
from amf_ros.core.errors import DataError, StaleObservation, UnknownName
from amf_ros.core.values import Array, JointCommand, JointPlan

_EVERY_COMMAND = (0.75, 1.25)  # of the contract's period: within it each command is a step


def expanded(
    by_stamp: Mapping[int, JointCommand | JointPlan], period_ns: int, states: Streams
) -> list[JointCommand]:
    """Commands by stamp, with plans of several points sampled once a period until the next message.

    A plan is followed as long as there are recorded states that it could answer.
    """
    stamps = sorted(by_stamp)
    found: list[JointCommand] = []
    for stamp, following in pairwise([*stamps, 2**63]):
        asked = by_stamp[stamp]
        if isinstance(asked, JointCommand):
            found.append(asked)
        elif not asked.stops:
            found += _sampled(asked, min(following, stamp + int(asked.times_ns[-1])), period_ns, states)
    return found


def driven(
    applied: Mapping[int, JointCommand], asked_ns: Iterable[int], contract: Contract
) -> dict[int, JointCommand]:
    """Return those of the applied commands, by stamp, that are the demonstrator's.

    The robot lets nobody else drive while a person's newest command is no older than the watchdog. A command
    may reach the recorder one period of the robot's clock later than the robot.

    Args:
        applied: under the robot's stamps [ns].
        asked_ns: when the demonstrator's commands arrived, in any order [ns].
        contract: period and watchdog.
    """
    asked = np.sort(np.fromiter(asked_ns, dtype=np.int64))
    found: dict[int, JointCommand] = {}
    for stamp, command in applied.items():
        index = int(np.searchsorted(asked, stamp + contract.period_ns, side="right")) - 1
        if index >= 0 and stamp - int(asked[index]) <= contract.watchdog_ns:
            found[stamp] = command
    return found


def _sampled(plan: JointPlan, until_ns: int, period_ns: int, states: Streams) -> list[JointCommand]:
    """Targets to be at after one period, from the joints measured when the plan was given."""
    found: list[JointCommand] = []
    start: Array | None = None
    for stamp in range(plan.stamp_ns, until_ns, period_ns):
        try:
            joints = states.moment(stamp).joints
            if not found:
                start = joints.positions(plan.names)
        except UnknownName:
            pass
        except StaleObservation:
            break
        target = plan.at(stamp - plan.stamp_ns + period_ns, start)
        if target is not None:
            found.append(JointCommand(stamp, target.names, target.position))
    return found


def steps(commands: list[JointCommand], contract: Contract) -> list[JointCommand]:
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
    # The first tick of the contract's rate that is not before each command; it counts where the next command
    # is after that tick. One far stamp must not make a list of all ticks up to it.
    ticks = stamps[0] + -((stamps[0] - stamps) // contract.period_ns) * contract.period_ns
    ends = np.append(stamps[1:], stamps[-1] + 1)
    return [commands[index] for index in np.flatnonzero(ticks < ends)]
