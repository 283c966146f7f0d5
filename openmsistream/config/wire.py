"""Which form chunks take as records, told by the serializer that a configuration names."""

from __future__ import annotations

import difflib
from enum import StrEnum
from pathlib import Path

from openmsistream.errors import ConfigError


class Wire(StrEnum):
    """The two forms of a chunk as a record; readers take both."""

    NATIVE = "native"
    OPENMSISTREAM = "openmsistream"


SERIALIZERS = {
    "DataFileChunkSerializer": Wire.OPENMSISTREAM,
    "native": Wire.NATIVE,
    "NativeSerializer": Wire.NATIVE,
    # these speak of records that programs write beside files (metadata, heartbeats, logs), not of chunks
    "StringSerializer": Wire.NATIVE,
    "IntegerSerializer": Wire.NATIVE,
    "DoubleSerializer": Wire.NATIVE,
}


def wire_of(serializer: str | None, path: Path) -> Wire:
    """The wire of a `value.serializer`; native when there is none. ConfigError for a name that nobody knows."""
    if serializer is None:
        return Wire.NATIVE
    if serializer in SERIALIZERS:
        return SERIALIZERS[serializer]
    near = difflib.get_close_matches(serializer, SERIALIZERS, n=1)
    raise ConfigError(
        f"{path}: value.serializer {serializer!r} is not known",
        f"did you mean {near[0]}" if near else "leave it out, or write DataFileChunkSerializer for the msgpack form",
    )
