"""One file being received: whatever the order of its chunks, the part holds the file or is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import chunks_of, msgpack_chunks_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.files.chunk import Chunk
from openmsistream.files.reassembly import Contradiction
from openmsistream.transfer import incoming as incoming_module
from openmsistream.transfer.disk import Target
from openmsistream.transfer.incoming import Incoming, WrongDigest
from openmsistream.transfer.memory import Memory


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    target = Target(tmp_path)
    yield target
    target.close()


def begin(chunk: Chunk) -> Incoming:
    return Incoming(chunk, tuple(chunk.path.split("/")), 0, 0, 0)


def publish(incoming: Incoming, target: Target) -> bytes:
    """Check it and put it in place, as a finisher does, and give what stands there."""
    folder = target.folder(incoming.parts[:-1])
    incoming.check(target, folder)
    if incoming.data is not None:
        return incoming.data
    incoming.close()
    target.replace(folder, incoming.part, incoming.name)
    return target.root.joinpath(*incoming.parts).read_bytes()


@given(st.data(), st.lists(st.binary(max_size=40), min_size=1, max_size=3), st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generations_interleaved_in_any_order_with_repetition_and_loss_are_whole_or_nothing(
    target: Target, data: st.DataObject, versions: list[bytes], length: int
) -> None:
    every = [chunks_of("a/b", version, length) for version in versions]
    flat = [chunk for chunks in every for chunk in chunks]
    sent = data.draw(st.lists(st.sampled_from(flat), max_size=10)) + data.draw(st.permutations(flat))
    lost = data.draw(st.sets(st.sampled_from([(c.generation, c.index) for c in flat]), max_size=2))
    incoming: dict[str, Incoming] = {}
    for chunk in sent:
        if (chunk.generation, chunk.index) not in lost:
            incoming.setdefault(chunk.generation, begin(chunk)).add(chunk, target)
    for version, chunks in zip(versions, every, strict=True):
        got = incoming.get(chunks[0].generation)
        whole = not any(generation == chunks[0].generation for generation, _ in lost)
        assert whole == (got is not None and got.reassembly.complete)
        if got is not None and whole:
            assert publish(got, target) == version
        elif got is not None:
            got.discard(target)
    assert [p.name for p in target.root.rglob(".oms-*")] == []


def test_nothing_is_longer_on_disk_than_what_has_come(target: Target) -> None:
    chunks = chunks_of("a", b"0123456789", 2)
    incoming = begin(chunks[0])
    for chunk in (chunks[0], chunks[4]):
        incoming.add(chunk, target)
    assert (target.root / incoming.part).stat().st_size == 4
    incoming.discard(target)


def test_a_wrong_digest_is_found_in_order_out_of_order_and_in_memory(target: Target) -> None:
    for length, turned in ((4, False), (4, True), (100, False)):
        chunks = chunks_of("a", b"0123456789", length, wrong=True)
        incoming = begin(chunks[0])
        for chunk in reversed(chunks) if turned else chunks:
            incoming.add(chunk, target)
        assert incoming.reassembly.complete
        with pytest.raises(WrongDigest, match=r"its digest is blake3:.*, the sender's was blake3:"):
            incoming.check(target, target.folder(()))
        incoming.discard(target)
    assert os.listdir(target.root) == []


def test_a_part_cut_short_behind_our_back_is_found(target: Target) -> None:
    chunks = chunks_of("a", b"0123456789", 4)
    incoming = begin(chunks[0])
    for chunk in reversed(chunks):
        incoming.add(chunk, target)
    os.truncate(target.root / incoming.part, 3)
    with pytest.raises(Contradiction, match="its part became shorter on disk"):
        incoming.check(target, target.folder(()))
    incoming.discard(target)


def test_a_disk_that_fills_up_while_chunks_are_put_in_order_keeps_no_second_part(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = chunks_of("a", b"0123456789", 4)
    incoming = begin(chunks[0])
    for chunk in reversed(chunks):
        incoming.add(chunk, target)

    def full(fd: int, data: bytes) -> None:
        os.write(fd, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(incoming_module, "write_all", full)
    with pytest.raises(OSError, match="No space left"):
        incoming.check(target, target.folder(()))
    incoming.discard(target)
    assert os.listdir(target.root) == []


def test_discarding_removes_a_part_that_is_closed_already(target: Target) -> None:
    chunks = chunks_of("a", b"0123456789", 4)
    incoming = begin(chunks[0])
    incoming.add(chunks[0], target)
    incoming.close()
    incoming.discard(target)
    assert os.listdir(target.root) == []


def test_two_receptions_of_one_generation_never_share_a_part(target: Target) -> None:
    chunk = chunks_of("a", b"0123456789", 4)[0]
    first, second = begin(chunk), begin(chunk)
    first.add(chunk, target)
    second.add(chunk, target)
    second.discard(target)
    assert (target.root / first.part).read_bytes() == b"0123"
    first.discard(target)


def test_what_is_still_to_come_shrinks_with_each_chunk(target: Target) -> None:
    chunks = chunks_of("a", b"0123456789", 4)
    incoming = begin(chunks[0])
    left = []
    for chunk in chunks:
        incoming.add(chunk, target)
        left.append(incoming.still_to_come)
    assert left == [6, 2, 0]
    incoming.discard(target)


@given(st.data(), st.binary(min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_in_any_order_make_the_file_in_memory_or_on_disk_when_there_is_no_room(
    target: Target, data: st.DataObject, content: bytes, length: int, room: int
) -> None:
    chunks = data.draw(st.permutations(msgpack_made(content, length)))
    memory = Memory(room)
    incoming = Incoming(chunks[0], ("a",), 0, 0, 0, memory)
    for chunk in chunks:
        incoming.add(chunk, target)
    assert publish(incoming, target) == content
    assert memory.used <= room or len(chunks) == 1
    incoming.discard(target)
    assert memory.used == 0


def test_a_first_chunk_that_makes_its_file_seem_small_does_not_let_it_past_the_limit(target: Target) -> None:
    chunks = msgpack_made(b"x" * 101, 50)
    tiny = replace(chunks[0], data=b"x", count=4)
    rest = [replace(chunks[0], index=1, offset=1, data=b"x" * 49, count=4)]
    rest += [replace(c, index=c.index + 1, count=4) for c in chunks[1:]]
    memory = Memory(60)
    incoming = Incoming(tiny, ("a",), 0, 0, 0, memory)
    assert incoming.in_memory
    for chunk in (tiny, *rest):
        incoming.add(chunk, target)
    assert (memory.used, incoming.in_memory) == (0, False)
    assert publish(incoming, target) == b"x" * 101


def test_overlapping_chunks_in_memory_are_a_contradiction(target: Target) -> None:
    chunks = msgpack_made(b"0123456789", 4)
    incoming = Incoming(chunks[0], ("a",), 0, 0, 0, Memory(100))
    for chunk in (chunks[0], replace(chunks[1], offset=3), replace(chunks[2], offset=8)):
        incoming.add(chunk, target)
    with pytest.raises(Contradiction, match="overlap or leave a hole at byte 3"):
        incoming.check(target, None)


def msgpack_made(content: bytes, length: int) -> list[Chunk]:
    """The chunks of a file as they are decoded in the msgpack form: only the last one tells the size."""
    made = msgpack_chunks_of("a", content, length)
    return [replace(c, generation="m1", size=len(content) if c.is_last else None) for c in made]
