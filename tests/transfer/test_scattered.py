"""Files in the msgpack form: versions that return, and files whose chunks lie in several partitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from handmade import MTIME, Inside, Topic, chunks_of, msgpack_chunks_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.kafka import commits as commits_module
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.kafka.record import Record
from openmsistream.ledger.received import failures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


# -- one partition ---------------------------------------------------------------------------------


def test_both_forms_are_read_from_one_topic(root: Path) -> None:
    topic = Topic()
    topic.msgpack("a/old", b"0123456789")
    topic.file("a/new", b"0123456789")
    topic.msgpack("empty", b"")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"a/old": b"0123456789", "a/new": b"0123456789", "empty": b""}
        assert inside.commits[0] == Commit(topic.end, "")
    assert (root / "a" / "old").stat().st_mtime == pytest.approx(MTIME / 1e9, abs=1e-6)


def test_a_version_that_returns_after_another_one_is_put_back(root: Path) -> None:
    topic = Topic()
    for content in (b"version A", b"version B", b"version A"):
        topic.msgpack("x", content)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"version A"}
        assert inside.commits[0] == Commit(topic.end, "")
    with Inside(root) as inside:  # read from the beginning
        inside.feed(topic)
        assert inside.files() == {"x": b"version A"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_version_that_is_sent_again_while_it_stands_there_is_passed_over(root: Path) -> None:
    topic = Topic()
    topic.msgpack("x", b"version A")
    with Inside(root) as inside:
        inside.feed(topic)
        inside.feed([topic.openmsistream(msgpack_chunks_of("x", b"version A")[0])])
        assert inside.tally.files == 1
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_version_that_is_sent_again_after_it_was_deleted_here_is_put_back(root: Path) -> None:
    topic = Topic()
    topic.msgpack("x", b"version A")
    with Inside(root) as inside:
        inside.feed(topic)
        (root / "x").unlink()
        inside.feed(topic.msgpack("x", b"version A"))
        assert inside.files() == {"x": b"version A"}


def test_the_first_chunk_sent_twice_changes_nothing(root: Path) -> None:
    topic = Topic()
    topic.openmsistream(msgpack_chunks_of("x", b"an older one")[0])
    chunks = msgpack_chunks_of("x", b"newer")
    for chunk in [chunks[0], *chunks]:
        topic.openmsistream(chunk)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"newer"}
        assert inside.commits[0] == Commit(topic.end, "")
        assert inside.tally.quarantined == 0


def test_the_same_content_and_time_under_two_names_are_two_files(root: Path) -> None:
    topic = Topic()
    chunks = [msgpack_chunks_of(path, b"0123456789") for path in ("x", "y")]
    for pair in zip(*chunks, strict=True):
        for chunk in pair:
            topic.openmsistream(chunk)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"0123456789", "y": b"0123456789"}


def test_the_same_content_in_chunks_of_another_size_is_another_version(root: Path) -> None:
    topic = Topic()
    topic.openmsistream(msgpack_chunks_of("x", b"0123456789", 4)[0])
    topic.msgpack("x", b"0123456789", 5)
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"0123456789"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_file_whose_bytes_do_not_have_its_digest_fails(root: Path) -> None:
    topic = Topic()
    good, other = msgpack_chunks_of("x", b"01234567"), msgpack_chunks_of("x", b"01239999")
    topic.openmsistream(good[0])
    topic.openmsistream(replace(other[1], digest=good[0].digest))
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {}
        (reason,) = inside.failures().values()
        assert "its digest is sha512:" in (reason or "")
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_huge_number_of_chunks_is_a_file_that_can_never_fit(root: Path) -> None:
    topic = Topic()
    topic.openmsistream(replace(msgpack_chunks_of("x", b"01234567")[0], count=2**39))
    topic.msgpack("y", b"good")
    with Inside(root) as inside:
        inside.feed(topic)
        assert list(inside.failures()) == ["x"]
        assert inside.files() == {"y": b"good"}
        assert inside.commits[0] == Commit(topic.end, "")


# -- several partitions ----------------------------------------------------------------------------


def scattered(topics: list[Topic], path: str, data: bytes, *, start_ms: int, mtime_ns: int = MTIME) -> None:
    """A file as OpenMSIStream's producers send it: chunk by chunk to the partitions in turn, from the last one down."""
    for i, chunk in enumerate(msgpack_chunks_of(path, data, mtime_ns=mtime_ns)):
        topics[-1 - i % len(topics)].openmsistream(chunk, start_ms + i)


