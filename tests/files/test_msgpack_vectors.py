"""The msgpack wire against records that OpenMSIStream's own serializer wrote (docs/wire.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openmsistream.files.chunk import Chunk
from openmsistream.files.wire import decode
from openmsistream.files.wire.msgpack import Msgpack

Vector = dict[str, Any]

VECTORS = json.loads(Path(__file__).with_name("msgpack_vectors.json").read_text(encoding="utf-8"))["valid"]
named = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])


def read(vector: Vector) -> Chunk:
    said = decode(vector["key"].encode(), bytes.fromhex(vector["value"]), None)
    assert isinstance(said, Chunk)
    return said


@named
def test_a_record_is_read_as_the_vector_says(vector: Vector) -> None:
    chunk = read(vector)
    facts = (chunk.path, chunk.index, chunk.count, chunk.offset, chunk.size, chunk.mtime_ns, chunk.data.hex())
    assert facts == tuple(vector[name] for name in ("path", "index", "count", "offset", "size", "mtime_ns", "data"))


@named
def test_a_record_is_written_byte_for_byte_as_openmsistream_wrote_it(vector: Vector) -> None:
    written = Msgpack(10, vector["original"], vector["appendix"]).record(read(vector))
    assert (written.key.decode(), written.value.hex()) == (vector["key"], vector["value"])
    assert written.headers == []


@named
def test_a_record_of_nine_elements_is_the_same_without_the_time(vector: Vector) -> None:
    written = Msgpack(9, vector["original"], vector["appendix"]).record(read(vector))
    value = bytes.fromhex(vector["value"])
    assert written.value == b"\x99" + value[1:-9]
    assert read({**vector, "value": written.value.hex()}).mtime_ns is None
