"""What a recording says of itself: two records of strings in the MCAP file.

Imports reading, replay, types and errors only.

    info = read_info(path)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amf_ros.core.errors import DataError, ForeignFile, shown
from amf_ros.core.values import Outcome, Source
from amf_ros.store.reading import ABOUT, RESULT, read_metadata
from amf_ros.store.replay import Arrays

FORMAT = "1"
SUFFIX = ".mcap"


@dataclass(frozen=True)
class About:
    """What is being recorded; the first record of the file.

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
        """As MCAP metadata."""
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
        """From MCAP metadata. Raises DataError naming ``where``."""
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
    """What is known of a demonstration without its data; mirrors ``amf_msgs/Demonstration``.

    Attributes:
        stamp_ns: of the first step, on the robot's clock [ns].
        duration_s: first step to last step [s].
        num_steps: observation-action pairs, by the contract it was recorded with.
        end_stamp_ns: last stamp that belongs to it [ns]; 0 = all.
        about: the rest: suite, contract, roles, wall clock.
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
    """How a recording ended, as MCAP metadata: the last record of the file."""
    first, last = int(arrays.stamps_ns[0]), int(arrays.stamps_ns[-1])
    return {
        "outcome": outcome.name,
        "num_steps": str(len(arrays.actions)),
        "stamp_ns": str(first),
        "duration_ns": str(last - first),
        "end_stamp_ns": str(end_stamp_ns),
    }


def read_info(path: Path, named: bool = True) -> DemonstrationInfo:
    """What a complete file says of itself.

    Args:
        path: of the recording.
        named: whether the file must be named after its id, as in the store.

    Raises:
        DataError: damaged, unfinished, unusable, or named otherwise.
    """
    about_strings, result = read_metadata(path)
    about = About.from_strings(about_strings, str(path))
    if "problem" in result:
        raise DataError(f"{path}: was refused when it was recorded: {result['problem']}")
    if named and about.id != path.stem:
        raise ForeignFile(f"{path}: holds demonstration {shown(about.id)}: a copy, or renamed")
    try:
        return DemonstrationInfo(
            id=about.id,
            task_id=about.task_id,
            uri=path.resolve().as_uri(),
            source=about.source,
            outcome=Outcome[result["outcome"]],
            stamp_ns=int(result["stamp_ns"]),
            duration_s=int(result["duration_ns"]) * 1e-9,
            num_steps=int(result["num_steps"]),
            seed=about.seed,
            end_stamp_ns=int(result["end_stamp_ns"]),
            about=about,
        )
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: metadata {RESULT} lacks or garbles {error}") from error
