"""What keys and values become as bytes, and bytes as values: the serializers that a configuration names.

OpenMSIStream's configuration files name four of them for each direction, by the names of their classes. String, Integer
(32 bits) and Double (64 bits, both with the highest byte first) are confluent_kafka's. DataFileChunk is the form of chunks
of files and says nothing of any other value: text beside it goes out as UTF-8, where OpenMSIStream refuses to send it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka.serialization import (
    DoubleDeserializer,
    DoubleSerializer,
    IntegerDeserializer,
    IntegerSerializer,
    StringDeserializer,
    StringSerializer,
)
from confluent_kafka.serialization import SerializationError as Unfit

from openmsistream.config import Settings
from openmsistream.errors import ConfigError

Serialize = Callable[[object], bytes | None]
"""A key or value as bytes; None stays None. Raises SerializationError."""

Deserialize = Callable[[bytes | None], object]
"""Bytes as a key or value; None stays None. Raises SerializationError."""

_SHOWN = 60
"""Letters of a value that an error shows."""


class SerializationError(ConfigError):
    """A key or value and the serializer that the configuration names for it do not go together."""


@dataclass(frozen=True, slots=True)
class Serializers:
    """How the records that a program writes are made of keys and values."""

    key: Serialize
    value: Serialize


@dataclass(frozen=True, slots=True)
class Deserializers:
    """How the keys and values of records are read."""

    key: Deserialize
    value: Deserialize


@dataclass(frozen=True, slots=True)
class _Kind:
    """One serializer: its client's function, the types that it takes, and these in words."""

    convert: Callable[..., object]
    types: tuple[type, ...]
    takes: str


_PLAIN = _Kind(lambda value: value.encode() if isinstance(value, str) else bytes(value),
               (str, bytes, bytearray, memoryview), "text or bytes")  # fmt: skip

_SERIALIZERS = {
    "StringSerializer": _Kind(StringSerializer(), (str,), "text"),
    "IntegerSerializer": _Kind(IntegerSerializer(), (int,), "a whole number of 32 bits"),
    "DoubleSerializer": _Kind(DoubleSerializer(), (float, int), "a number"),
    "DataFileChunkSerializer": _PLAIN,
    "NativeSerializer": _PLAIN,
    "native": _PLAIN,
}

_DESERIALIZERS: Mapping[str, tuple[Callable[..., object], str]] = {
    "StringDeserializer": (StringDeserializer(), "text in UTF-8"),
    "IntegerDeserializer": (IntegerDeserializer(), "a whole number of 32 bits"),
    "DoubleDeserializer": (DoubleDeserializer(), "a number of 64 bits"),
    "DataFileChunkDeserializer": (bytes, ""),
    "NativeDeserializer": (bytes, ""),
    "native": (bytes, ""),
}


def serializers(settings: Settings) -> Serializers:
    """Those that a configuration names for what is sent besides files, such as results.

    Where it names none, or the one for chunks of files, text becomes UTF-8 and bytes stay as they are. Raises
    ConfigError for a name that nobody knows.
    """
    return Serializers(_serializer(settings, "key.serializer"), _serializer(settings, "value.serializer"))


def deserializers(settings: Settings) -> Deserializers:
    """Those that a configuration names for what is read besides files; where it names none, bytes stay as they are."""
    return Deserializers(_deserializer(settings, "key.deserializer"), _deserializer(settings, "value.deserializer"))


def _serializer(settings: Settings, setting: str) -> Serialize:
    name = _named(settings, "producer", setting, _SERIALIZERS)
    kind = _SERIALIZERS[name or "native"]
    told = f"with {setting} = {name}" if name else f"without a {setting}"
    part = setting.partition(".")[0]

    def serialize(value: object) -> bytes | None:
        if value is None:
            return None
        why = f"it takes {kind.takes}"
        if isinstance(value, kind.types):
            try:
                return kind.convert(value)  # type: ignore[return-value]
            except (Unfit, UnicodeError, OverflowError) as error:
                why = f"{why}: {error}"
        raise SerializationError(
            f"the {part} {_shown(value)} cannot be sent {told} ({settings.path}): {why}",
            f"give it as {kind.takes}, or name another {setting} in [producer]",
        )

    return serialize


def _deserializer(settings: Settings, setting: str) -> Deserialize:
    name = _named(settings, "consumer", setting, _DESERIALIZERS)
    convert, form = _DESERIALIZERS[name or "native"]
    part = setting.partition(".")[0]

    def deserialize(data: bytes | None) -> object:
        if data is None:
            return None
        try:
            return convert(data)
        except (Unfit, UnicodeError) as error:  # the older client lets the second through
            raise SerializationError(
                f"the {part} {_shown(data)} is not {form}, as {setting} = {name} ({settings.path}) has it: {error}",
                f"name the {setting} in [consumer] that fits to what is written",
            ) from None

    return deserialize


def _named(settings: Settings, section: str, setting: str, known: Mapping[str, object]) -> str:
    """What a section, or else [broker], names; empty when neither does. Raises ConfigError for a name that nobody knows."""
    name = {**settings.section("broker"), **settings.section(section)}.get(setting, "")
    if name and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"{settings.path}: {setting} {name!r} is not known",
            f"did you mean {near[0]}" if near else f"leave it out, or write one of: {', '.join(known)}",
        )
    return name


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'} ({type(value).__name__})"
