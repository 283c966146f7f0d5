"""One generation being put together: which chunks have come, where their bytes lie, and whether all are there.

Chunks may come in any order and more than once. Their bytes are appended to a part in the order in which they come, so
that nothing on disk is ever longer than what has arrived; `extents` says what lies where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from .chunk import Chunk

_NAMED = 20
"""Runs of missing chunks that are named; a file that is scattered over partitions may miss millions of them."""


class Contradiction(ValueError):
    """Two chunks of one generation disagree; the text says in what."""


class Extent(NamedTuple):
    """A run of bytes: its place in the file, its place in the part, its length."""

    offset: int
    position: int
    length: int


class Indexes:
    """A set of chunk numbers, kept as runs so that it stays small."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # exclusive
        self._length = 0

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ends[at]

    def __len__(self) -> int:
        return self._length

    @property
    def end(self) -> int:
        """One more than the highest number, 0 for an empty set."""
        return self._ends[-1] if self._ends else 0

    def add(self, number: int) -> None:
        """Add a number that is not in the set yet."""
        self._length += 1
        at = bisect_right(self._starts, number)
        joins_left = at > 0 and self._ends[at - 1] == number
        joins_right = at < len(self._starts) and self._starts[at] == number + 1
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends.pop(at)
            self._starts.pop(at)
        elif joins_left:
            self._ends[at - 1] = number + 1
        elif joins_right:
            self._starts[at] = number
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number + 1)

    def gaps(self, below: int) -> Iterator[tuple[int, int]]:
        """The runs (first, end exclusive) of numbers under `below` that are missing; costs no more than those taken."""
        first = 0
        for start, end in zip(self._starts, self._ends, strict=True):
            if first < min(start, below):
                yield first, min(start, below)
            if (first := end) >= below:
                return
        if first < below:
            yield first, below

    def gap_count(self, below: int) -> int:
        """How many runs are missing under `below`, which is not below `end`."""
        if not self._starts:
            return int(below > 0)
        return len(self._starts) - 1 + (self._starts[0] > 0) + (self.end < below)


class Reassembly:
    """The state of one generation, from its first chunk seen to its last.

    `size`, `count` and `digest` are None until a chunk has told them.
    """

    def __init__(self, chunk: Chunk) -> None:
        self.path = chunk.path
        self.generation = chunk.generation
        self.mtime_ns = chunk.mtime_ns
        self.size = chunk.size
        self.count = chunk.count
        self.digest = chunk.digest
        self.received = 0
        self._longest = len(chunk.data)
        self._indexes = Indexes()
        self._extents: list[Extent] = []

    def place(self, chunk: Chunk) -> bool:
        """Take note of a chunk: True when its bytes are new and belong at the end of the part, False when repeated.

        Raises Contradiction when it cannot belong to what has come before; nothing is noted then.
        """
        if (chunk.path, chunk.mtime_ns) != (self.path, self.mtime_ns) or not _agree(chunk.size, self.size):
            raise Contradiction("its path, size or time differ from those of the chunks before it")
        if not _agree(chunk.digest, self.digest):
            raise Contradiction("the digest of the whole file differs from that of the chunks before it")
        if chunk.index in self._indexes:
            return False
        size = self.size if chunk.size is None else chunk.size
        count = self.count if chunk.count is None else chunk.count
        if size is not None and self.received + len(chunk.data) > size:
            raise Contradiction(f"more bytes have come than the file's {size}")
        if not _agree(chunk.count, self.count) or (self.count is not None and chunk.index >= self.count):
            raise Contradiction(f"chunk {chunk.index} came, and the file ends with chunk {(self.count or 0) - 1}")
        if count is not None and self._indexes.end > count:
            raise Contradiction(f"chunk {chunk.index} is marked as the last, and later ones have come")
        self.size, self.count = size, count
        self.digest = self.digest if chunk.digest is None else chunk.digest
        self._longest = max(self._longest, len(chunk.data))
        self._indexes.add(chunk.index)
        self._note_extent(chunk.offset, len(chunk.data))
        return True

    def _note_extent(self, offset: int, length: int) -> None:
        last = self._extents[-1] if self._extents else None
        if last is not None and last.offset + last.length == offset:
            self._extents[-1] = Extent(last.offset, last.position, last.length + length)
        else:
            self._extents.append(Extent(offset, self.received, length))
        self.received += length

    @property
    def chunks(self) -> int:
        """How many chunks have come."""
        return len(self._indexes)

    @property
    def expected_size(self) -> int:
        """The file's size in bytes; as long as no chunk has told it, the most that so many chunks can hold."""
        if self.size is not None:
            return self.size
        return max(self.received, (self.count or 1) * self._longest)

    @property
    def complete(self) -> bool:
        """Have all chunks come?"""
        return self.count is not None and len(self._indexes) == self.count

    @property
    def in_order(self) -> bool:
        """Do the bytes lie in the part as they lie in the file?"""
        return len(self._extents) == 1 and self._extents[0].offset == 0 and self.received == self.size

    def extents(self) -> list[Extent]:
        """Where the bytes lie, in the order of the file. Raises Contradiction when they overlap or leave holes."""
        ordered = sorted(self._extents)
        expected = 0
        for extent in ordered:
            if extent.offset != expected:
                raise Contradiction(f"its chunks overlap or leave a hole at byte {min(expected, extent.offset)}")
            expected += extent.length
        if expected != self.size:
            raise Contradiction(f"its chunks hold {expected} bytes, and the file has {self.size}")
        return ordered

    def missing(self) -> str:
        """What is missing, in words, the first places by their numbers."""
        if self.count is not None:
            return ", ".join(self._missing_below(self.count)) or "nothing"
        tail = f"chunks from {self._indexes.end} on"
        of = f" of {self.size}" if self.size is not None else ""
        return ", ".join([*self._missing_below(self._indexes.end), tail]) + f" ({self.received}{of} bytes came)"

    def _missing_below(self, end: int) -> list[str]:
        named = [_run(run) for run in islice(self._indexes.gaps(end), _NAMED)]
        more = self._indexes.gap_count(end) - len(named)
        return [*named, f"and {more} more"] if more else named


def _agree(one: object, other: object) -> bool:
    """Are these the same, as far as they are known?"""
    return one is None or other is None or one == other


def _run(run: tuple[int, int]) -> str:
    first, end = run
    return f"chunk {first}" if end == first + 1 else f"chunks {first}-{end - 1}"
