"""A record as a program of one's own is given it: the methods of Kafka's clients, key and value made readable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmsistream.config import Settings
from openmsistream.errors import OpenMSIStreamError
from openmsistream.files.wire import Unusable

from .chunk_value import DataFileChunk
from .record import Record
from .serializers import Deserialize, SerializationError, deserializers

CHUNK_DESERIALIZERS = ("DataFileChunkDeserializer", "NativeDeserializer", "native")

_CREATE_TIME = 1
_NO_TIME = 0


class Unreadable(OpenMSIStreamError):
    """A record's key or value is not what the configuration's deserializers expect."""


class Message:
    """A record with its key and value as the deserializers of the configuration gave them."""

    def __init__(self, record: Record, key: Any, value: Any) -> None:
        self.record = record
        self._key = key
        self._value = value

    def __len__(self) -> int:
        return 0 if self.record.value is None else len(self.record.value)

    def __repr__(self) -> str:
        return f"<Message {place_of(self.record)}>"

    def topic(self) -> str:
        return self.record.topic

    def partition(self) -> int:
        return self.record.partition

    def offset(self) -> int:
        return self.record.offset

    def key(self) -> Any:
        return self._key

    def value(self) -> Any:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None if self.record.headers is None else list(self.record.headers)

    def timestamp(self) -> tuple[int, int]:
        """The kind of time (0: none, 1: of its making) and Unix time in milliseconds."""
        return (_CREATE_TIME if self.record.timestamp_ms else _NO_TIME, self.record.timestamp_ms)

    def error(self) -> None:
        return None


Read = Callable[[Record], Message]
"""Makes a record readable. Raises Unreadable."""


def place_of(record: Record) -> str:
    """Where a record stands, in words."""
    return f"offset {record.offset} of partition {record.partition} of topic {record.topic}"


def reading(settings: Settings) -> Read:
    """How records are made readable by the deserializers that a configuration names. ConfigError for a name not known.

    Values of `DataFileChunkDeserializer` are chunks of files. Where none is named, a record that is a chunk is given as one,
    and any other as bytes.
    """
    named = deserializers(settings)
    value_name = {**settings.section("broker"), **settings.section("consumer")}.get("value.deserializer", "")
    if value_name and value_name not in CHUNK_DESERIALIZERS:
        return lambda record: Message(
            record, _part(named.key, record.key, record), _part(named.value, record.value, record)
        )

    def read(record: Record) -> Message:
        key = _part(named.key, record.key, record)
        try:
            return Message(record, key, DataFileChunk.of(record.key, record.value, record.headers))
        except Unusable as error:
            if not value_name:
                return Message(record, key, record.value)
            raise Unreadable(f"the record at {place_of(record)} is no chunk of a file: {error}") from None

    return read


def _part(deserialize: Deserialize, data: bytes | None, record: Record) -> object:
    try:
        return deserialize(data)
    except SerializationError as error:
        raise Unreadable(f"the record at {place_of(record)} cannot be read: {error.what}", error.advice) from None
