"""How far a program is, in words."""

from __future__ import annotations

import pytest

from openmsistream.program.progress import Item, Rate, Snapshot, behind, line

NOW = Snapshot(verb="received", files=3, bytes=4_000_000, moved=5_000_000)


def test_the_first_rate_counts_from_the_beginning() -> None:
    time = 0.0
    rate = Rate(over=10, clock=lambda: time)
    time = 4.0
    assert rate.update(400) == 100


def test_a_rate_is_that_of_the_last_seconds() -> None:
    time = 0.0
    rate = Rate(over=10, clock=lambda: time)
    for time in range(1, 101):
        said = rate.update(1000 * min(time, 50))
    assert said == 0


@pytest.mark.parametrize(
    ("records", "size", "words"),
    [
        (0, None, "nothing more to read"),
        (1, None, "1 record behind"),
        (1234, 5_000_000, "1,234 records behind (about 5.0 MB)"),
    ],
)
def test_how_far_a_reader_is_behind(records: int, size: int | None, words: str) -> None:
    assert behind(records, size) == words


def test_a_line_tells_lag_and_rate() -> None:
    now = Snapshot(
        verb="received", files=3, bytes=4_000_000, moved=0, behind=7, failed=1, waiting=2, items=(Item("a", 5, 10),)
    )
    expected = "received 3 files, 4.0 MB; 1.5 kB/s; 1 failed; 2 waiting; 7 records behind; now a (50% of 10 B)"
    assert line(now, 1500) == expected


def test_a_program_that_reads_nothing_says_nothing_of_lag() -> None:
    assert line(NOW, 0) == "received 3 files, 4.0 MB; 0 B/s"
