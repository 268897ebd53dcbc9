"""Reads MCAP files: whole ones, and as much as there is of broken ones.

Imports contract, types and errors only.

    contents = read(path)
    contents.topics, contents.messages
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENOENT
from pathlib import Path
from typing import BinaryIO

import zstandard
from mcap.exceptions import EndOfFile, McapError
from mcap.reader import make_reader
from mcap.records import Channel, Footer, Message, Metadata, Schema
from mcap.stream_reader import StreamReader

from amf_ros.core.errors import DataError, ForeignFile

ABOUT = "amf_demonstration"  # name of the metadata written first: what is being recorded
RESULT = "amf_result"  # and of that written last: how it ended
MAGIC = b"\x89MCAP0\r\n"
DOCTOR = "`amf doctor` shows what can be saved"
RECORD_LIMIT = 1 << 30  # bytes; a damaged length must not ask for all of the memory

# What mcap, zstandard and mcap_ros2 raise on damaged bytes.
DAMAGE = (
    McapError,
    zstandard.ZstdError,
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    StopIteration,
    RuntimeError,
    MemoryError,
)


@dataclass(frozen=True)
class RawTopic:
    """Describes a recorded topic: ``type`` is its ROS type, ``schema`` its definition as text."""

    name: str
    type: str
    schema: str


@dataclass(frozen=True)
class RawMessage:
    """Holds one message as it came: CDR bytes, and when it was received and published [ns]."""

    topic: str
    log_ns: int
    publish_ns: int
    data: bytes


@dataclass
class Contents:
    """Holds everything in one file that is of use.

    Attributes:
        foreign: topics that hold no ROS 2 messages -> how they are encoded; their messages are left out.
        damage: why reading ended early; empty = it is complete.
    """

    about: dict[str, str] = field(default_factory=dict)
    result: dict[str, str] = field(default_factory=dict)
    topics: dict[str, RawTopic] = field(default_factory=dict)
    messages: list[RawMessage] = field(default_factory=list)
    foreign: dict[str, str] = field(default_factory=dict)
    damage: str = ""


def read(path: Path) -> Contents:
    """Read a complete recording.

    Raises:
        DataError: missing, damaged, or never finished; says which.
    """
    contents = salvage(path)
    require_whole(path, contents)
    return contents


def require_whole(path: Path, contents: Contents) -> None:
    """Check that nothing of a recording is missing. Raises DataError."""
    if contents.damage:
        raise DataError(f"{path}: is damaged or incomplete ({contents.damage}); {DOCTOR}")


def _keep(contents: Contents, message: RawMessage) -> None:
    contents.messages.append(message)


def salvage(path: Path, take: Callable[[Contents, RawMessage], None] = _keep) -> Contents:
    """Read whatever can be read from the start of a file; checksums are verified.

    Args:
        path: of the file.
        take: called with each message and what is known by then; by default it is kept.

    Raises:
        ForeignFile: the file cannot be opened.
    """
    contents = Contents()
    complete = False
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    try:
        with _opened(path) as stream:
            contents.damage = _not_mcap(stream)
            for record in StreamReader(stream, validate_crcs=True, record_size_limit=RECORD_LIMIT).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                    _add_topic(contents, record, schemas)
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    if not _encoding(channel, schemas):
                        name, data = _topic_name(channel), bytes(record.data)
                        take(contents, RawMessage(name, record.log_time, record.publish_time, data))
                elif isinstance(record, Metadata):
                    {ABOUT: contents.about, RESULT: contents.result}.get(record.name, {}).update(
                        record.metadata
                    )
                complete = complete or isinstance(record, Footer)
    except (OSError, *DAMAGE) as error:
        contents.damage = contents.damage or _damage(error)
    if not contents.damage and not (complete and contents.about and contents.result):
        contents.damage = "the recording was never finished" if contents.about else "not recorded by amf_ros"
    return contents


def read_metadata(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Read only what a file says of itself, by its index: a millisecond for any length.

    Raises:
        ForeignFile: missing, not to be opened, or not recorded by amf_ros.
        DataError: damaged, or never finished.
    """
    with _opened(path) as stream:
        if problem := _not_mcap(stream):
            raise ForeignFile(f"{path}: {problem}")
        try:
            found = {record.name: record.metadata for record in make_reader(stream).iter_metadata()}
        except (OSError, *DAMAGE) as error:  # a file shorter than a footer ends in an OSError
            raise DataError(f"{path}: is damaged or incomplete ({_damage(error)}); {DOCTOR}") from error
    if ABOUT not in found:
        raise ForeignFile(f"{path}: was not recorded by amf_ros: another program's MCAP file")
    if RESULT not in found:
        raise DataError(f"{path}: is not a finished recording; {DOCTOR}")
    return found[ABOUT], found[RESULT]


def _topic_name(channel: Channel) -> str:
    """Return the name as the contract writes it, which is relative."""
    return channel.topic.removeprefix("/")


def _add_topic(contents: Contents, channel: Channel, schemas: dict[int, Schema]) -> None:
    name, encoding = _topic_name(channel), _encoding(channel, schemas)
    if encoding:
        contents.foreign[name] = encoding
        return
    schema = schemas[channel.schema_id]
    contents.topics[name] = RawTopic(name, schema.name, schema.data.decode())


def _encoding(channel: Channel, schemas: dict[int, Schema]) -> str:
    """Say how a channel is encoded that holds no ROS 2 messages; empty where it holds some.

    Raises:
        LookupError: it refers to a schema that the file does not hold.
    """
    schema = schemas[channel.schema_id] if channel.schema_id else None
    if channel.message_encoding == "cdr" and schema is not None and schema.encoding == "ros2msg":
        return ""
    described = f"with a schema in {schema.encoding}" if schema is not None else "without a schema"
    return f"{channel.message_encoding or 'nothing named'} {described}"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open the file, if it is one that may be read. Raises ForeignFile."""
    try:
        if not path.is_file():
            raise FileNotFoundError(ENOENT, "leads nowhere" if path.is_symlink() else "there is no such file")
        stream = path.open("rb")
    except OSError as error:
        raise ForeignFile(f"{path}: cannot be read ({error.strerror}); check the path") from error
    with stream:
        yield stream


def _not_mcap(stream: BinaryIO) -> str:
    """Say why this is no MCAP file at all; empty where it begins as one."""
    start = stream.read(len(MAGIC))
    stream.seek(0)
    return "" if start == MAGIC else "it is no MCAP file" if start else "it is empty"


def _damage(error: Exception) -> str:
    """Say in words what mcap and its helpers mean."""
    if isinstance(error, LookupError):
        return "it refers to something that it does not hold"
    if isinstance(error, (EOFError, StopIteration, struct.error, EndOfFile)):
        return "it ends early"
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