def opened(root: Path, partitions: int, commits: dict[int, Commit] | None = None) -> Inside:
    inside = Inside(root, commits, partitions=partitions)
    inside.receiving.open_lanes({p: Progress(0) for p in range(partitions) if p not in (commits or {0: None})})
    return inside


def test_a_scattered_file_is_put_together_and_holds_every_partition_until_then(root: Path) -> None:
    topics = [Topic(p) for p in range(3)]
    scattered(topics, "x", b"0123456789abcdef", start_ms=1000)
    for topic in topics:
        topic.file("other", b"1")
    with opened(root, 3) as inside:
        inside.feed(topics[0], topics[1])
        assert inside.commits == {0: Commit(0, "1 2"), 1: Commit(0, "1 2")}
        inside.feed(topics[2])
        assert inside.files() == {"x": b"0123456789abcdef", "other": b"1"}
        assert inside.commits == {p: Commit(t.end, "") for p, t in enumerate(topics)}


def test_the_newer_of_two_scattered_versions_stands_in_whatever_order_partitions_are_read(root: Path) -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        topics = [Topic(p) for p in range(3)]
        scattered(topics, "x", b"the older version", start_ms=1000, mtime_ns=MTIME + 10**9)
        scattered(topics, "x", b"the newer", start_ms=2000)
        place = root.with_name(f"root-{order}")
        with opened(place, 3) as inside:
            inside.feed(*(topics[p] for p in order))
            assert inside.files() == {"x": b"the newer"}
            assert inside.commits == {p: Commit(t.end, "") for p, t in enumerate(topics)}


def test_of_interleaved_versions_the_one_with_the_newer_file_time_stands(root: Path) -> None:
    topics = [Topic(p) for p in range(2)]
    old, new = (msgpack_chunks_of("x", content, mtime_ns=MTIME + later)
                for content, later in ((b"older---", 0), (b"newer---", 10**9)))  # fmt: skip
    topics[0].openmsistream(new[0], 1000)
    topics[1].openmsistream(old[0], 1001)
    topics[0].openmsistream(new[1], 1002)
    topics[1].openmsistream(old[1], 1003)
    with opened(root, 2) as inside:
        inside.feed(*topics)
        assert inside.files() == {"x": b"newer---"}


