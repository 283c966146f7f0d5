"""Chosen ranges of a file are read as if they were the file."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.files.source import BadRanges, Chosen

CONTENT = bytes(range(100))
RUNS = st.tuples(st.integers(0, 120), st.integers(0, 120)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(RUNS, max_size=6), st.integers(1, 50), st.integers(0, 200))
def test_the_ranges_follow_one_another_from_any_place(runs: list[tuple[int, int]], length: int, place: int) -> None:
    expected = b"".join(CONTENT[start:stop] for start, stop in runs)
    chosen = Chosen(io.BytesIO(CONTENT), runs, len(CONTENT))
    assert chosen.size == len(expected)
    chosen.seek(place)
    found = b""
    while data := chosen.read(length):
        assert len(data) <= length
        found += data
    assert found == expected[place:]


class Counted(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, length: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(length)


def test_one_reading_takes_in_many_ranges_and_each_is_read_once() -> None:
    count = 20_000
    file = Counted(bytes(count * 20))
    chosen = Chosen(file, [(number * 20, number * 20 + 10) for number in range(count)], count * 20)
    assert len(chosen.read(1 << 19)) == chosen.size == count * 10
    assert file.reads == count


def test_a_file_that_has_become_shorter_gives_what_is_there() -> None:
    chosen = Chosen(io.BytesIO(CONTENT[:50]), [(40, 60), (0, 10)], len(CONTENT))
    assert chosen.read(30) == CONTENT[40:50]
    assert chosen.read(30) == b""


@pytest.mark.parametrize("run", [(5, 4), (-1, 4), (1,), (1, 2, 3), ("1", 2), (1.0, 2), 7, None])
def test_what_is_no_range_is_refused_by_name(run: object) -> None:
    with pytest.raises(BadRanges, match="of a run of bytes") as refused:
        Chosen(io.BytesIO(CONTENT), [(0, 1), run], len(CONTENT))  # type: ignore[list-item]
    assert repr(run) in str(refused.value)
