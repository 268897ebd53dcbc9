"""Demonstrations as MCAP files: every message as it came, made into arrays by any contract.

The graph's recorder writes them (:mod:`amf_ros.store.writing`). Imports contract, errors and the rest of the
store only.

    info = MCAP.read_info(path)
    arrays = MCAP.read_arrays(path, info, contract, info.about.roles)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from amf_ros.contract import Contract, Interface
from amf_ros.core.errors import ContractError, DataError
from amf_ros.core.values import Outcome
from amf_ros.store.file_format import FileFormat, check_name
from amf_ros.store.metadata import About, DemonstrationInfo, result_strings
from amf_ros.store.reading import RESULT, read, read_metadata
from amf_ros.store.recovery import write_complete
from amf_ros.store.replay import Arrays, replay
from amf_ros.store.stream_values import read_streams, streams_of


class McapFormat(FileFormat):
    """Reads recordings of a robot; see :class:`FileFormat`."""

    suffix = ".mcap"

    def read_info(self, path: Path, named: bool = True) -> DemonstrationInfo:
        """Read the two records of strings in the file, in a millisecond for any length."""
        about_strings, result = read_metadata(path)
        about = About.from_strings(about_strings, str(path))
        if "problem" in result:
            raise DataError(f"{path}: was refused when it was recorded: {result['problem']}")
        if named:
            check_name(path, about.id)
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

    def read_arrays(
        self, path: Path, info: DemonstrationInfo, interface: Interface, roles: Mapping[str, str]
    ) -> Arrays:
        """Replay the recorded messages through a robot's contract."""
        if not isinstance(interface, Contract):
            raise ContractError(
                f"it was recorded from a robot, and suite {interface.name!r} brings its own simulator"
            )
        about = info.about
        streams = read_streams(path, interface)
        return replay(
            streams,
            interface,
            roles,
            about.start_stamp_ns,
            info.end_stamp_ns,
            by_arrival=about.by_arrival,
        )

    def read_id(self, path: Path) -> str:
        """Read the id, also of a recording that was cut off or refused."""
        return About.from_strings(read(path).about, str(path)).id

    def bring_back(self, place: Path, target: Path, contract: Contract | None) -> None:
        """Move a recording, or make one that was cut off or refused complete, without a label."""
        contents = read(place)
        if "problem" not in contents.result:
            super().bring_back(place, target, contract)
            return
        if contract is None:
            raise DataError(
                f"{place}: {contents.result['problem']}; give a contract to make steps of the rest"
            )
        about = About.from_strings(contents.about, str(place))
        streams = streams_of(contents, contract)
        arrays = replay(streams, contract, about.roles, about.start_stamp_ns, by_arrival=about.by_arrival)
        write_complete(contents, result_strings(Outcome.UNLABELED, arrays), target)
        place.unlink()


MCAP = McapFormat()
