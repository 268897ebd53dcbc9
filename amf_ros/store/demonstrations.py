"""The demonstrations of a run: one MCAP file each, and nothing else that could disagree with it.

Those that a session in one process made are arrays in safetensors files; they are read like the others.

Imports contract, types, errors and the rest of data only.

    store = DemonstrationStore(run.demonstrations)
    for demonstration in store.all_usable(contract, suite):
        demonstration.observations, demonstration.actions
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from amf_ros.contract import Contract
from amf_ros.core.errors import ContractError, DataError, ForeignFile, UnknownName
from amf_ros.core.values import Demonstration, Outcome, Source, Task
from amf_ros.store.arrays import ARRAYS_SUFFIX, check_columns, read_arrays
from amf_ros.store.files import check_id, free_name, leave_alone, move_whole, storage_errors
from amf_ros.store.metadata import SUFFIX, About, DemonstrationInfo, read_info, result_strings
from amf_ros.store.reading import read
from amf_ros.store.recording import Recording
from amf_ros.store.recovery import is_live, rescue, write_complete
from amf_ros.store.replay import Arrays, replay

_Version = tuple[
    int, int
]  # modification time [ns] and size: another file of the same name is another version


class Tasks(Protocol):
    """Who knows the tasks: a suite."""

    def task(self, task_id: str) -> Task:
        """One task. Raises UnknownName."""


class DemonstrationStore:
    """A folder of demonstrations; several processes may read while one records.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.staging, self.bin = self.root / ".staging", self.root / ".trash"
        self.quarantine = self.root / "quarantine"
        with storage_errors(self.root):
            for folder in (self.staging, self.bin, self.quarantine):
                folder.mkdir(parents=True, exist_ok=True)
        self._infos: dict[str, tuple[_Version, DemonstrationInfo]] = {}
        self._discarded: dict[tuple[Path, int], DemonstrationInfo] = {}
        self._arrays: dict[tuple[str, str, str], tuple[_Version, Arrays]] = {}

    def path(self, id_: str) -> Path:
        """Where a demonstration is or would be. Raises DataError for an id that cannot be a file name."""
        recording = self.root / (check_id("demonstration", id_) + SUFFIX)
        arrays = self.root / (id_ + ARRAYS_SUFFIX)
        return arrays if arrays.is_file() and not recording.is_file() else recording

    def ids(self) -> list[str]:
        """Of the files that may be finished demonstrations, sorted."""
        return sorted({path.stem for path in files(self.root)})

    def infos(self) -> list[DemonstrationInfo]:
        """Every finished demonstration, by id. Copies and other people's files are said once and left alone.

        Raises:
            DataError: one is damaged, by name.
        """
        found = {}
        for path in files(self.root):
            try:
                check_named(path)
                found[path.stem] = self.info(path.stem)
            except ForeignFile as error:
                leave_alone(error)
            except UnknownName:
                continue  # moved away just now
        return list(found.values())

    def find(self, id_: str) -> DemonstrationInfo | None:
        """Like :meth:`info`, or None where there is none of that id."""
        return self.info(id_) if self.path(id_).is_file() else None

    def info(self, id_: str) -> DemonstrationInfo:
        """Everything about a demonstration but its data.

        Raises:
            UnknownName: no demonstration of that id.
            DataError: its file is damaged or contradicts the store.
        """
        path = self.path(id_)
        version = self._version(path)
        known = self._infos.get(id_)
        if known is None or known[0] != version:
            known = self._infos[id_] = (version, info_of(path))
        return known[1]

    def load(self, id_: str, contract: Contract, suite: Tasks | None = None) -> Demonstration:
        """A demonstration as arrays by a contract; remembered until the file changes.

        Args:
            id_: of a finished demonstration.
            contract: any that names the recorded topics, not only the one it was recorded with.
            suite: names the roles; None = as recorded.

        Raises:
            UnknownName: no such demonstration, or the suite does not know its task.
            DataError: damaged, or a stream that the contract needs is missing, slow or stale.
            ContractError: joints, objects or roles do not fit.
        """
        info = self.info(id_)
        roles = info.about.roles if suite is None else suite.task(info.task_id).roles
        arrays = self._load_arrays(info, contract, roles)
        return Demonstration(
            id=info.id,
            task_id=info.task_id,
            observations=arrays.observations,
            actions=arrays.actions,
            stamps_ns=arrays.stamps_ns,
            outcome=info.outcome,
            source=info.source,
            seed=info.seed,
            uri=info.uri,
        )

    def load_usable(self, id_: str, contract: Contract, suite: Tasks | None = None) -> Demonstration:
        """Like :meth:`load`, for training. Raises DataError also where the demonstration failed."""
        if self.info(id_).outcome is Outcome.FAILURE:
            raise DataError(f"demonstration {id_!r} failed: nothing is learned from it; leave it out")
        return self.load(id_, contract, suite)

    def attempts(self) -> dict[str, list[tuple[float, bool]]]:
        """Task id -> (duration [s], whether it was usable) of every attempt that was recorded to its end.

        Those that failed are among them, and those in the trash as not usable: all took the operator's time.
        A recording that was cancelled or refused left no duration.

        Raises:
            DataError: a file of the store is damaged.
        """
        found: dict[str, list[tuple[float, bool]]] = {}
        infos = [(info, True) for info in self.infos()]
        for info, kept in infos + [(info, False) for info in self._trashed()]:
            usable = kept and info.outcome is not Outcome.FAILURE
            found.setdefault(info.task_id, []).append((info.duration_s, usable))
        return found

    def all_usable(self, contract: Contract, suite: Tasks | None = None) -> list[Demonstration]:
        """All that did not fail, in the order in which they were recorded.

        Raises:
            DataError: one that cannot be used, by name and why; move it away with ``amf doctor --trash``.
                Nothing is left out silently.
        """
        usable = []
        for info in sorted(self.infos(), key=lambda i: (i.about.recorded_ns, i.id)):
            if info.outcome is Outcome.FAILURE:
                continue
            try:
                usable.append(self.load(info.id, contract, suite))
            except (ContractError, UnknownName) as error:
                if not self.path(info.id).exists():
                    continue  # moved to the trash just now
                raise DataError(
                    f"demonstration {info.id!r} does not fit: {error}; use the suite and contract that it "
                    f"was recorded with ({info.about.suite}, {info.about.contract}), or move it to the trash"
                ) from error
        return usable

    def stage(
        self,
        id_: str,
        task: Task,
        contract: Contract,
        *,
        suite: str = "",
        source: Source = Source.UNKNOWN,
        seed: int = 0,
        start_stamp_ns: int = 0,
        recorded_ns: int | None = None,
        by_arrival: bool = False,
    ) -> Recording:
        """Begin to record. What a dead process left under the same id goes to quarantine first.

        Args:
            id_: unique in the store.
            task: what is demonstrated; its roles are kept with the recording.
            contract: which topics are needed, and at which rates.
            suite: its name.
            source: who commands the robot.
            seed: of the scene's start state.
            start_stamp_ns: first state that belongs to it, on the robot's clock [ns]; 0 = all.
            recorded_ns: wall clock [ns]; None = now.
            by_arrival: in real time; see :class:`About`.

        Raises:
            DataError: the id is taken, cannot be a file name, or is being recorded right now.
            StorageError: the disk is full or not writable.
        """
        target = self.path(id_)
        if target.exists():
            raise DataError(f"demonstration {id_!r} exists already; choose another id or trash it first")
        staged = self.staging / target.name
        if staged.exists():
            if is_live(staged):
                raise DataError(
                    f"demonstration {id_!r} is being recorded right now; finish or discard it first"
                )
            rescue(staged, self.quarantine)
        about = About(
            id=id_,
            task_id=task.id,
            suite=suite,
            source=source,
            seed=seed,
            start_stamp_ns=start_stamp_ns,
            recorded_ns=time.time_ns() if recorded_ns is None else recorded_ns,
            contract=contract.name,
            contract_hash=contract.hash,
            roles=dict(task.roles),
            by_arrival=by_arrival,
        )

        def kept(path: Path, arrays: Arrays) -> None:
            key = (id_, contract.digest, _roles_key(about.roles))
            self._arrays[key] = (self._version(path), _frozen(arrays))

        return Recording(about, staged, target, self.quarantine, contract, kept)

    def trash(self, id_: str) -> Path:
        """Move a demonstration out of the way; :meth:`restore` brings it back.

        Raises:
            UnknownName: no demonstration of that id.
            StorageError: it cannot be moved.
        """
        path = self.path(id_)
        self._version(path)
        place = free_name(self.bin / path.name)
        with storage_errors(place):
            move_whole(path, place)
        return place

    def restore(self, name: str, contract: Contract | None = None) -> DemonstrationInfo:
        """Bring one back from trash or quarantine into the store, under the id it was recorded with.

        Args:
            name: file stem there.
            contract: to make steps of a recording that was cut off or refused; it comes back unlabeled.

        Raises:
            UnknownName: neither place has it.
            DataError: its id is taken, or it was cut off or refused and no contract makes steps of it.
            StorageError: it cannot be moved.
        """
        places = {path.stem: path for folder in (self.quarantine, self.bin) for path in files(folder)}
        if name not in places:
            raise UnknownName("demonstration in trash or quarantine", name, places)
        if places[name].suffix == ARRAYS_SUFFIX:
            return self._restore_arrays(places[name])
        contents = read(places[name])
        about = About.from_strings(contents.about, str(places[name]))
        target = self.path(about.id)
        if target.exists():
            raise DataError(f"demonstration {about.id!r} exists already; trash that one first")
        if "problem" not in contents.result:
            with storage_errors(target):
                move_whole(places[name], target)
            return self.info(about.id)
        if contract is None:
            raise DataError(
                f"{places[name]}: {contents.result['problem']}; give a contract to make steps of the rest"
            )
        streams = contents.streams(contract.recorded)
        arrays = replay(streams, contract, about.roles, about.start_stamp_ns, by_arrival=about.by_arrival)
        with storage_errors(target):
            write_complete(contents, result_strings(Outcome.UNLABELED, arrays), target)
            places[name].unlink()
        return self.info(about.id)

    def _restore_arrays(self, place: Path) -> DemonstrationInfo:
        info, _ = read_arrays(place, named=False)
        if self.path(info.id).exists():
            raise DataError(f"demonstration {info.id!r} exists already; trash that one first")
        target = self.root / (info.id + ARRAYS_SUFFIX)
        with storage_errors(target):
            move_whole(place, target)
        return self.info(info.id)

    def _trashed(self) -> list[DemonstrationInfo]:
        """What can be read of the trash, in the order of its names."""
        found = []
        for path in files(self.bin):
            try:
                key = path, path.stat().st_mtime_ns
                if key not in self._discarded:
                    self._discarded[key] = info_of(path, named=False)
            except (DataError, FileNotFoundError):  # damaged, or restored just now
                continue
            found.append(self._discarded[key])
        return found

    def _load_arrays(self, info: DemonstrationInfo, contract: Contract, roles: Mapping[str, str]) -> Arrays:
        path = self.path(info.id)
        version, key = self._version(path), (info.id, contract.digest, _roles_key(roles))
        known = self._arrays.get(key)
        if known is None or known[0] != version:
            try:
                arrays = self._read_arrays(path, info, contract, roles)
            except DataError as error:
                raise DataError(f"demonstration {info.id!r}: {error}") from error
            known = self._arrays[key] = (version, _frozen(arrays))
        return known[1]

    @staticmethod
    def _read_arrays(
        path: Path, info: DemonstrationInfo, contract: Contract, roles: Mapping[str, str]
    ) -> Arrays:
        if path.suffix == ARRAYS_SUFFIX:
            _, arrays = read_arrays(path)
            check_columns(info, arrays, contract)
            return arrays
        return replay(
            read(path).streams(contract.recorded),
            contract,
            roles,
            info.about.start_stamp_ns,
            info.end_stamp_ns,
            by_arrival=info.about.by_arrival,
        )

    def _version(self, path: Path) -> _Version:
        try:
            status = path.stat()
        except FileNotFoundError as error:
            raise UnknownName("demonstration", path.stem, self.ids()) from error
        return status.st_mtime_ns, status.st_size


