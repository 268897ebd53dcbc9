"""Demonstrations that are out of the way: in the trash, or in quarantine. Imports the store's formats only.

place = discarded.throw(path)
discarded.find("one"), discarded.trashed()
"""

from __future__ import annotations

from pathlib import Path

from amf_ros.core.errors import DataError, UnknownName
from amf_ros.store.files import free_name, move_whole, storage_errors
from amf_ros.store.folder import demonstration_files, format_of
from amf_ros.store.metadata import DemonstrationInfo


class Discarded:
    """Knows the two folders beside a store's demonstrations that nothing is learned from.

    Attributes:
        trash: what a person threw away.
        quarantine: recordings that were cut off or refused.
    """

    def __init__(self, trash: Path, quarantine: Path) -> None:
        self.trash, self.quarantine = trash, quarantine
        self._infos: dict[tuple[Path, int], DemonstrationInfo] = {}

    def throw(self, path: Path) -> Path:
        """Move a demonstration into the trash and return its place there. Raises StorageError."""
        place = free_name(self.trash / path.name)
        with storage_errors(place):
            move_whole(path, place)
        return place

    def find(self, name: str) -> Path:
        """Return a file of that stem; what is in the trash comes first. Raises UnknownName."""
        folders = (self.quarantine, self.trash)
        places = {path.stem: path for folder in folders for path in demonstration_files(folder)}
        if name not in places:
            raise UnknownName("demonstration in trash or quarantine", name, places)
        return places[name]

    def trashed(self) -> list[DemonstrationInfo]:
        """List the demonstrations in the trash by file name, without what cannot be read."""
        found = []
        for path in demonstration_files(self.trash):
            try:
                key = path, path.stat().st_mtime_ns
                if key not in self._infos:
                    self._infos[key] = format_of(path).read_info(path, named=False)
            except (DataError, FileNotFoundError):  # damaged, or restored just now
                continue
            found.append(self._infos[key])
        return found
