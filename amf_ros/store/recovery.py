"""Finds out whether somebody still writes a half-recorded file, and saves what can be read.

Imports files, reading and errors only.

    if not is_live(staged):
        place, problem = rescue(staged, quarantine)
"""

from __future__ import annotations

import fcntl
import io
from collections.abc import Mapping
from pathlib import Path

from mcap.writer import Writer

from amf_ros.core.errors import DataError
from amf_ros.store.files import free_name, move_whole, storage_errors, write_whole
from amf_ros.store.reading import ABOUT, RESULT, Contents, salvage

CHUNK_BYTES = 64 * 1024  # a killed recorder loses at most this much


def is_live(staged: Path) -> bool:
    """Return whether a process is recording into a staged file: it holds the lock until it ends."""
    try:
        with staged.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def make_room(staged: Path, quarantine: Path) -> None:
    """Move to quarantine what a dead process left where a recording is about to begin.

    Raises:
        DataError: somebody is recording there right now.
        StorageError: the disk is full or not writable.
    """
    if not staged.exists():
        return
    if is_live(staged):
        raise DataError(
            f"demonstration {staged.stem!r} is being recorded right now; finish or discard it first"
        )
    rescue(staged, quarantine)


def rescue(staged: Path, quarantine: Path) -> tuple[Path, str]:
    """Turn one left-over into a complete file in quarantine, or move it there as it is.

    Returns:
        Where it is now, and what was wrong with it.

    Raises:
        StorageError: the disk is full or not writable; the left-over stays where it is.
    """
    contents = salvage(staged)
    if not contents.about or not contents.messages:
        place = free_name(quarantine / (staged.stem + ".broken"))
        with storage_errors(place):
            move_whole(staged, place)
        return place, "the recording was cut off before any data reached the disk"
    problem = f"the recording was cut off; {len(contents.messages)} messages were saved"
    place = free_name(quarantine / staged.name)
    with storage_errors(place):
        write_complete(contents, {"problem": problem}, place)
        staged.unlink(missing_ok=True)
    return place, problem


def write_complete(contents: Contents, result: Mapping[str, str], place: Path) -> None:
    """Write a complete MCAP file of what was read from another one. Raises OSError."""
    stream = io.BytesIO()
    writer = Writer(stream, chunk_size=CHUNK_BYTES, enable_data_crcs=True)
    writer.start(profile="ros2")
    writer.add_metadata(ABOUT, contents.about)
    channels = {}
    for topic in contents.topics.values():
        schema = writer.register_schema(topic.type, "ros2msg", topic.schema.encode())
        channels[topic.name] = writer.register_channel("/" + topic.name, "cdr", schema)
    for message in contents.messages:
        writer.add_message(channels[message.topic], message.log_ns, message.data, message.publish_ns)
    writer.add_metadata(RESULT, dict(result))
    writer.finish()  # type: ignore[no-untyped-call]
    write_whole(place, stream.getvalue())