def files(folder: Path) -> list[Path]:
    """The demonstrations in a folder, recordings and arrays, by name."""
    found = (path for suffix in (SUFFIX, ARRAYS_SUFFIX) for path in folder.glob("*" + suffix))
    return sorted(path for path in found if not path.name.startswith("."))


def check_named(path: Path) -> None:
    """Whether a file may be a demonstration, by its name. Raises ForeignFile."""
    try:
        check_id("demonstration", path.stem)
    except DataError as error:
        raise ForeignFile(f"{path}: is not named as demonstrations are: a copy?") from error
    if not path.is_file() and (path.is_symlink() or path.exists()):
        raise ForeignFile(f"{path}: {'leads nowhere' if path.is_symlink() else 'is no file'}")


def info_of(path: Path, named: bool = True) -> DemonstrationInfo:
    """What a file of either kind says of itself. Raises DataError; see :func:`read_info`."""
    return read_arrays(path, named)[0] if path.suffix == ARRAYS_SUFFIX else read_info(path, named)


def _roles_key(roles: Mapping[str, str]) -> str:
    return ";".join(f"{role}={name}" for role, name in sorted(roles.items()))


def _frozen(arrays: Arrays) -> Arrays:
    """Shared from now on: a caller that writes into them gets an error, not everybody's data changed."""
    for array in (arrays.observations, arrays.actions, arrays.stamps_ns):
        array.setflags(write=False)
    return arrays
