"""What a listing tells of a topic's records, without Kafka."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import pytest
from handmade import Topic, chunks_of

from openmsistream.commands import ls
from openmsistream.files.chunk import Chunk
from openmsistream.files.wire.form import Written
from openmsistream.files.wire.msgpack import Msgpack
from openmsistream.kafka.record import Record
from openmsistream.transfer import listing
from openmsistream.transfer.listing import FileVersion, Listing


def told(*records: Iterable[Record], prefix: str = "", every: bool = False) -> list[FileVersion]:
    with Listing(prefix) as made:
        for record in (record for some in records for record in some):
            made.take(record)
        return list(made.files(every=every))


def short(files: list[FileVersion]) -> list[tuple[str, str | None, int]]:
    return [(file.path, file.missing, file.versions) for file in files]


def test_files_come_in_the_order_of_the_alphabet() -> None:
    topic = Topic()
    topic.file("b", b"12345678")
    topic.file("a", b"")
    found = told(topic.records)
    assert short(found) == [("a", None, 1), ("b", None, 1)]
    assert [(file.size, file.chunks, file.count) for file in found] == [(0, 1, 1), (8, 2, 2)]


def test_an_incomplete_file_says_what_is_missing() -> None:
    topic = Topic()
    chunks = chunks_of("a", b"0123456789abcdef")
    for chunk in (chunks[0], chunks[2]):
        topic.chunk(chunk)
    assert short(told(topic.records)) == [("a", "chunk 1, chunks from 3 on (8 of 16 bytes came)", 1)]
    topic.chunk(chunks[3])
    assert short(told(topic.records)) == [("a", "chunk 1", 1)]


def test_the_newest_version_is_told_and_the_others_are_counted() -> None:
    topic = Topic()
    for content in (b"1", b"12", b"123"):
        topic.file("a", content)
    assert [(file.size, file.versions) for file in told(topic.records)] == [(3, 3)]
    assert [file.size for file in told(topic.records, every=True)] == [3, 2, 1]


def test_between_partitions_the_time_of_the_records_decides() -> None:
    one, other = Topic(0, start=500), Topic(1)
    one.chunk(chunks_of("a", b"1")[0], timestamp_ms=5000)
    other.chunk(chunks_of("a", b"12")[0], timestamp_ms=6000)
    assert [file.size for file in told(other.records, one.records, every=True)] == [2, 1]


def test_repeated_chunks_are_no_new_version() -> None:
    topic = Topic()
    chunks = topic.file("a", b"12345678")
    topic.chunk(chunks[1])
    topic.file("b", b"1")
    topic.chunk(topic_chunk := chunks_of("c", b"1")[0])
    topic.chunk(topic_chunk)
    assert short(told(topic.records)) == [("a", None, 1), ("b", None, 1), ("c", None, 1)]


def test_an_abandoned_version_is_none() -> None:
    topic = Topic()
    topic.file("a", b"1")
    chunks = chunks_of("a", b"12345678")
    topic.chunk(chunks[0])
    topic.abandoned(chunks[0])
    assert short(told(topic.records)) == [("a", None, 1)]


def as_msgpack(path: str, content: bytes, mtime_ns: int = 1_600_000_000_000_000_000) -> list[Written]:
    whole = "sha512:" + hashlib.sha512(content).hexdigest()
    starts = range(0, len(content), 4)
    return [
        Msgpack().record(
            Chunk(path, "m", index, at, len(content), mtime_ns, content[at : at + 4], whole, len(starts))
        )
        for index, at in enumerate(starts)
    ]  # fmt: skip


def test_both_wires_are_told_and_a_scattered_file_is_one() -> None:
    one, other = Topic(0), Topic(1)
    for number, written in enumerate(as_msgpack("run/a", b"0123456789ab")):
        (one, other)[number % 2].raw(written.key, written.value, written.headers)
    for written in as_msgpack("run/b", b"0123456789ab")[:2]:
        one.raw(written.key, written.value, written.headers)
    one.file("run/c", b"1")
    found = told(one.records, other.records)
    assert short(found) == [("run/a", None, 1), ("run/b", "chunk 2", 1), ("run/c", None, 1)]
    assert [file.size for file in found] == [12, None, 1]


def test_a_prefix_leaves_the_others_out() -> None:
    topic = Topic()
    for path in ("run1/a", "run10/a", "other"):
        topic.file(path, b"1")
    assert [file.path for file in told(topic.records, prefix="run1/")] == ["run1/a"]


def test_records_of_no_file_are_counted() -> None:
    topic = Topic()
    topic.raw(b"k", b"garbage", [])
    topic.raw(None, None, None)
    with Listing() as made:
        for record in topic.records:
            made.take(record)
        assert (made.unusable, list(made.files())) == (2, [])


def test_only_unfinished_files_stay_in_memory() -> None:
    topic = Topic()
    for number in range(listing._WRITE_AT_ONCE + 1):
        topic.file(f"f{number}", b"12345678")
    with Listing() as made:
        for record in topic.records:
            made.take(record)
        assert (len(made._open), len(made._whole)) == (0, 1)
        assert len(list(made.files())) == listing._WRITE_AT_ONCE + 1


def test_a_file_is_printed_whose_record_has_a_time_that_no_calendar_has(capsys: pytest.CaptureFixture[str]) -> None:
    microseconds = 1_700_000_000_000_000
    topic = Topic()
    topic.chunk(chunks_of("a", b"1")[0], microseconds)
    with Listing() as made:
        for record in topic.records:
            made.take(record)
        ls._print_lines(made.files(), "t", "", made)
        assert f"1 B  {microseconds} ms  a\n" in capsys.readouterr().out
        ls._print_json(made.files())
        assert [file["sent"] for file in json.loads(capsys.readouterr().out)] == [f"{microseconds} ms"]
