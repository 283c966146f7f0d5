"""Times in words, also those that no calendar has: what a record says of its time was written by anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)


def in_words(ms: int, words: Callable[[datetime], str]) -> str:
    """The words for a time given in ms since 1970, of which `words` is told in UTC.

    The number itself where there is no such time: of a year beyond 9999, or one that the system cannot put in local time.
    """
    try:
        return words(_EPOCH + timedelta(milliseconds=ms))
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"


def here(time: datetime) -> str:
    """A time as clocks here show it."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def utc(time: datetime) -> str:
    """A time for programs: `2026-01-31T12:00:00.000Z`."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
