"""Recorded messages -> values, by a contract and by the definitions in the file itself.

A recording may hold more pictures than fit into memory: here each message becomes a value as it is read, and
of a picture only what the contract shows of it stays. Imports contract, reading and errors only.

    streams = read_streams(path, contract)          # topic -> what came on it
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mcap.records import Schema
from mcap_ros2.decoder import DecoderFactory

from amf_ros.contract import Contract
from amf_ros.contract.codecs import Arrived
from amf_ros.core.errors import BadMessage, DataError
from amf_ros.core.values import Value
from amf_ros.store.reading import DAMAGE, Contents, RawMessage, RawTopic, require_whole, salvage


class StreamDecoder:
    """Turns CDR bytes into values by the recorded definitions, while recording and from a file.

    Args:
        contract: reads the messages of its topics.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract, self._factory = contract, DecoderFactory()
        self._topics: dict[str, tuple[str, Callable[[bytes], Any]]] = {}

    @property
    def names(self) -> Collection[str]:
        """List the topics that it knows."""
        return self._topics.keys()

    def add(self, topic: RawTopic) -> None:
        """Learn a topic's type.

        Raises:
            DataError: its definition cannot be read, or the contract says another type.
        """
        wanted = self._contract.type_of(topic.name)
        if topic.type != wanted:
            raise DataError(f"{topic.name}: recorded as {topic.type}, and the contract says {wanted}")
        schema = Schema(len(self._topics) + 1, topic.schema.encode(), "ros2msg", topic.type)
        try:
            decode = self._factory.decoder_for("cdr", schema)
        except Exception as error:  # mcap_ros2 offers no base class of its parser's errors
            raise DataError(
                f"{topic.name}: the definition of {topic.type} cannot be read: {error}"
            ) from error
        if decode is None:
            raise DataError(f"{topic.name}: no decoder for {topic.type}")
        self._topics[topic.name] = (topic.type, decode)

    def one(self, topic: str, data: bytes) -> Value:
        """Return the value of one message. Raises BadMessage: it is not whole, or its parts do not fit."""
        type_, decode = self._topics[topic]
        try:
            return self._contract.read(topic, decode(data))
        except DAMAGE as error:
            raise BadMessage(topic, f"a message is not a whole {type_}: {error}") from error
        except DataError as error:
            raise BadMessage(topic, str(error)) from error


class StreamValues:
    """Collects the values of a contract's topics.

    Args:
        contract: whose topics are read; other messages are passed over.
    """

    def __init__(self, contract: Contract) -> None:
        self._wanted, self._decoder = contract.recorded, StreamDecoder(contract)
        self._found: dict[str, list[Arrived]] = {}

    def take(self, contents: Contents, message: RawMessage) -> None:
        """Read a message; of one that cannot be read it is noted why.

        Raises:
            DataError: its topic is recorded as something else than the contract says.
        """
        if message.topic not in self._wanted:
            return
        self._know(contents.topics[message.topic])
        value: Value | None = None
        problem = ""
        try:
            value = self._decoder.one(message.topic, message.data)
        except BadMessage as error:
            problem = error.reason
        arrived = Arrived(value, message.log_ns, message.publish_ns, problem)
        self._found[message.topic].append(arrived)

    def all(self, contents: Contents) -> dict[str, list[Arrived]]:
        """Return what came on each topic, in the order of the file. Raises DataError as :meth:`take`."""
        for name in sorted((contents.foreign.keys() & self._wanted) - contents.topics.keys()):
            raise DataError(f"{name}: recorded as {contents.foreign[name]}; ROS 2 messages in CDR are needed")
        for topic in contents.topics.values():
            if topic.name in self._wanted:
                self._know(topic)
        return self._found

    def _know(self, topic: RawTopic) -> None:
        if topic.name not in self._found:
            self._decoder.add(topic)
            self._found[topic.name] = []


def read_streams(path: Path, contract: Contract) -> dict[str, list[Arrived]]:
    """Read the messages of a contract's topics from a complete recording.

    Raises:
        DataError: the file is missing, damaged or was never finished, or a topic is recorded as something
            else than the contract says.
    """
    found = StreamValues(contract)
    contents = salvage(path, found.take)
    require_whole(path, contents)
    return found.all(contents)


def streams_of(contents: Contents, contract: Contract) -> dict[str, list[Arrived]]:
    """Read the same from messages that are in memory already. Raises DataError."""
    found = StreamValues(contract)
    for message in contents.messages:
        found.take(contents, message)
    return found.all(contents)
