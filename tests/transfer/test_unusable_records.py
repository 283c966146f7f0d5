"""Names and records that cannot be used: listed or put into the quarantine, and the stream goes on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of

from openmsistream.kafka.commits import Commit
from openmsistream.ledger.received import quarantined


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
@pytest.mark.parametrize("planted", ["file", "link"])
def test_a_file_or_link_where_a_folder_must_be_fails_that_file_and_the_others_go_on(
    root: Path, planted: str, length: int
) -> None:
    root.mkdir()
    (root.parent / "outside").mkdir()
    if planted == "file":
        (root / "a").write_bytes(b"here")
    else:
        (root / "a").symlink_to(root.parent / "outside", target_is_directory=True)
    topic = Topic()
    topic.file("a/b", b"0123456789", length)
    topic.file("c", b"good")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.failures() == {"a/b": "'a' is a link or a file, not a folder"}
        assert inside.files()["c"] == b"good"
        assert inside.commits[0] == Commit(topic.end, "")
    assert list((root.parent / "outside").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="the limit of names on POSIX systems")
def test_a_name_that_this_system_cannot_hold_is_listed_as_failed(root: Path) -> None:
    topic = Topic()
    topic.file("日" * 100, b"x")
    with Inside(root) as inside:
        inside.feed(topic)
        (reason,) = inside.failures().values()
        assert reason is not None
        assert "300 bytes long, this system takes 255" in reason


def test_garbage_goes_to_the_quarantine_with_its_place_and_reason_and_the_stream_goes_on(root: Path) -> None:
    topic = Topic()
    topic.raw(b"x", b"hello", None)
    topic.raw(b"../../etc/passwd", b"", [("oms", b"1"), ("gen", b"0" * 32)])
    topic.file("good", b"good")
    with Inside(root) as inside:
        inside.feed(topic)
        found = [(r.topic, r.partition, r.offset, r.reason) for r in quarantined(inside.known)]
        assert found[0] == ("t", 0, 0, "it has no header 'oms' and its value is no msgpack array of 9 or 10 "
                            "elements, so it is not a chunk of a file in either form")  # fmt: skip
        assert found[1][:3] == ("t", 0, 1)
        assert "could lead outside the folder" in found[1][3]
        assert inside.files() == {"good": b"good"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_chunk_that_contradicts_the_others_goes_to_the_quarantine_and_the_file_arrives(root: Path) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0123456789")
    topic.chunk(chunks[0])
    topic.chunk(replace(chunks_of("y", b"0123456789")[1], generation=chunks[0].generation))
    topic.chunk(chunks[1])
    topic.chunk(chunks[2])
    with Inside(root) as inside:
        inside.feed(topic)
        assert [r.reason for r in quarantined(inside.known)] == [
            "its path, size or time differ from those of the chunks before it"
        ]
        assert inside.files() == {"x": b"0123456789"}


def test_what_is_in_the_quarantine_is_not_counted_again_after_a_restart(root: Path) -> None:
    topic = Topic()
    topic.chunk(chunks_of("big", b"0123456789")[0])
    topic.raw(b"x", b"hello", None)
    with Inside(root) as inside:
        inside.feed(topic)
        commits = inside.commits
    with Inside(root, commits) as inside:
        inside.feed(topic)
        assert inside.tally.quarantined == 0
        assert len(quarantined(inside.known)) == 1


def test_much_garbage_is_written_in_bounded_batches(root: Path) -> None:
    topic = Topic()
    for _ in range(450):
        topic.raw(None, b"v" * 100_000, None)
    with Inside(root) as inside:
        for record in topic.records:
            inside.receiving.take(record)
            assert len(inside.receiving._rejected._waiting) < 200
        assert all(len(entry.value or b"") <= 65_536 for entry in inside.receiving._rejected._waiting)
