"""One generation being put together: which chunks have come, where their bytes lie, and whether all are there.

Chunks may come in any order and more than once. Their bytes are appended to a part in the order in which they come, so
that nothing on disk is ever longer than what has arrived; `extents` says what lies where.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from .chunk import Chunk


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

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ends[at]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts)

    @property
    def end(self) -> int:
        """One more than the highest number, 0 for an empty set."""
        return self._ends[-1] if self._ends else 0

    def add(self, number: int) -> None:
        """Add a number that is not in the set yet."""
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

    def gaps(self, below: int) -> list[tuple[int, int]]:
        """The runs (first, end exclusive) of numbers under `below` that are missing."""
        edges = [0, *(edge for run in zip(self._starts, self._ends, strict=True) for edge in run), below]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(first, min(end, below)) for first, end in pairs if first < min(end, below)]


class Reassembly:
    """The state of one generation, from its first chunk seen to its last."""

    def __init__(self, chunk: Chunk) -> None:
        self.path = chunk.path
        self.generation = chunk.generation
        self.size = chunk.size
        self.mtime_ns = chunk.mtime_ns
        self.digest: str | None = None
        self.count: int | None = None
        self.received = 0
        self._indexes = Indexes()
        self._extents: list[Extent] = []

    def place(self, chunk: Chunk) -> bool:
        """Take note of a chunk: True when its bytes are new and belong at the end of the part, False when repeated.

        Raises Contradiction when it cannot belong to what has come before; nothing is noted then.
        """
        if (chunk.path, chunk.size, chunk.mtime_ns) != (self.path, self.size, self.mtime_ns):
            raise Contradiction("its path, size or time differ from those of the chunks before it")
        if chunk.index in self._indexes:
            return False
        if self.received + len(chunk.data) > self.size:
            raise Contradiction(f"more bytes have come than the file's {self.size}")
        count = self.count if chunk.digest is None else chunk.index + 1
        if self.count is not None and chunk.index >= self.count:
            raise Contradiction(f"chunk {chunk.index} came, and the file ends with chunk {self.count - 1}")
        if count is not None and (self._indexes.end > count or self.count not in (None, count)):
            raise Contradiction(f"chunk {chunk.index} is marked as the last, and later ones have come")
        if chunk.digest is not None:
            self.digest, self.count = chunk.digest, count
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
    def complete(self) -> bool:
        """Have all chunks come?"""
        return self.count is not None and len(self._indexes) == self.count and self.received == self.size

    @property
    def in_order(self) -> bool:
        """Do the bytes lie in the part as they lie in the file?"""
        return len(self._extents) == 1 and self._extents[0].offset == 0

    def extents(self) -> list[Extent]:
        """Where the bytes lie, in the order of the file. Raises Contradiction when they overlap or leave holes."""
        ordered = sorted(self._extents)
        expected = 0
        for extent in ordered:
            if extent.offset != expected:
                raise Contradiction(f"its chunks overlap or leave a hole at byte {min(expected, extent.offset)}")
            expected += extent.length
        return ordered

    def missing(self) -> str:
        """What is missing, in words."""
        if self.count is None:
            runs = map(_run, self._indexes.gaps(self._indexes.end))
            tail = f"chunks from {self._indexes.end} on"
            return ", ".join([*runs, tail]) + f" ({self.received} of {self.size} bytes came)"
        return ", ".join(map(_run, self._indexes.gaps(self.count))) or "nothing"


def _run(run: tuple[int, int]) -> str:
    first, end = run
    return f"chunk {first}" if end == first + 1 else f"chunks {first}-{end - 1}"
