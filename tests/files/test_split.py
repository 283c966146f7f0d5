"""A file read into chunks: whatever happens to it meanwhile, a last chunk is never given out of a torn reading."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, FileState, new_generation
from openmsistream.files.split import RACY_NS, Changed, Reading

LATER = 10 * RACY_NS


class Disk:
    """One file and a clock that runs `later` ns behind its last change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.later = LATER
        self.state = FileState(0, 0, 0, 0)

    def write(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.state = FileState.of(self.path.stat())

    def now(self) -> FileState:
        try:
            return FileState.of(self.path.stat())
        except FileNotFoundError:
            raise Changed("it vanished while it was read") from None

    def reading(
        self, chunk_size: int = 4, now: Callable[[], FileState] | None = None, *, digest_first: bool = False
    ) -> Reading:
        file = self.path.open("rb", buffering=0)
        return Reading(
            file,
            "a",
            new_generation(),
            self.state,
            chunk_size,
            now or self.now,
            lambda: self.state.changed_ns + self.later,
            digest_first=digest_first,
        )


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    disk = Disk(tmp_path / "a")
    disk.write(b"0123456789")
    return disk


def all_of(reading: Reading) -> Iterator[Chunk]:
    while not reading.done:
        yield reading.read()


@given(whole=st.binary(max_size=100), chunk_size=st.integers(1, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_chunks_are_the_file(disk: Disk, whole: bytes, chunk_size: int) -> None:
    disk.write(whole)
    chunks = list(all_of(disk.reading(chunk_size)))
    assert b"".join(chunk.data for chunk in chunks) == whole
    assert [chunk.index for chunk in chunks] == list(range(max(1, -(-len(whole) // chunk_size))))
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].digest == digest.of(whole)


def test_an_empty_file_is_one_chunk(disk: Disk) -> None:
    disk.write(b"")
    (chunk,) = all_of(disk.reading())
    assert (chunk.data, chunk.size, chunk.digest) == (b"", 0, digest.of(b""))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink_behind(path: Path) -> None:
    os.truncate(path, 9)


def rewrite(path: Path) -> None:
    time.sleep(0.02)  # another tick of the file system's clock: what is tested here is the comparison of times
    path.write_bytes(b"9876543210")


def exchange(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"0123456789")
    os.replace(other, path)


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        (grow, "it grew to 14 bytes while it was read"),
        (shrink_behind, "it shrank to 9 bytes while it was read"),
        (rewrite, "it was written to while it was read"),
        (exchange, "it was replaced while it was read"),
        (Path.unlink, "it vanished while it was read"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_change_is_found_before_the_last_chunk_is_given_out(
    disk: Disk, happens: Callable[[Path], None], message: str, after: int
) -> None:
    reading = disk.reading()
    given_out = [reading.read() for _ in range(after)]
    happens(disk.path)
    with pytest.raises(Changed) as caught:
        given_out += all_of(reading)
    assert str(caught.value) == message
    assert not any(chunk.is_last for chunk in given_out)


def test_a_file_that_shrinks_below_the_place_of_reading_says_to_what(disk: Disk) -> None:
    reading = disk.reading()
    reading.read()
    os.truncate(disk.path, 5)
    with pytest.raises(Changed, match="it shrank to 5 bytes while it was read"):
        reading.read()


def test_a_new_mode_or_link_counts_as_a_change(disk: Disk) -> None:
    reading = disk.reading(100, now=lambda: replace(disk.state, ctime_ns=disk.state.ctime_ns + 1))
    with pytest.raises(Changed, match="it was written to"):
        reading.read()


def test_skipping_gives_the_digest_of_the_prefix_and_the_same_chunks_follow(disk: Disk) -> None:
    whole = list(all_of(disk.reading()))
    reading = disk.reading()
    assert reading.skip(2) == digest.of(b"01234567")
    assert [(c.index, c.offset, c.data, c.digest) for c in all_of(reading)] == [
        (c.index, c.offset, c.data, c.digest) for c in whole[2:]
    ]


def test_skipping_in_a_file_that_became_shorter_raises(disk: Disk) -> None:
    reading = disk.reading()
    os.truncate(disk.path, 3)
    with pytest.raises(Changed, match="shrank"):
        reading.skip(2)


def unseen_write(disk: Disk, data: bytes) -> None:
    """A write of the same tick: size and times stay what they were."""
    with disk.path.open("r+b") as file:
        file.write(data)


def unchanging(disk: Disk) -> Reading:
    return disk.reading(now=lambda: disk.state)


def test_a_write_in_the_same_tick_is_found_by_a_second_reading(disk: Disk) -> None:
    disk.later = 0
    reading = unchanging(disk)
    reading.read()
    unseen_write(disk, b"x")
    with pytest.raises(Changed, match="it was written to while it was read"):
        list(all_of(reading))


def test_a_write_in_the_same_tick_is_found_even_when_reading_ends_long_after(disk: Disk) -> None:
    disk.later = 0
    reading = unchanging(disk)
    reading.read()
    unseen_write(disk, b"x")
    disk.later = LATER
    with pytest.raises(Changed, match="it was written to while it was read"):
        list(all_of(reading))


def test_only_what_was_read_within_the_tick_is_read_twice(disk: Disk) -> None:
    taken = []

    class Counted:
        def __init__(self) -> None:
            self.file = disk.path.open("rb", buffering=0)

        def read(self, length: int) -> bytes:
            taken.append(length)
            return self.file.read(length)

        def seek(self, place: int) -> None:
            self.file.seek(place)

    disk.later = 0
    reading = Reading(
        Counted(), "a", new_generation(), disk.state, 4, lambda: disk.state,  # type: ignore[arg-type]
        lambda: disk.state.changed_ns + disk.later,
    )  # fmt: skip
    reading.read()
    disk.later = LATER
    list(all_of(reading))
    assert taken == [4, 4, 2, 4]


def test_a_reading_that_ends_within_the_tick_is_racy(disk: Disk) -> None:
    disk.later = 0
    reading = disk.reading()
    list(all_of(reading))
    assert reading.racy


def test_a_reading_that_ends_after_the_tick_is_not_racy(disk: Disk) -> None:
    disk.later = 0
    reading = disk.reading()
    reading.read()
    disk.later = LATER
    list(all_of(reading))
    assert not reading.racy


# -- a file that is read before it is sent


def twice(disk: Disk, chunk_size: int = 4, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Chunk]:
    """The chunks of a form whose chunks each carry the digest of the whole file."""
    reading = disk.reading(chunk_size, digest_first=True)
    first = reading.first_reading()
    if first is not None:
        while not first.done:
            first.step()
        reading.on_from(first)
    meanwhile()
    yield from all_of(reading)


@given(whole=st.binary(max_size=100), chunk_size=st.integers(1, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_chunk_carries_the_digest_of_the_whole_file(disk: Disk, whole: bytes, chunk_size: int) -> None:
    disk.write(whole)
    chunks = list(twice(disk, chunk_size))
    assert b"".join(chunk.data for chunk in chunks) == whole
    count = max(1, -(-len(whole) // chunk_size))
    assert [(chunk.index, chunk.count) for chunk in chunks] == [(index, count) for index in range(count)]
    assert {chunk.digest for chunk in chunks} == {digest.of(whole, digest.SHA512)}


def test_a_file_of_one_chunk_needs_no_first_reading(disk: Disk) -> None:
    assert disk.reading(10, digest_first=True).first_reading() is None
    assert disk.reading(9, digest_first=True).first_reading() is not None
    assert disk.reading(9).first_reading() is None


@pytest.mark.parametrize("at", [0, 5, 9])
def test_what_differs_between_the_two_readings_never_reaches_its_last_chunk(disk: Disk, at: int) -> None:
    def unseen() -> None:
        with disk.path.open("r+b") as file:
            file.seek(at)
            file.write(b"X")

    state = disk.state
    disk.now = lambda: state  # type: ignore[method-assign]
    given_out = []
    with pytest.raises(Changed, match="it was written to while it was read"):
        given_out += list(twice(disk, meanwhile=unseen))
    assert not any(chunk.is_last for chunk in given_out)


def test_a_file_that_shrinks_while_it_is_read_for_the_first_time_says_to_what(disk: Disk) -> None:
    first = disk.reading(digest_first=True).first_reading()
    assert first is not None
    first.step()
    os.truncate(disk.path, 6)
    with pytest.raises(Changed, match="it shrank to 6 bytes while it was read"):
        first.step()


def test_the_second_reading_begins_behind_what_has_been_sent(disk: Disk) -> None:
    whole = list(twice(disk))
    reading = disk.reading(digest_first=True)
    first = reading.first_reading()
    assert first is not None
    while not first.done:
        first.step()
        if first.index == 2:
            assert first.digest == digest.of(b"01234567")
            first.sent_up_to_here()
    reading.on_from(first)
    rest = list(all_of(reading))
    assert [(c.index, c.offset, c.data, c.digest) for c in rest] == [
        (c.index, c.offset, c.data, c.digest) for c in whole[2:]
    ]
    assert reading.digest == digest.of(b"0123456789")


def test_looking_at_the_state_in_between_does_not_move_the_reading(disk: Disk) -> None:
    disk.later = 0
    reading = disk.reading()
    reading.read()
    disk.later = LATER
    rest = [reading.read()]
    reading.check_unchanged()
    rest += all_of(reading)
    assert b"".join(chunk.data for chunk in rest) == b"456789"
