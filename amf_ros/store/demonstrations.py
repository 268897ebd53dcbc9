"""One store of demonstrations: recorded by the graph, simulated by a session in one process, or imported.

A demonstration is one file, and nothing else that could disagree with it; which formats there are,
:mod:`amf_ros.store.folder` says. Nodes, local sessions, sweeps and commands all read and write here, and see
what the others keep. Imports contract, types, errors and the rest of the store only.

    store = DemonstrationStore(run.demonstrations)
    for demonstration in store.all_usable(contract, suite):
        demonstration.observations, demonstration.actions
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from amf_ros.contract import Contract, Interface
from amf_ros.core.errors import ContractError, DataError, ForeignFile, UnknownName
from amf_ros.core.values import Demonstration, Outcome, Source, Task
from amf_ros.store.array_cache import ArrayCache, Version, version_of
from amf_ros.store.array_format import ARRAYS
from amf_ros.store.discarded import Discarded
from amf_ros.store.files import check_id, leave_alone, storage_errors
from amf_ros.store.folder import check_named, demonstration_files, file_of, format_of
from amf_ros.store.mcap_format import MCAP
from amf_ros.store.metadata import About, DemonstrationInfo
from amf_ros.store.recovery import make_room
from amf_ros.store.replay import Arrays
from amf_ros.store.writing import DemonstrationWriter


class Tasks(Protocol):
    """Knows the tasks: a suite does."""

    def task(self, task_id: str) -> Task:
        """Return one task. Raises UnknownName."""


class DemonstrationStore:
    """Keeps a folder of demonstrations; several processes may read while one records.

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
        self._infos: dict[str, tuple[Version, DemonstrationInfo]] = {}
        self._discarded = Discarded(self.bin, self.quarantine)
        self._arrays = ArrayCache()

    def path(self, id_: str) -> Path:
        """Return where a demonstration is, or where a recording would be.

        Raises:
            DataError: the id cannot be a file name.
        """
        check_id("demonstration", id_)
        return file_of(self.root, id_) or self.root / (id_ + MCAP.suffix)

    def ids(self) -> list[str]:
        """List the names of all files that may be finished demonstrations, sorted; none is opened."""
        return sorted({path.stem for path in demonstration_files(self.root)})

    def infos(self) -> list[DemonstrationInfo]:
        """List every finished demonstration in the order of recording.

        Copies and other people's files are said once and left alone. Raises DataError: one is damaged.
        """
        found = []
        for path in demonstration_files(self.root):
            try:
                check_named(path)
                found.append(self.info(path.stem))
            except ForeignFile as error:
                leave_alone(error)
            except UnknownName:
                continue  # moved away just now
        return sorted(found, key=lambda info: (info.about.recorded_ns, info.id))

    def find(self, id_: str) -> DemonstrationInfo | None:
        """Return the same as :meth:`info`, or None where no demonstration has that id."""
        return self.info(id_) if self.path(id_).is_file() else None

    def info(self, id_: str) -> DemonstrationInfo:
        """Return everything about a demonstration but its data.

        Raises:
            UnknownName: no demonstration has that id.
            DataError: its file is damaged or contradicts the store.
        """
        path = self.path(id_)
        version = self._version(path)
        known = self._infos.get(id_)
        if known is None or known[0] != version:
            known = self._infos[id_] = (version, format_of(path).read_info(path))
        return known[1]

    def load(self, id_: str, interface: Interface, suite: Tasks | None = None) -> Demonstration:
        """Return a demonstration as arrays; they are remembered until the file changes.

        Args:
            id_: of a finished demonstration.
            interface: which columns the arrays have. Recordings are made into arrays by any contract that
                names the recorded topics; what a simulator gave, by the interface of its making only.
            suite: names the roles; None = as recorded.

        Raises:
            UnknownName: there is no such demonstration, or the suite does not know its task.
            DataError: it is damaged, or a stream that the contract needs is missing, slow or stale.
            ContractError: joints, objects, roles or columns do not fit.
        """
        info = self.info(id_)
        roles = info.about.roles if suite is None else suite.task(info.task_id).roles
        path = self.path(id_)

        def read() -> Arrays:
            try:
                return format_of(path).read_arrays(path, info, interface, roles)
            except DataError as error:
                raise DataError(f"demonstration {id_!r}: {error}") from error

        arrays = self._arrays.arrays(path, self._version(path), interface, roles, read)
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

    def load_usable(self, id_: str, interface: Interface, suite: Tasks | None = None) -> Demonstration:
        """Return the same as :meth:`load`, for training.

        Raises:
            DataError: as :meth:`load`, and where the demonstration failed.
        """
        if self.info(id_).outcome is Outcome.FAILURE:
            raise DataError(f"demonstration {id_!r} failed: nothing is learned from it; leave it out")
        return self.load(id_, interface, suite)

    def all_usable(self, interface: Interface, suite: Tasks | None = None) -> list[Demonstration]:
        """Return all that did not fail, in the order of recording.

        Raises:
            DataError: one cannot be used; it is named with the reason, and ``amf doctor --trash`` moves it
                away. Nothing is left out silently.
        """
        usable = []
        for info in self.infos():
            if info.outcome is Outcome.FAILURE:
                continue
            try:
                usable.append(self.load(info.id, interface, suite))
            except (ContractError, UnknownName) as error:
                if not self.path(info.id).exists():
                    continue  # moved to the trash just now
                raise DataError(
                    f"demonstration {info.id!r} does not fit: {error}; use the suite and contract that it "
                    f"was recorded with ({info.about.suite}, {info.about.contract}), or move it to the trash"
                ) from error
        return usable

    def attempts(self) -> dict[str, list[tuple[float, bool]]]:
        """Return for each task id the duration [s] of every attempt, and whether it was usable.

        All attempts that went to their end count, for all took the operator's time: those that failed, and
        as not usable those in the trash. A recording that was cancelled or refused left no duration.

        Raises:
            DataError: a file of the store is damaged.
        """
        found: dict[str, list[tuple[float, bool]]] = {}
        infos = [(info, True) for info in self.infos()]
        for info, kept in infos + [(info, False) for info in self._discarded.trashed()]:
            usable = kept and info.outcome is not Outcome.FAILURE
            found.setdefault(info.task_id, []).append((info.duration_s, usable))
        return found

    def save(self, demonstration: Demonstration, interface: Interface) -> None:
        """Keep a demonstration that is arrays already, such as a simulated or an imported one.

        Args:
            demonstration: with an id that is unique in the store.
            interface: whose columns its arrays have.

        Raises:
            DataError: the id is taken, or cannot be a file name.
            StorageError: the disk is full or not writable.
        """
        self._check_free(demonstration.id)
        path = self.root / (demonstration.id + ARRAYS.suffix)
        ARRAYS.write(path, demonstration, interface, time.time_ns())

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
    ) -> DemonstrationWriter:
        """Begin to record a robot. What a dead process left under the same id goes to quarantine first.

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
        self._check_free(id_)
        target = self.root / (id_ + MCAP.suffix)
        staged = self.staging / target.name
        make_room(staged, self.quarantine)
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
            self._arrays.keep(path, self._version(path), contract, about.roles, arrays)

        return DemonstrationWriter(about, staged, target, self.quarantine, contract, kept)

    def trash(self, id_: str) -> Path:
        """Move a demonstration out of the way, and return its place; :meth:`restore` brings it back.

        Raises:
            UnknownName: no demonstration has that id.
            StorageError: it cannot be moved.
        """
        path = self.path(id_)
        self._version(path)
        return self._discarded.throw(path)

    def restore(self, name: str, contract: Contract | None = None) -> DemonstrationInfo:
        """Bring one back from trash or quarantine into the store, under the id it was recorded with.

        Args:
            name: file stem there.
            contract: makes steps of a recording that was cut off or refused; it comes back unlabeled.

        Raises:
            UnknownName: neither place has it.
            DataError: its id is taken, or it was cut off or refused and no contract makes steps of it.
            StorageError: it cannot be moved.
        """
        place = self._discarded.find(name)
        format_ = format_of(place)
        id_ = format_.read_id(place)
        if self.path(id_).exists():
            raise DataError(f"demonstration {id_!r} exists already; trash that one first")
        target = self.root / (id_ + format_.suffix)
        with storage_errors(target):
            format_.bring_back(place, target, contract)
        return self.info(id_)

    def _check_free(self, id_: str) -> None:
        if self.path(id_).exists():
            raise DataError(f"demonstration {id_!r} exists already; choose another id or trash it first")

    def _version(self, path: Path) -> Version:
        try:
            return version_of(path)
        except FileNotFoundError as error:
            raise UnknownName("demonstration", path.stem, self.ids()) from error
