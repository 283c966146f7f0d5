"""From records to files without Kafka: what is wanted, what is passed over, what waits, and what may be committed."""

from __future__ import annotations

from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.kafka.commits import Commit, Progress


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
