"""Chunks put together: in any order, repeated and with losses, they give the whole file or say what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk
from openmsistream.files.reassembly import Contradiction, Indexes, Reassembly

GENERATION = "ab" * 16


def chunks_of(data: bytes, length: int) -> list[Chunk]:
    starts = range(0, len(data), length) or [0]
    return [
        Chunk("a", GENERATION, i, at, len(data), 5, data[at : at + length],
              *((digest.of(data), i + 1) if at + length >= len(data) else ()))
        for i, at in enumerate(starts)
    ]  # fmt: skip


@given(st.data(), st.binary(max_size=60), st.integers(1, 9))
def test_any_order_with_repetition_and_loss_gives_the_file_or_nothing(
    data: st.DataObject, whole: bytes, n: int
) -> None:
    chunks = chunks_of(whole, n)
    sent = data.draw(st.lists(st.sampled_from(chunks), min_size=1, max_size=3 * len(chunks)))
    if data.draw(st.booleans()):
        sent += data.draw(st.permutations(chunks))
    reassembly = Reassembly(sent[0])
    part = b"".join(chunk.data for chunk in sent if reassembly.place(chunk))
    if not {c.index for c in chunks} <= {c.index for c in sent}:
        assert not reassembly.complete
        assert reassembly.missing() != "nothing"
        return
    assert reassembly.complete
    assert reassembly.missing() == "nothing"
    assert b"".join(part[e.position : e.position + e.length] for e in reassembly.extents()) == whole
    assert part == whole or not reassembly.in_order
    assert reassembly.digest == digest.of(whole)


@given(st.lists(st.integers(0, 40)))
def test_a_set_of_indexes_is_a_set(numbers: list[int]) -> None:
    indexes, plain = Indexes(), set[int]()
    for number in numbers:
        assert (number in indexes) == (number in plain)
        if number not in plain:
            indexes.add(number)
            plain.add(number)
    assert len(indexes) == len(plain)
    assert [n for first, end in indexes.gaps(41) for n in range(first, end)] == [n for n in range(41) if n not in plain]
    assert indexes.end == max(plain, default=-1) + 1
    assert [indexes.gap_count(below) for below in (indexes.end, 42)] == [
        len(list(indexes.gaps(below))) for below in (indexes.end, 42)
    ]


FORGED = st.builds(
    lambda index, offset, data, last: Chunk(
        "a", GENERATION, index, offset, 20, 5, data, *((digest.of(b""), index + 1) if last else ())
    ),
    st.integers(0, 6),
    st.integers(0, 20),
    st.binary(min_size=1, max_size=8),
    st.booleans(),
)


@given(st.lists(FORGED, min_size=1, max_size=12))
def test_forged_chunks_never_count_as_complete_without_covering_the_file(chunks: list[Chunk]) -> None:
    reassembly = Reassembly(chunks[0])
    for chunk in chunks:
        before = (reassembly.received, reassembly.count, reassembly.digest, reassembly.missing())
        try:
            reassembly.place(chunk)
        except Contradiction:
            assert (reassembly.received, reassembly.count, reassembly.digest, reassembly.missing()) == before
        assert reassembly.received <= 20
    if reassembly.complete:
        try:
            extents = reassembly.extents()
        except Contradiction:
            return
        assert sum(e.length for e in extents) == 20


def test_a_second_and_different_last_chunk_is_a_contradiction() -> None:
    chunks = chunks_of(b"0123456789", 2)
    reassembly = Reassembly(chunks[0])
    reassembly.place(chunks[3])
    with pytest.raises(Contradiction, match="later ones have come"):
        reassembly.place(Chunk("a", GENERATION, 2, 8, 10, 5, b"89", chunks[3].digest, 3))
    assert reassembly.count is None


def test_a_chunk_behind_the_last_one_is_a_contradiction() -> None:
    chunks = chunks_of(b"0123456789", 5)
    reassembly = Reassembly(chunks[0])
    reassembly.place(chunks[1])
    with pytest.raises(Contradiction, match="chunk 7 came, and the file ends with chunk 1"):
        reassembly.place(Chunk("a", GENERATION, 7, 7, 10, 5, b"7"))


def test_more_bytes_than_the_file_has_are_a_contradiction() -> None:
    reassembly = Reassembly(chunks_of(b"0123", 4)[0])
    reassembly.place(chunks_of(b"0123", 4)[0])
    with pytest.raises(Contradiction, match="more bytes have come than the file's 4"):
        reassembly.place(Chunk("a", GENERATION, 1, 1, 4, 5, b"123", None, 2))


@pytest.mark.parametrize("other", [{"path": "b"}, {"size": 9}, {"mtime_ns": 6}])
def test_a_chunk_that_speaks_of_another_file_is_a_contradiction(other: dict[str, object]) -> None:
    facts: dict[str, object] = {"path": "a", "size": 4, "mtime_ns": 5} | other
    reassembly = Reassembly(Chunk("a", GENERATION, 0, 0, 4, 5, b"01"))
    with pytest.raises(Contradiction, match="differ from those"):
        reassembly.place(Chunk(generation=GENERATION, index=1, offset=2, data=b"23", **facts))  # type: ignore[arg-type]


def test_overlapping_chunks_are_found_before_the_file_is_put_together() -> None:
    reassembly = Reassembly(Chunk("a", GENERATION, 0, 0, 6, 5, b"012"))
    for chunk in (Chunk("a", GENERATION, 0, 0, 6, 5, b"012"), Chunk("a", GENERATION, 1, 2, 6, 5, b"2"),
                  Chunk("a", GENERATION, 2, 4, 6, 5, b"45", digest.of(b""), 3)):  # fmt: skip
        reassembly.place(chunk)
    assert reassembly.complete
    with pytest.raises(Contradiction, match="overlap or leave a hole at byte 2"):
        reassembly.extents()


def test_what_is_missing_is_said_in_runs() -> None:
    chunks = chunks_of(b"0123456789", 1)
    reassembly = Reassembly(chunks[0])
    for chunk in (chunks[0], chunks[2], chunks[5]):
        reassembly.place(chunk)
    assert reassembly.missing() == "chunk 1, chunks 3-4, chunks from 6 on (3 of 10 bytes came)"
    reassembly.place(chunks[9])
    assert reassembly.missing() == "chunk 1, chunks 3-4, chunks 6-8"


def test_of_many_runs_that_are_missing_the_first_are_named_and_the_others_are_counted() -> None:
    chunks = chunks_of(bytes(99), 1)
    reassembly = Reassembly(chunks[0])
    for chunk in chunks[0:-1:2]:
        reassembly.place(chunk)
    first = ", ".join(f"chunk {number}" for number in range(1, 41, 2))
    assert reassembly.missing() == f"{first}, and 28 more, chunks from 97 on (49 of 99 bytes came)"
    reassembly.place(chunks[98])
    assert reassembly.missing() == f"{first}, and 29 more"


def test_what_is_missing_can_be_said_of_the_largest_index() -> None:
    huge = 2**63 - 2
    reassembly = Reassembly(Chunk("a", GENERATION, huge, huge, 2**63 - 1, 5, b"x"))
    reassembly.place(Chunk("a", GENERATION, huge, huge, 2**63 - 1, 5, b"x"))
    assert reassembly.missing().startswith(f"chunks 0-{huge - 1}, chunks from {huge + 1} on")