def test_a_reader_with_some_of_the_partitions_says_what_to_do_and_holds_what_it_has(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topics = [Topic(p) for p in range(3)]
    scattered(topics, "x", b"0123456789abcdef", start_ms=1000)
    with Inside(root, {0: Commit(0, ""), 1: Commit(0, "")}, partitions=3) as inside:
        inside.feed(topics[0], topics[1])
        assert inside.commits[0].offset == inside.commits[1].offset == 0
        assert "give each a --consumer_group_id of its own" in caplog.text
        assert "others" not in caplog.text or "1 of the 3" in caplog.text
        inside.receiving.open_lanes({2: Progress(0)})  # the other reader is stopped
        inside.feed(topics[2])
        assert inside.files() == {"x": b"0123456789abcdef"}


def test_what_came_from_other_partitions_is_kept_when_one_goes_and_comes_back(root: Path) -> None:
    topics = [Topic(p) for p in range(2)]
    scattered(topics, "x", b"0123456789abcdef", start_ms=1000)
    with opened(root, 2) as inside:
        inside.feed(topics[0].records[:1], topics[1].records[:1])
        inside.receiving.close_lanes(frozenset({1}))
        inside.receiving.open_lanes({1: Progress(0)})
        inside.feed(topics[0].records[1:], topics[1])
        assert inside.files() == {"x": b"0123456789abcdef"}
        assert inside.commits == {p: Commit(t.end, "") for p, t in enumerate(topics)}


def test_a_scattered_file_that_does_not_fit_is_fetched_again_from_all_its_partitions(root: Path) -> None:
    topics = [Topic(p) for p in range(2)]
    for i, chunk in enumerate(msgpack_chunks_of("big", b"0" * 4000, 1000)):
        topics[i % 2].openmsistream(chunk)
    with opened(root, 2) as inside:
        inside.free = 1500
        inside.feed(*topics)
        assert inside.files() == {}
        assert {p: c.offset for p, c in inside.commits.items()} == {0: 0, 1: 0}
        inside.free = 10**6
        assert inside.receiving.places_to_read_again() == {0: 0, 1: 0}
        inside.feed(*topics)
        assert inside.files() == {"big": b"0" * 4000}
        assert inside.commits == {p: Commit(t.end, "") for p, t in enumerate(topics)}


def test_a_scattered_file_that_failed_is_fetched_again_from_all_its_partitions(root: Path) -> None:
    topics = [Topic(p) for p in range(2)]
    for i, chunk in enumerate(msgpack_chunks_of("big", b"0" * 4000, 1000)):
        topics[i % 2].openmsistream(chunk)
    with opened(root, 2) as inside:
        inside.total, inside.free = 1000, 500
        inside.feed(*topics)
        assert list(inside.failures()) == ["big"]
        inside.total = inside.free = 10**6
        (row,) = failures(inside.known, inside.ledger.stream)
        assert inside.receiving.fetch_again(row)
        assert inside.receiving.places_to_read_again() == {0: 0}
        inside.feed(topics[0])
        inside.feed(topics[1])
        assert inside.files() == {"big": b"0" * 4000}
        assert inside.failures() == {}


def test_a_failed_file_in_a_partition_that_is_not_ours_is_not_fetched_again(root: Path) -> None:
    topic = Topic()
    topic.file("x", b"0123456789", wrong=True)
    with Inside(root) as inside:
        inside.feed(topic)
        (row,) = failures(inside.known, inside.ledger.stream)
        inside.receiving.close_lanes(frozenset({0}))
        assert not inside.receiving.fetch_again(row)


def test_what_was_sent_between_two_times_of_the_same_version_stays_older(root: Path) -> None:
    topic = Topic()
    topic.msgpack("x", b"A", mtime_ns=MTIME)
    topic.msgpack("x", b"B" * 4000, 1000)
    topic.msgpack("x", b"A", mtime_ns=MTIME)
    with Inside(root) as inside:
        inside.free = 1500  # B is set aside
        inside.feed(topic)
        inside.free = 10**6
        for offset in inside.receiving.places_to_read_again().values():
            inside.feed(topic.since(offset))
        assert inside.files() == {"x": b"A"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_version_that_returns_in_another_order_of_partitions_stands_in_the_end(root: Path) -> None:
    for homes in ((0, 1, 0), (1, 0, 1), (0, 1, 1)):
        topics = [Topic(p) for p in range(2)]
        for now, (home, content) in enumerate(zip(homes, (b"version A", b"version B", b"version A"), strict=True)):
            for chunk in msgpack_chunks_of("x", content):
                topics[home].openmsistream(chunk, 1000 + 10 * now + chunk.index)
        with opened(root.with_name(f"root-{homes}"), 2) as inside:
            inside.feed(*topics)
            assert inside.files() == {"x": b"version A"}


def test_an_unfinished_version_that_is_sent_once_more_is_the_newest(root: Path) -> None:
    topic = Topic()
    topic.openmsistream(msgpack_chunks_of("x", b"AAAAaaaa")[0])
    topic.msgpack("x", b"BBBBbbbb")
    topic.msgpack("x", b"AAAAaaaa")
    with Inside(root) as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"AAAAaaaa"}
        assert inside.commits[0] == Commit(topic.end, "")


def test_a_scattered_file_of_which_others_have_chunks_is_never_given_up(root: Path) -> None:
    topics = [Topic(p) for p in range(3)]
    scattered(topics, "x", b"0123456789abcdef", start_ms=1000)
    with Inside(root, {0: Commit(0, ""), 1: Commit(0, "")}, partitions=3, give_up_after=-1.0) as inside:
        inside.feed(topics[0], topics[1])
        inside.receiving.retire_silent(caught_up=True)
        inside.feed()
        assert {commit.offset for commit in inside.commits.values()} == {0}


def test_chunks_of_what_is_set_aside_are_held_in_a_partition_that_is_full(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "MAX_OPEN", 3)
    topics = [Topic(p) for p in range(2)]
    big = msgpack_chunks_of("big", b"0" * 4000, 1000)
    others = [chunks_of(f"f{i}", b"01234567") for i in range(3)]
    topics[0].openmsistream(big[0])
    for chunks in others:
        topics[1].chunk(chunks[0])
    for n, chunk in enumerate(big[1:]):
        topics[n % 2].openmsistream(chunk)
    for chunks in others:
        topics[1].chunk(chunks[1])
    with opened(root, 2) as inside:
        inside.free = 3000
        inside.feed(*topics)
        inside.free = 10**7
        for _ in range(3):
            places = inside.receiving.places_to_read_again()
            inside.feed(*(topics[p].since(offset) for p, offset in places.items()))
        assert inside.files()["big"] == b"0" * 4000
        assert inside.commits == {p: Commit(t.end, "") for p, t in enumerate(topics)}


def test_times_that_go_backwards_hide_no_record_from_another_try(root: Path) -> None:
    topic = Topic()
    good = msgpack_chunks_of("x", b"01234567")
    topic.openmsistream(good[0], 2000)
    topic.openmsistream(replace(good[1], data=b"----"), 1999)
    with Inside(root) as inside:
        inside.feed(topic)
        (row,) = failures(inside.known, inside.ledger.stream)
        assert row.firsts == {0: 0}


# -- everything at once ----------------------------------------------------------------------------

VERSIONS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.booleans()), min_size=1, max_size=4)


