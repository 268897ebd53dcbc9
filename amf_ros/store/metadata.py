"""What a demonstration says of itself, beside its data. Imports reading, replay, types and errors only.

strings = about.to_strings()
about = About.from_strings(strings, where="one.mcap")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from amf_ros.core.errors import DataError
from amf_ros.core.values import Outcome, Source
from amf_ros.store.reading import ABOUT
from amf_ros.store.replay import Arrays

FORMAT = "1"


@dataclass(frozen=True)
class About:
    """Says what is recorded, and how; it is the first record of an MCAP file.

    Attributes:
        roles: of the task, as its suite named them then.
        seed: of the scene's start state.
        start_stamp_ns: first state that belongs to it, on the robot's clock [ns]; 0 = all.
        recorded_ns: wall clock when it began [ns]: the order of demonstrations in a store.
        contract, contract_hash: what it was recorded by.
        by_arrival: recorded in real time, where what had arrived decides what was known; see
            :func:`amf_ros.store.replay.replay`.
    """

    id: str
    task_id: str
    suite: str = ""
    source: Source = Source.UNKNOWN
    seed: int = 0
    start_stamp_ns: int = 0
    recorded_ns: int = 0
    contract: str = ""
    contract_hash: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    by_arrival: bool = False

    def to_strings(self) -> dict[str, str]:
        """Write it as MCAP metadata."""
        return {
            "format": FORMAT,
            "id": self.id,
            "task_id": self.task_id,
            "suite": self.suite,
            "source": self.source.name,
            "seed": str(self.seed),
            "start_stamp_ns": str(self.start_stamp_ns),
            "recorded_ns": str(self.recorded_ns),
            "contract": self.contract,
            "contract_hash": self.contract_hash,
            "roles": json.dumps(dict(self.roles)),
            "by_arrival": str(self.by_arrival).lower(),
        }

    @classmethod
    def from_strings(cls, data: Mapping[str, str], where: str) -> About:
        """Read MCAP metadata. Raises DataError naming ``where``."""
        if data.get("format") != FORMAT:
            raise DataError(
                f"{where}: recorded in format {data.get('format')!r}, this version reads {FORMAT!r}"
            )
        try:
            return cls(
                id=data["id"],
                task_id=data["task_id"],
                suite=data["suite"],
                source=Source[data["source"]],
                seed=int(data["seed"]),
                start_stamp_ns=int(data["start_stamp_ns"]),
                recorded_ns=int(data["recorded_ns"]),
                contract=data["contract"],
                contract_hash=data["contract_hash"],
                roles=dict(json.loads(data["roles"])),
                by_arrival=data.get("by_arrival") == "true",  # earlier versions paired by stamps alone
            )
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{where}: metadata {ABOUT} lacks or garbles {error}") from error


@dataclass(frozen=True)
class DemonstrationInfo:
    """Says what is known of a demonstration without its data; mirrors ``amf_msgs/Demonstration``.

    Attributes:
        stamp_ns: of the first step, on the robot's clock [ns].
        duration_s: first step to last step [s].
        num_steps: observation-action pairs, by the contract it was recorded with.
        end_stamp_ns: last stamp that belongs to it [ns]; 0 = all.
        about: how it was recorded: suite, contract, roles, wall clock.
    """

    id: str
    task_id: str
    uri: str
    source: Source
    outcome: Outcome
    stamp_ns: int
    duration_s: float
    num_steps: int
    seed: int
    end_stamp_ns: int
    about: About


def result_strings(outcome: Outcome, arrays: Arrays, end_stamp_ns: int = 0) -> dict[str, str]:
    """Write how a recording ended as MCAP metadata, which is the last record of the file."""
    first, last = int(arrays.stamps_ns[0]), int(arrays.stamps_ns[-1])
    return {
        "outcome": outcome.name,
        "num_steps": str(len(arrays.actions)),
        "stamp_ns": str(first),
        "duration_ns": str(last - first),
        "end_stamp_ns": str(end_stamp_ns),
    }
