"""Keeps every step of a session that is done, in SQLite: a killed session continues from it.

Imports errors and the plan. A step's result is stored in one transaction; a step whose result is not
stored is made again, so steps must be idempotent (:class:`amf_ros.session.base.Worker` says so).

    with Journal(run.database) as journal:
        journal.begin(plan)
        answer = journal.once("r001/select", lambda: {"task_ids": ["open_door"]}, phase="selecting", round=1)
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from amf_ros.core.errors import ConfigError, DataError, StorageError
from amf_ros.session.plan import Plan, check_continues

SCHEMA_VERSION = 1

_COLUMNS = "key, phase, round, value, seconds, stamp_ns"
_TABLES = """
CREATE TABLE IF NOT EXISTS plan (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    phase TEXT NOT NULL,
    round INTEGER NOT NULL,
    value TEXT NOT NULL,
    seconds REAL NOT NULL,
    stamp_ns INTEGER NOT NULL
);
"""


@dataclass(frozen=True)
class JournalEntry:
    """Tells of one step that is done.

    Attributes:
        phase: which part of the loop, in lower case, for the seconds of a report.
        value: the step's result, as JSON gives it back.
        seconds: wall time of the attempt that succeeded [s].
        stamp_ns: wall clock when it was stored.
    """

    key: str
    phase: str
    round: int
    value: Any
    seconds: float
    stamp_ns: int


class Journal:
    """Keeps the journal in one SQLite file (WAL): any number of readers beside one writer; thread-safe."""

    def __init__(self, path: Path | None, read_only: bool = False) -> None:
        """Open, and create unless ``read_only``; None keeps it in memory, for sessions that leave no trace.

        Raises:
            DataError: ``read_only`` and there is no journal, or the file is not one of this version.
            StorageError: it cannot be created.
        """
        self.path = path or Path(":memory:")
        self._lock = threading.Lock()
        if read_only and not self.path.is_file():
            raise DataError(
                f"no session in {self.path.parent}: {self.path.name} is missing; run `amf session` first"
            )
        with self._guarded("open"):
            uri = "file::memory:"
            if path is not None:
                if not read_only:
                    path.parent.mkdir(parents=True, exist_ok=True)
                uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=10, isolation_level=None, check_same_thread=False
            )
            with ExitStack() as on_failure:
                on_failure.callback(self._connection.close)
                self._prepare(read_only)
                on_failure.pop_all()

    def _prepare(self, read_only: bool) -> None:
        if not read_only:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # a stored step survives a power cut
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0 and not read_only:
            self._connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            raise DataError(f"{self.path}: journal of version {version}, this program reads {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._connection.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def plan(self) -> Plan | None:
        """Return the plan that the journal belongs to, or None before :meth:`begin`.

        Raises:
            DataError: it is not a plan of this version.
        """
        with self._guarded("read"), self._lock:
            row = self._connection.execute("SELECT value FROM plan").fetchone()
        if row is None:
            return None
        try:
            return Plan.model_validate_json(row[0])
        except ValueError as error:
            raise DataError(
                f"{self.path}: the stored plan is not of this version ({error}); use a new session directory"
            ) from error

    def begin(self, plan: Plan) -> None:
        """Store the plan, or check that it continues the stored one.

        Raises:
            PlanChanged: another plan is stored; more rounds are a continuation.
            StorageError: the disk is full or not writable.
        """
        stored = self.plan
        if stored is not None:
            check_continues(stored, plan)
        if stored != plan:
            with self._guarded("write"), self._lock:
                self._connection.execute(
                    "INSERT OR REPLACE INTO plan (id, value) VALUES (1, ?)", (plan.model_dump_json(),)
                )

    def once(self, key: str, step: Callable[[], Any], phase: str, round: int) -> Any:
        """Return the result of a step: the stored one, else that of ``step()``, which is stored first.

        Args:
            key: unique in the session.
            step: returns what JSON can hold; not called when the key is stored.
            phase: in lower case.
            round: 0 before the first selection.

        Raises:
            StorageError: the result could not be stored, or another process stored this step meanwhile.
        """
        stored = self.get(key)
        if stored is not None:
            return stored.value
        started = time.monotonic()
        result = step()
        try:
            value = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"step {key!r} gave what JSON cannot hold: {error}") from error
        row = (key, phase, round, value, time.monotonic() - started, time.time_ns())
        try:
            with self._guarded("write"), self._lock:
                self._connection.execute(f"INSERT INTO steps ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise StorageError(
                f"{self.path}: another process stored step {key!r}; only one session may run in a directory"
            ) from error
        return json.loads(value)

    def get(self, key: str) -> JournalEntry | None:
        """Return one stored step."""
        found = self._query("WHERE key = ?", (key,))
        return found[0] if found else None

    def entries(self, prefix: str = "") -> tuple[JournalEntry, ...]:
        """Return the stored steps whose key starts with ``prefix``, in the order in which they were made."""
        return tuple(entry for entry in self._query("ORDER BY number", ()) if entry.key.startswith(prefix))

    def _query(self, clause: str, values: tuple[str, ...]) -> list[JournalEntry]:
        with self._guarded("read"), self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM steps {clause}", values).fetchall()
        try:
            return [
                JournalEntry(key, phase, number, json.loads(value), seconds, stamp_ns)
                for key, phase, number, value, seconds, stamp_ns in rows
            ]
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{self.path}: a stored step is damaged ({error}); move the file aside or use a new session "
                "directory"
            ) from error

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """Turn SQLite's and the file system's complaints into ours; a broken uniqueness passes."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"{self.path}: cannot {what} the session journal ({error}); check space and permissions, "
                "and that no other session runs in this directory"
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path}: not a session journal ({error}); move it aside or use a new session directory"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{self.path.parent}: cannot {what} ({error.strerror}); check the path"
            ) from error