@given(data=st.data(), versions=VERSIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_scattered_rewrites_with_repetition_and_restarts_end_at_the_newest_version(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, versions: list[tuple[str, int, bool]]
) -> None:
    topics = [Topic(p) for p in range(3)]
    newest: dict[str, bytes] = {}
    now = 1000
    for i, (path, length, native) in enumerate(versions):
        content = bytes([65 + i]) * (4 * length)
        newest[path] = content
        home = topics[sum(path.encode()) % 3]
        for chunk in chunks_of(path, content) if native else msgpack_chunks_of(path, content):
            now += 1
            for _ in range(data.draw(st.integers(1, 2)) if chunk.index else 1):
                if native:
                    home.chunk(chunk, now)
                else:
                    data.draw(st.sampled_from(topics)).openmsistream(chunk, now)
        now += 1
    root, committed = tmp_path_factory.mktemp("root"), {p: Commit(0, "") for p in range(3)}
    for _ in range(data.draw(st.integers(0, 3))):
        with Inside(root, committed, partitions=3) as inside:
            inside.feed(_some(data, topics, committed))
            if data.draw(st.booleans()):
                committed = {**committed, **inside.commits}
    with Inside(root, committed, partitions=3) as inside:
        inside.feed(_some(data, topics, committed, everything=True))
        inside.receiving.close_lanes(frozenset(range(3)))
        assert inside.files() == newest


def _some(
    data: st.DataObject, topics: list[Topic], committed: dict[int, Commit], *, everything: bool = False
) -> list[Record]:
    """Records from where they are committed on, partitions mixed as a consumer may have them."""
    rest = [topic.since(committed[topic.partition].offset) for topic in topics]
    if not everything:
        rest = [records[: data.draw(st.integers(0, len(records)))] for records in rest]
    found = []
    while any(rest):
        found.append(data.draw(st.sampled_from([records for records in rest if records])).pop(0))
    return found
