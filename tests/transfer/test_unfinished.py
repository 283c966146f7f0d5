"""Many unfinished files at once, and those that stay unfinished."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of

from openmsistream.kafka import commits as commits_module
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.ledger.received import failures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def test_with_too_many_unfinished_nothing_new_is_begun_until_some_are_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "MAX_OPEN", 3)
    topic = Topic()
    files = [chunks_of(f"f{i}", b"0123456789") for i in range(5)]
    for part in range(3):
        for chunks in files:
            topic.chunk(chunks[part])
    with Inside(root) as inside:
        inside.feed(topic)
        assert set(inside.files()) == {"f0", "f1", "f2"}
        assert inside.commits[0] == Commit(3, "")
        assert inside.receiving.places_to_read_again() == {0: 3}
        inside.feed(topic.since(3))
        assert set(inside.files()) == {f"f{i}" for i in range(5)}
        assert inside.commits[0] == Commit(topic.end, "")
        assert inside.tally.files == 5


def test_after_a_restart_as_many_as_were_named_are_begun_again_and_nothing_is_done_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "MAX_OPEN", 3)
    topic = Topic()
    files = [chunks_of(f"f{i}", b"0123456789") for i in range(3)]
    topic.chunk(files[0][0])
    topic.file("done", b"1")
    topic.chunk(files[1][0])
    topic.chunk(files[2][0])
    with Inside(root) as inside:
        inside.feed(topic)
        commits = inside.commits
    assert commits[0] == Commit(0, "1 4 2 3")
    with Inside(root, commits) as inside:
        inside.feed(topic)
        assert inside.receiving.lanes[0].progress.held is None
        assert [incoming.path for incoming in inside.receiving.unfinished] == ["f0", "f1", "f2"]
        assert inside.tally.files == 0
        assert inside.receiving.lanes[0].progress.commit() == commits[0]


def test_a_generation_that_is_silent_for_long_is_listed_with_what_is_missing_and_holds_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topic()
    topic.chunk(chunks_of("x", b"0123456789")[0])
    with Inside(root, give_up_after=100.0) as inside:
        inside.feed(topic)
        inside.receiving.retire_silent()
        assert inside.tally.incomplete == 0
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 101)
        inside.receiving.retire_silent()
        inside.feed()
        assert inside.tally.incomplete == 1
        (row,) = inside.ledger.incomplete()
        assert (row.retired, row.missing) == (True, "chunks from 1 on (4 of 10 bytes came)")
        assert inside.commits[0] == Commit(topic.end, "")
        assert inside.files() == {}


def test_a_restart_does_not_begin_the_patience_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic()
    topic.chunk(chunks_of("x", b"0123456789")[0])
    with Inside(root, give_up_after=100.0) as inside:
        inside.feed(topic)
        inside.receiving.note_unfinished()
        commits = inside.commits
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 101)
    with Inside(root, commits, give_up_after=100.0) as inside:
        inside.feed(topic)
        inside.receiving.retire_silent()
        assert inside.tally.incomplete == 1


def test_a_chunk_that_comes_late_begins_nothing_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0123456789")
    topic.chunk(chunks[0])
    with Inside(root, give_up_after=-1.0) as inside:
        inside.feed(topic)
        inside.receiving.retire_silent()
        inside.feed([topic.chunk(chunk) for chunk in chunks[1:]])
        assert inside.files() == {}
        assert inside.tally.incomplete == 1
        assert inside.commits[0] == Commit(topic.end, "")


def test_many_folders_do_not_use_up_the_open_files(root: Path) -> None:
    topic = Topic()
    for i in range(300):
        topic.file(f"d{i}/x", b"01234567")
    with Inside(root) as inside:
        inside.feed(topic)
        assert len(inside.files()) == 300
        assert len(inside.target._open) <= 128


def test_nothing_is_given_up_before_reading_has_come_to_where_the_log_ended(root: Path) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0123456789")
    for chunk in chunks:
        topic.chunk(chunk)
    with Inside(root, give_up_after=-1.0) as inside:
        inside.receiving.open_lanes({0: Progress(0)}, {0: topic.end})
        inside.feed(topic.records[:1])
        inside.receiving.retire_silent()
        inside.feed(topic.records[1:])
        assert inside.files() == {"x": b"0123456789"}


def test_more_failed_files_than_a_commit_can_name_are_not_all_tried_again_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "MAX_OPEN", 3)
    topic = Topic()
    for number in range(5):
        topic.file(f"f{number}", b"0123456789", wrong=True)
    with Inside(root) as inside:
        inside.feed(topic)
        taken = [inside.receiving.fetch_again(row) for row in failures(inside.known, inside.ledger.stream)]
        assert taken == [True, True, True, False, False]
        assert inside.receiving.commits()
