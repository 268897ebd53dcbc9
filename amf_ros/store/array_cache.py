"""Arrays of demonstrations, remembered until their files change. Imports contract, replay and errors only.

arrays = cache.arrays(path, version_of(path), interface, roles, read)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from amf_ros.contract import Contract, Interface
from amf_ros.store.replay import Arrays

Version = tuple[int, int]  # modification time [ns] and size: another file of a name is another version


def version_of(path: Path) -> Version:
    """Tell one version of a file from another. Raises FileNotFoundError."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


class ArrayCache:
    """Remembers the arrays of each demonstration, by whom they were made and for which roles."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], tuple[Version, Arrays]] = {}

    def arrays(
        self,
        path: Path,
        version: Version,
        interface: Interface,
        roles: Mapping[str, str],
        read: Callable[[], Arrays],
    ) -> Arrays:
        """Return the arrays of a file; ``read`` makes them where the file is new or has changed.

        Raises:
            AmfError: what ``read`` raises.
        """
        key = _key(path, interface, roles)
        known = self._kept.get(key)
        if known is None or known[0] != version:
            known = self._kept[key] = (version, _frozen(read()))
        return known[1]

    def keep(
        self, path: Path, version: Version, interface: Interface, roles: Mapping[str, str], arrays: Arrays
    ) -> None:
        """Remember the arrays of a file that was written just now."""
        self._kept[_key(path, interface, roles)] = (version, _frozen(arrays))


def _key(path: Path, interface: Interface, roles: Mapping[str, str]) -> tuple[str, str, str]:
    # A contract's hash says what its numbers mean; ages and rates also decide which messages become steps.
    made_by = interface.digest if isinstance(interface, Contract) else interface.hash
    return path.name, made_by, ";".join(f"{role}={name}" for role, name in sorted(roles.items()))


def _frozen(arrays: Arrays) -> Arrays:
    """Everybody gets the same arrays: who writes into them gets an error, and changes nobody's data."""
    arrays.observations.frozen()
    for array in (arrays.actions, arrays.stamps_ns):
        array.setflags(write=False)
    return arrays
