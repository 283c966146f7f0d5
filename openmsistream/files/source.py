"""Where a reading takes its bytes from: an open file, or chosen ranges of one as if they were the file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

Ranges = Sequence[tuple[int, int]]
"""(first byte, end exclusive) of each run of bytes that is sent; they are sent in this order, one behind the other."""


class Source(Protocol):
    """What is used of a file that is open for reading, without a buffer."""

    def read(self, length: int, /) -> bytes: ...

    def seek(self, place: int, /) -> object: ...


class BadRanges(ValueError):
    """These ranges cannot be those of a file; the text says why."""


class Chosen:
    """The chosen ranges of a file of `size` bytes; what they name behind its end is left out. Raises BadRanges."""

    def __init__(self, file: Source, ranges: Ranges, size: int) -> None:
        self._file = file
        self._ranges = [_within(run, size) for run in ranges]
        self._ends = list(accumulate(stop - start for start, stop in self._ranges))
        self.size = self._ends[-1] if self._ends else 0
        self._place = 0

    def seek(self, place: int, /) -> None:
        self._place = place

    def read(self, length: int, /) -> bytes:
        """The next bytes, at most so many, of as many ranges as that takes; none at the end of the last."""
        pieces = []
        number = bisect_right(self._ends, self._place)
        while length and number < len(self._ranges):
            stop = self._ranges[number][1]
            at = stop - (self._ends[number] - self._place)
            self._file.seek(at)
            data = self._file.read(min(length, stop - at))
            pieces.append(data)
            self._place += len(data)
            length -= len(data)
            if at + len(data) < stop:
                break
            number += 1
        return b"".join(pieces)


def _within(run: tuple[int, int], size: int) -> tuple[int, int]:
    try:
        start, stop = run
        possible = isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop
    except (TypeError, ValueError):
        possible = False
    if not possible:
        raise BadRanges(f"select_bytes has {run!r}, which is not (first byte, end) of a run of bytes")
    return min(start, size), min(stop, size)
