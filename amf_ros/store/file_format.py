"""How demonstrations are kept in files: what a format must be able to do to belong to a store.

Another format is one more class like :class:`amf_ros.store.mcap_format.McapFormat`, listed in
:data:`amf_ros.store.folder.FORMATS`. Imports contract, files, metadata, replay and errors only.

    info = format_of(path).read_info(path)
    arrays = format_of(path).read_arrays(path, info, interface, roles)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from amf_ros.contract import Contract, Interface
from amf_ros.core.errors import ForeignFile, shown
from amf_ros.store.files import move_whole
from amf_ros.store.metadata import DemonstrationInfo
from amf_ros.store.replay import Arrays


class FileFormat(ABC):
    """Reads demonstrations that are one file each, all with the same suffix.

    Attributes:
        suffix: with its dot; it tells which format a file has.
    """

    suffix: str

    @abstractmethod
    def read_info(self, path: Path, named: bool = True) -> DemonstrationInfo:
        """Read what a complete file says of itself.

        Args:
            path: of the file.
            named: whether the file must be named after its id, as in the store.

        Raises:
            ForeignFile: another program wrote the file, or its name is not its id.
            DataError: the file is damaged, unfinished, or was refused when it was recorded.
        """

    @abstractmethod
    def read_arrays(
        self, path: Path, info: DemonstrationInfo, interface: Interface, roles: Mapping[str, str]
    ) -> Arrays:
        """Read the steps of a demonstration.

        Args:
            path: of the file.
            info: what the file says of itself.
            interface: which columns the arrays shall have: a robot's contract, or that of a suite.
            roles: of the task, from role name to the name of an object.

        Raises:
            DataError: the file is damaged, or a stream is missing, slow or stale.
            ContractError: the file cannot be read by this interface.
        """

    def read_id(self, path: Path) -> str:
        """Read the id of a file in the trash or in quarantine. Raises DataError where there is none."""
        return self.read_info(path, named=False).id

    def bring_back(self, place: Path, target: Path, contract: Contract | None) -> None:
        """Move a file from trash or quarantine to its place in the store.

        Args:
            place: where the file is.
            target: where it shall be; there is nothing yet.
            contract: makes steps of what was cut off; None where nobody knows one.

        Raises:
            DataError: the file is no complete demonstration, and cannot be made one.
            OSError: the file cannot be moved.
        """
        move_whole(place, target)


def check_name(path: Path, id_: str) -> None:
    """Check that a file of the store is named after the demonstration in it. Raises ForeignFile."""
    if id_ != path.stem:
        raise ForeignFile(f"{path}: holds demonstration {shown(id_)}: a copy, or renamed")
