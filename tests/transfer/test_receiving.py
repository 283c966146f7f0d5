"""From records to files without Kafka: what is wanted, what is passed over, what waits, and what may be committed."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.kafka import commits as commits_module
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.ledger.received import quarantined
from openmsistream.transfer import incoming as incoming_module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def test_a_commit_that_did_not_reach_the_broker_is_made_again(root: Path) -> None:
    topic = Topic()
    topic.file("a", b"0123")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.receiving.commits() == {}
        inside.receiving.commit_again(frozenset({0, 7}))
        assert inside.receiving.commits() == {0: Commit(topic.end, "")}


# -- generations -----------------------------------------------------------------------------------


def test_a_replaced_version_that_is_sent_again_after_a_restart_stays_replaced(root: Path) -> None:
    topic = Topic()
    older = chunks_of("a", b"older one")
    topic.chunk(older[0])
    topic.file("a", b"newer")
    with Inside(root) as inside:
        inside.feed(topic)
        commits = inside.commits
    for chunk in older:
        topic.chunk(chunk)
    with Inside(root, commits) as inside:
        inside.feed(topic)
    assert (root / "a").read_bytes() == b"newer"


def test_a_newer_version_replaces_an_older_one(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"version one")
    topic.file("x", b"two")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"two"}
        assert inside.commits[0] == Commit(topic.end, "")


def interleaved(topic: Topic) -> None:
    """An older version whose last chunk comes after a whole newer one."""
    old, new = chunks_of("x", b"the older version"), chunks_of("x", b"the newer one")
    for chunk in [*old[:-1], *new, old[-1]]:
        topic.chunk(chunk)


def test_an_older_version_that_completes_later_is_never_put_over_a_newer_one(root: Path) -> None:
    topic = Topic()
    interleaved(topic)
    with Inside(root) as inside:
        for record in topic.records:  # one by one: the newer one is there before the older one's last chunk
            inside.feed([record])
        assert inside.files() == {"x": b"the newer one"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_an_older_version_that_completes_while_the_newer_one_is_being_finished_is_given_up(root: Path) -> None:
    topic = Topic()
    interleaved(topic)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"the newer one"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_reading_everything_again_puts_no_older_version_over_a_newer_one(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"version one")
    topic.file("x", b"version two")
    with Inside(root) as inside:
        inside.feed(topic)
    with Inside(root) as inside:
        inside.feed(topic.records[:3])
        assert inside.files() == {"x": b"version two"}
        assert inside.tally.files == 0


def test_after_a_newer_version_failed_the_older_one_stands_and_nothing_older_comes_over_it(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"version one")
    topic.file("x", b"version two")
    topic.file("x", b"version three", wrong=True)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"version two"}
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"version two"}
        assert list(inside.failures()) == ["x"]


def test_between_partitions_the_time_of_sending_decides(root: Path) -> None:
    early, late = Topic(0), Topic(1)
    early.chunk(chunks_of("x", b"early", 100)[0], timestamp_ms=1000)
    late.chunk(chunks_of("x", b"late", 100)[0], timestamp_ms=2000)
    with Inside(root) as inside:
        inside.receiving.open_lanes({1: Progress(0)})
        inside.feed(late)
        inside.feed(early)
        assert inside.files() == {"x": b"late"}


def test_an_abandoned_generation_is_dropped_at_once_and_holds_nothing(root: Path) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0123456789")
    topic.chunk(chunks[0])
    topic.abandoned(chunks[0])
    topic.chunk(chunks[1])
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {}
        assert inside.commits[0] == Commit(topic.end, "")
        assert inside.tally.incomplete == 0


def test_a_generation_whose_head_is_gone_is_counted_once_as_incomplete_not_as_damage(root: Path) -> None:
    topic = Topic(start=500)
    for chunk in chunks_of("x", b"0123456789")[1:]:
        topic.chunk(chunk)
    with Inside(root, {0: Commit(500, "")}) as inside:
        inside.feed(topic)
        assert (inside.tally.incomplete, inside.tally.quarantined, inside.failures()) == (1, 0, {})
        (row,) = inside.ledger.incomplete()
        assert (row.path, row.missing, row.retired) == ("x", "chunks 0-0 (no longer in the topic)", True)
        assert inside.commits[0] == Commit(topic.end, "")


def test_repeated_chunks_change_nothing(root: Path) -> None:
    topic = Topic()
    chunks = chunks_of("x", b"0123456789")
    for chunk in [chunks[0], chunks[0], chunks[1], chunks[0], chunks[2], chunks[2], *chunks]:
        topic.chunk(chunk)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"0123456789"}
        assert (inside.tally.files, inside.tally.incomplete, inside.tally.quarantined) == (1, 0, 0)


def test_an_empty_file_arrives(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b""}


def test_what_the_regex_does_not_match_is_passed_over(root: Path) -> None:
    topic = Topic()
    topic.file("x.csv", b"0123456789")
    topic.file("x.tif", b"0123456789")
    with Inside(root, regex=r".*\.csv") as inside:
        inside.feed(topic)
        assert set(inside.files()) == {"x.csv"}
        assert inside.commits[0] == Commit(topic.end, "")


# -- restarts --------------------------------------------------------------------------------------


def test_the_first_record_of_what_is_unfinished_is_committed_with_what_is_done_above_it(root: Path) -> None:
    topic = Topic()
    big = chunks_of("big", b"0123456789")
    topic.chunk(big[0])
    topic.file("small", b"1")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.commits[0] == Commit(0, "1 2")
        commits = inside.commits
    topic.chunk(big[1])
    topic.chunk(big[2])
    with Inside(root, commits) as inside:
        inside.feed(topic)
        assert inside.files() == {"big": b"0123456789", "small": b"1"}
        assert inside.tally.files == 1
        assert inside.commits[0] == Commit(topic.end, "")


def test_parts_of_partitions_that_are_given_up_are_removed(root: Path) -> None:
    topic = Topic()
    topic.chunk(chunks_of("a/big", b"0123456789")[0])
    with Inside(root) as inside:
        inside.feed(topic)
        assert len(inside.files()) == 1
        inside.receiving.close_lanes(frozenset({0}))
        assert inside.files() == {}


def test_a_partition_that_comes_back_is_read_again_from_its_commit(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"0123456789")
    with Inside(root) as inside:
        inside.feed(topic.records[:2])
        inside.receiving.close_lanes(frozenset({0}))
        inside.feed(topic.records[2:])
        inside.receiving.open_lanes({0: Progress(0)})
        inside.feed(topic)
        assert inside.files() == {"x": b"0123456789"}


VERSIONS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4)), min_size=1, max_size=5)


@given(data=st.data(), versions=VERSIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_interleaved_rewrites_with_repetition_and_restarts_end_at_the_newest_complete_version(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, versions: list[tuple[str, int]]
) -> None:
    queues = [chunks_of(path, bytes([65 + i]) * (4 * n)) for i, (path, n) in enumerate(versions)]
    topic, heads, complete = Topic(), dict[str, int](), set[str]()
    while any(queues):
        queue = data.draw(st.sampled_from([q for q in queues if q]))
        chunk = queue[0]
        topic.chunk(chunk)
        heads.setdefault(chunk.generation, topic.end)
        repeated = not data.draw(st.integers(0, 5))
        if repeated and chunk.index == 0:
            topic.chunk(chunk)  # at once: a sender that has begun a newer version does not go back to an older one
            repeated = False
        if not repeated:
            queue.pop(0)
            if chunk.is_last:
                complete.add(chunk.generation)
        elif data.draw(st.integers(0, 2)) == 0:
            queue.clear()  # its sender died
            if chunk.is_last:
                complete.add(chunk.generation)
    newest = {}
    for record in topic.records:
        generation = dict(record.headers or ())["gen"]
        assert generation is not None
        assert record.key is not None
        if generation.decode() in complete:
            path, head = record.key.decode(), heads[generation.decode()]
            newest[path] = max(newest.get(path, (0, b"")), (head, (record.value or b"")[:1]))
    root, committed = tmp_path_factory.mktemp("root"), dict[int, Commit]()
    place = 0
    while place < topic.end:
        with Inside(root, committed) as inside:
            start = committed[0].offset if committed else 0
            place = data.draw(st.integers(place + 1, topic.end))
            inside.feed(topic.records[start:place])
            committed = inside.commits if data.draw(st.booleans()) else committed
    with Inside(root, committed) as inside:
        inside.feed(topic.since(committed[0].offset if committed else 0))
        inside.receiving.close_lanes(frozenset({0}))
        assert {path: content[:1] for path, content in inside.files().items()} == {p: c for p, (_, c) in newest.items()}


# -- names and records that cannot be used ---------------------------------------------------------


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
        assert found[0] == ("t", 0, 0, "it has no header 'oms', so it is not a chunk of a file in the native form")
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


# -- space -----------------------------------------------------------------------------------------


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


# -- many unfinished at once, and those that stay so -----------------------------------------------


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
