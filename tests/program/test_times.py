"""Times in words, also those that no calendar has."""

from __future__ import annotations

from datetime import datetime

import pytest

from openmsistream.program.times import here, in_words, utc


def test_a_time_of_a_record_is_said_in_utc_or_as_clocks_here_show_it() -> None:
    assert in_words(1_700_000_000_123, utc) == "2023-11-14T22:13:20.123Z"
    assert in_words(1_700_000_000_123, here) == datetime.fromtimestamp(1_700_000_000).strftime("%Y-%m-%d %H:%M:%S")


def test_a_time_before_1970_is_said_on_every_system() -> None:
    assert in_words(-1, utc) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize("ms", [1_700_000_000_000_000, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("words", [utc, here])
def test_of_a_time_that_no_calendar_has_the_number_is_said(ms: int, words: object) -> None:
    assert in_words(ms, words) == f"{ms} ms"  # type: ignore[arg-type]


def test_of_a_time_that_the_system_cannot_put_in_local_time_the_number_is_said() -> None:
    def refuse(time: datetime) -> str:
        raise OSError(22, "Invalid argument")

    assert in_words(-1, refuse) == "-1 ms"
