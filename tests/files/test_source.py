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


@pytest.mark.parametrize("run", [(5, 4), (-1, 4), (1,), (1, 2, 3), ("1", 2), (1.0, 2), 7, None])
def test_what_is_no_range_is_refused_by_name(run: object) -> None:
    with pytest.raises(BadRanges, match="of a run of bytes") as refused:
        Chosen(io.BytesIO(CONTENT), [(0, 1), run], len(CONTENT))  # type: ignore[list-item]
    assert repr(run) in str(refused.value)
