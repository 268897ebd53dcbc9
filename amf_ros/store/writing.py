"""Writes one demonstration: raw messages into a staged MCAP file, which is finished whole or discarded.

Imports contract, files, metadata, reading, replay, types and errors only.

    writer = store.stage("r001_i0_a0_push", suite.task("push"), contract, seed=3)
    writer.add_topic(topic.name, topic.type, schema_text(topic.type))
    writer.write("joint_states", log_ns, publish_ns, data)
    path = writer.finish(Outcome.SUCCESS)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mcap.writer import Writer

from amf_ros.contract import Contract
from amf_ros.contract.codecs import Arrived
from amf_ros.core.errors import AmfError, ContractError, DataError, StorageError, UnknownName
from amf_ros.core.values import Outcome, Value
from amf_ros.store.files import free_name, move_whole, storage_errors
from amf_ros.store.folder import file_of
from amf_ros.store.metadata import About, result_strings
from amf_ros.store.reading import ABOUT, RESULT, RawTopic
from amf_ros.store.recovery import CHUNK_BYTES
from amf_ros.store.replay import Arrays, replay
from amf_ros.store.stream_values import StreamDecoder


class DemonstrationWriter:
    """Writes a recording; :meth:`DemonstrationStore.stage` makes one. It is not for several threads.

    The staged file stays locked while this lives, so that recovery can tell a recording in progress from
    one that a dead process left.
    """

    def __init__(
        self,
        about: About,
        staged: Path,
        target: Path,
        quarantine: Path,
        contract: Contract,
        kept: Callable[[Path, Arrays], None],
    ) -> None:
        self.about = about
        self._staged, self._target, self._quarantine = staged, target, quarantine
        self._contract, self._kept = contract, kept
        self._used = contract.recorded
        self._decoder = StreamDecoder(contract)
        self._values: dict[str, list[Arrived]] = {}  # of the contract's topics, for the arrays
        self._channels: dict[str, int] = {}
        self._stream: BinaryIO | None = None
        with storage_errors(staged):
            self._stream = staged.open("xb")
        try:
            with storage_errors(staged):
                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._writer = Writer(self._stream, chunk_size=CHUNK_BYTES, enable_data_crcs=True)
                self._writer.start(profile="ros2")
                self._writer.add_metadata(ABOUT, about.to_strings())
                self._stream.flush()
        except StorageError:
            self.discard()
            raise

    @property
    def num_messages(self) -> Mapping[str, int]:
        """Count the messages so far of each announced topic that the contract reads."""
        return {topic: len(values) for topic, values in self._values.items()}

    def add_topic(self, name: str, type_: str, schema: str) -> None:
        """Announce a topic (relative name) with its ROS type and definition.

        Raises:
            DataError: the definition cannot be read.
            StorageError: the disk is full; the recording is gone.
        """
        self._open()
        if name in self._used:
            self._decoder.add(RawTopic(name, type_, schema))
            self._values[name] = []
        with self._or_discard():
            schema_id = self._writer.register_schema(type_, "ros2msg", schema.encode())
            self._channels[name] = self._writer.register_channel(
                "/" + name.removeprefix("/"), "cdr", schema_id
            )

    def decode(self, topic: str, data: bytes) -> Value:
        """Read a message of one of the contract's topics, as it will be read from the file.

        Raises:
            BadMessage: it is not a whole message, or its parts do not fit; it can be left out.
        """
        return self._decoder.one(topic, data)

    def write(
        self, topic: str, log_ns: int, publish_ns: int, data: bytes, value: Value | None = None
    ) -> None:
        """Write one message as it came.

        Args:
            topic: announced with :meth:`add_topic`.
            log_ns: when it was received [ns].
            publish_ns: when it was published, or the same [ns].
            data: CDR bytes.
            value: what they say, where that is known already: each message is read once.

        Raises:
            BadMessage: what they say was not known and cannot be read; nothing was written.
            DataError: the topic was not announced, or the recording has ended.
            StorageError: the disk is full; the recording is gone.
        """
        stream = self._open()
        if topic not in self._channels:
            raise DataError(
                f"topic {topic!r} was not announced; announced: {', '.join(self._channels) or 'none'}"
            )
        if topic in self._used:
            read = self.decode(topic, data) if value is None else value
            self._values[topic].append(Arrived(read, log_ns, publish_ns))
        with self._or_discard():
            self._writer.add_message(self._channels[topic], _uint64(log_ns), data, _uint64(publish_ns))
            stream.flush()

    def finish(self, outcome: Outcome, end_stamp_ns: int = 0) -> Path:
        """Check the recording, close its file and put it into the store.

        Args:
            outcome: verdict on the task.
            end_stamp_ns: last stamp that belongs to it, on the robot's clock [ns]; 0 = all.

        Raises:
            DataError: nothing usable was recorded: no commands, a stream missing, slow or stale; names it.
                Nothing is in the store; the file is in ``quarantine``.
            ContractError: robot, scene or task do not fit the contract; likewise.
            StorageError: the disk is full; the recording is gone.
        """
        self._open()
        try:
            if file_of(self._target.parent, self.about.id) is not None:
                raise DataError(f"demonstration {self.about.id!r} exists already; choose another id")
            arrays = replay(
                self._values,
                self._contract,
                self.about.roles,
                self.about.start_stamp_ns,
                end_stamp_ns,
                by_arrival=self.about.by_arrival,
            )
        except AmfError as error:
            place = self._close_into(free_name(self._quarantine / self._staged.name), {"problem": str(error)})
            kind = ContractError if isinstance(error, (ContractError, UnknownName)) else DataError
            raise kind(f"{self.about.id}: {error} (kept in {place})") from error
        path = self._close_into(self._target, result_strings(outcome, arrays, end_stamp_ns))
        self._kept(path, arrays)
        return path

    def discard(self) -> None:
        """Forget the recording; this does nothing once it has ended."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._staged.unlink(missing_ok=True)
        with suppress(OSError):  # the file is gone: what could not be flushed into it is not missed
            stream.close()

    def _close_into(self, place: Path, result: Mapping[str, str]) -> Path:
        """Complete the file, flush it to the disk, then let it appear at its place."""
        with self._or_discard():
            stream = self._open()
            self._writer.add_metadata(RESULT, dict(result))
            self._writer.finish()  # type: ignore[no-untyped-call]
            stream.flush()
            os.fsync(stream.fileno())
            move_whole(self._staged, place)
        self.discard()
        return place

    def _open(self) -> BinaryIO:
        if self._stream is None:
            raise DataError(f"recording {self.about.id!r} has ended; stage a new one")
        return self._stream

    @contextmanager
    def _or_discard(self) -> Iterator[None]:
        try:
            with storage_errors(self._staged):
                yield
        except StorageError:
            self.discard()
            raise


def _uint64(stamp_ns: int) -> int:
    """Return the stamp as the file can hold it: those of foreign clocks may be anything."""
    return min(max(stamp_ns, 0), 2**64 - 1)
