"""Files that do not fit on the disk: set aside, fetched again, or listed as too large."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of

from openmsistream.kafka.commits import Commit
from openmsistream.transfer import incoming as incoming_module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def test_a_file_that_does_not_fit_now_is_set_aside_fetched_again_and_the_others_go_on(root: Path) -> None:
    topic = Topic()
    topic.file("big", b"0" * 2000, 1000)
    topic.file("small", b"1")
    with Inside(root) as inside:
        inside.free = 1500
        inside.feed(topic)
        assert inside.files() == {"small": b"1"}
        assert inside.commits[0] == Commit(0, "1 3")
        assert inside.receiving.places_to_read_again() == {}
        inside.free = 3000
        assert inside.receiving.places_to_read_again() == {0: 0}
        inside.feed(topic)
        assert inside.files() == {"big": b"0" * 2000, "small": b"1"}
        assert inside.commits[0] == Commit(topic.end, "")
        assert inside.tally.files == 2


def test_room_promised_to_one_file_is_not_given_to_another(root: Path) -> None:
    topic = Topic()
    first, second = chunks_of("first", b"1" * 2000, 1000), chunks_of("second", b"2" * 2000, 1000)
    topic.chunk(first[0])
    topic.chunk(second[0])
    with Inside(root) as inside:
        inside.free = 2500
        inside.feed(topic)
        assert [incoming.path for incoming in inside.receiving.unfinished] == ["first"]


def test_a_file_that_can_never_fit_is_listed_as_failed_and_holds_nothing(root: Path) -> None:
    topic = Topic()
    topic.file("huge", b"0" * 2000, 1000)
    with Inside(root) as inside:
        inside.total = 1000
        inside.free = 500
        inside.feed(topic)
        assert inside.failures() == {"huge": "it is larger than this disk (2000 bytes)"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_forged_size_reserves_nothing_that_is_not_there(root: Path) -> None:
    topic = Topic()
    chunk = chunks_of("x", b"0123456789")[0]
    topic.raw(b"x", chunk.data, [(k, str(2**63 - 1).encode() if k == "size" else v)
                                 for k, v in Topic().chunk(chunk).headers or () if v is not None])  # fmt: skip
    topic.file("y", b"good")
    with Inside(root) as inside:
        inside.feed(topic)
        assert list(inside.failures()) == ["x"]
        assert inside.files() == {"y": b"good"}


def test_what_was_set_aside_and_was_replaced_meanwhile_holds_nothing(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"0" * 2000, 1000)
    topic.file("x", b"newer")
    with Inside(root) as inside:
        inside.free = 1500
        inside.feed(topic)
        assert inside.files() == {"x": b"newer"}
        assert inside.commits[0] == Commit(topic.end, "")
        inside.free = 10**6
        assert inside.receiving.places_to_read_again() == {}


def test_what_was_set_aside_and_abandoned_holds_nothing(root: Path) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0" * 2000, 1000)
    topic.chunk(chunks[0])
    topic.abandoned(chunks[0])
    with Inside(root) as inside:
        inside.free = 1500
        inside.feed(topic)
        assert inside.commits[0] == Commit(topic.end, "")


def test_what_was_set_aside_and_is_gone_from_the_topic_is_listed_as_incomplete(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"0" * 2000, 1000)
    topic.file("y", b"1")
    with Inside(root) as inside:
        inside.free = 1500
        inside.feed(topic)
        inside.free = 10**6
        assert inside.receiving.places_to_read_again() == {0: 0}
        inside.feed(topic.records[1:])  # retention took the first record
        assert inside.tally.incomplete == 1
        assert [(row.path, row.missing) for row in inside.ledger.incomplete()] == [
            ("x", "all of it (no longer in the topic)")
        ]
        assert inside.commits[0] == Commit(topic.end, "")


@pytest.mark.parametrize("length", [1000, 5000], ids=["large", "small"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_while_a_file_is_written_sets_it_aside(
    root: Path, monkeypatch: pytest.MonkeyPatch, length: int, code: int
) -> None:
    write_all, full = incoming_module.write_all, [True]

    def write(fd: int, data: bytes) -> None:
        if full[0] and data[:1] == b"0":
            raise OSError(code, os.strerror(code))
        write_all(fd, data)

    monkeypatch.setattr(incoming_module, "write_all", write)
    monkeypatch.setattr("openmsistream.transfer.finishing.write_all", write)
    topic = Topic()
    topic.file("x", b"0" * 2000, length)
    topic.file("y", b"1")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"y": b"1"}
        assert inside.commits[0].offset == 0
        assert inside.failures() == {}
        full[0] = False
        assert inside.receiving.places_to_read_again() == {0: 0}
        inside.feed(topic)
        assert inside.files() == {"x": b"0" * 2000, "y": b"1"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_an_error_of_the_disk_that_does_not_pass_fails_that_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(fd: int, data: bytes) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(incoming_module, "write_all", write)
    topic = Topic()
    topic.file("x", b"0123456789")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.failures() == {"x": "File too large"}
        assert inside.files() == {}
        assert inside.commits[0] == Commit(topic.end, "")
