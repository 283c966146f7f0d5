"""The native wire against its test vectors, which programs in other languages can use as well (docs/wire.md)."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from openmsistream.files.chunk import Abandoned, Chunk, FileState
from openmsistream.files.split import Reading
from openmsistream.files.wire import Unusable, decode, native
from openmsistream.kafka.partitions import murmur2, partition_of

Vector = dict[str, Any]

VECTORS = json.loads(Path(__file__).with_name("native_vectors.json").read_text(encoding="utf-8"))
VALID: list[Vector] = VECTORS["valid"]
WRITTEN = [vector for vector in VALID if "read_only" not in vector]
BY_NAME = {vector["name"]: vector for vector in VALID}


def named(vectors: list[Vector]) -> Any:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


def record(vector: Vector) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """Key, value and headers as a Kafka client gives them."""
    headers = [(name, None if text is None else text.encode("latin-1")) for name, text in vector["headers"]]
    key, value = (None if vector[part] is None else bytes.fromhex(vector[part]) for part in ("key", "value"))
    return key, value, headers


def meaning(vector: Vector) -> Chunk | Abandoned:
    """What the record of this vector says."""
    fields = {name: value for name, value in vector["meaning"].items() if name != "kind"}
    if vector["meaning"]["kind"] == "abandoned":
        return Abandoned(**fields)
    count = None if fields["digest"] is None else fields["index"] + 1
    return Chunk(**fields, data=bytes.fromhex(vector["value"]), count=count)


@named(VALID)
def test_a_record_is_read_as_the_vector_says(vector: Vector) -> None:
    said, expected = decode(*record(vector)), meaning(vector)
    assert type(said) is type(expected)
    assert asdict(said) == asdict(expected)


@named(WRITTEN)
def test_a_record_is_written_as_the_vector_says(vector: Vector) -> None:
    said = meaning(vector)
    if isinstance(said, Abandoned):
        written = (native.key(said.path), b"", native.abandoned_headers(said.generation))
    else:
        written = (native.key(said.path), said.data, native.headers(said))
    assert written == record(vector)


@named(VECTORS["invalid"])
def test_a_record_that_cannot_be_used_is_refused_with_its_reason(vector: Vector) -> None:
    with pytest.raises(Unusable) as refused:
        decode(*record(vector))
    assert str(refused.value) == vector["reason"]


@named(VECTORS["files"])
def test_the_values_of_a_file_are_its_content_and_the_last_header_its_digest(vector: Vector) -> None:
    records = [record(BY_NAME[name]) for name in vector["records"]]
    content = b"".join(value or b"" for _, value, _ in records)
    assert content.hex() == vector["content"]
    assert dict(records[-1][2])["digest"] == b"blake3:" + blake3(content).hexdigest().encode()


@named([vector for vector in VECTORS["files"] if vector["chunk_size"]])
def test_a_file_is_split_into_the_records_of_the_vector(vector: Vector) -> None:
    content = bytes.fromhex(vector["content"])
    expected = [meaning(BY_NAME[name]) for name in vector["records"]]
    first = expected[0]
    assert isinstance(first, Chunk)
    state = FileState(len(content), first.mtime_ns, first.mtime_ns, 1)
    reading = Reading(
        io.BytesIO(content), first.path, first.generation, state, vector["chunk_size"], lambda: state, lambda: 0
    )
    chunks = []
    while not reading.done:
        chunks.append(reading.read())
    assert chunks == expected


@pytest.mark.parametrize("vector", VECTORS["partitions"], ids=lambda vector: vector["key"])
def test_the_partition_follows_from_the_key(vector: Vector) -> None:
    key = bytes.fromhex(vector["key"])
    assert (murmur2(key), partition_of(key, 4), partition_of(key, 100)) == (
        vector["murmur2"],
        vector["of_4"],
        vector["of_100"],
    )


def test_headers_and_framing_stay_below_the_stated_overhead() -> None:
    largest = BY_NAME["the largest numbers"]
    _, _, headers = record(largest)
    assert sum(len(name) + len(value or b"") + 12 for name, value in headers) + 64 < native.OVERHEAD
