"""Which files a topic holds, told by its records: for each path its versions, and whether all chunks of them are there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cmp_to_key
from itertools import groupby
from types import TracebackType
from typing import Self

from openmsistream.files.chunk import Abandoned, Chunk
from openmsistream.files.reassembly import Contradiction, Reassembly
from openmsistream.files.wire import Unusable, decode
from openmsistream.kafka.record import Record

_WRITE_AT_ONCE = 1000

_TABLE = """
CREATE TABLE version (
    path TEXT NOT NULL, generation TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL, size INTEGER, mtime_ns INTEGER, chunks INTEGER NOT NULL, count INTEGER, missing TEXT,
    PRIMARY KEY (path, generation)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of a file on a topic; `offset` and `timestamp_ms` are those of the first of its records that was met.

    `missing` says which chunks are not there; None when all are. `versions`: how many versions the path has in all.
    """

    path: str
    generation: str
    partition: int
    offset: int
    timestamp_ms: int
    size: int | None
    mtime_ns: int | None
    chunks: int
    count: int | None
    missing: str | None
    versions: int = 1

    @property
    def complete(self) -> bool:
        return self.missing is None


@dataclass(slots=True)
class _Open:
    """A version of which chunks are still to come."""

    reassembly: Reassembly
    partition: int
    offset: int
    timestamp_ms: int


class Listing:
    """Takes records in the order of their partitions, then gives the files. Use it in `with`.

    Versions that are whole are kept in a temporary database that spills to disk, so that only unfinished ones take memory.
    `prefix`: only paths that begin so.
    """

    def __init__(self, prefix: str = "") -> None:
        self.unusable = 0
        self._prefix = prefix
        self._open: dict[str, _Open] = {}
        self._whole: list[tuple[object, ...]] = []
        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("PRAGMA journal_mode=OFF")
        self._table.execute(_TABLE)

    def take(self, record: Record) -> None:
        """Take note of one record."""
        try:
            said = decode(record.key, record.value, record.headers)
        except Unusable:
            self.unusable += 1
            return
        if not said.path.startswith(self._prefix):
            return
        if isinstance(said, Abandoned):
            self._open.pop(said.generation, None)
            return
        try:
            self._chunk(said, record)
        except Contradiction:
            self.unusable += 1

    def _chunk(self, chunk: Chunk, record: Record) -> None:
        if chunk.count == 1:  # most files are small
            self._is_whole(
                (chunk.path, chunk.generation, record.partition, record.offset, record.timestamp_ms, len(chunk.data),
                 chunk.mtime_ns, 1, 1, None)
            )  # fmt: skip
            return
        found = self._open.get(chunk.generation)
        if found is None:
            found = _Open(Reassembly(chunk), record.partition, record.offset, record.timestamp_ms)
            self._open[chunk.generation] = found
        found.reassembly.place(chunk)
        if found.reassembly.complete:
            del self._open[chunk.generation]
            self._is_whole(_row(found, None))

    def _is_whole(self, row: tuple[object, ...]) -> None:
        self._whole.append(row)
        if len(self._whole) >= _WRITE_AT_ONCE:
            self._write()

    def files(self, *, every: bool = False) -> Iterator[FileVersion]:
        """The newest version of each path, or every one with the newest first, in the order of the alphabet."""
        self._write()
        self._whole = [_row(found, found.reassembly.missing()) for found in self._open.values()]
        self._write()
        rows = (FileVersion(*row) for row in self._table.execute("SELECT * FROM version ORDER BY path"))
        for _, found in groupby(rows, key=lambda version: version.path):
            versions = sorted(found, key=cmp_to_key(_newest_first))
            for version in versions if every else versions[:1]:
                yield version if len(versions) == 1 else replace(version, versions=len(versions))

    def _write(self) -> None:
        """A chunk that was sent again after its file was whole begins nothing new: the row that is there stays."""
        self._table.execute("BEGIN")
        self._table.executemany("INSERT OR IGNORE INTO version VALUES (?,?,?,?,?,?,?,?,?,?)", self._whole)
        self._table.execute("COMMIT")
        self._whole.clear()

    def close(self) -> None:
        self._table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _row(found: _Open, missing: str | None) -> tuple[object, ...]:
    done = found.reassembly
    return (
        done.path, done.generation, found.partition, found.offset, found.timestamp_ms, done.size, done.mtime_ns,
        done.chunks, done.count, missing,
    )  # fmt: skip


def _newest_first(one: FileVersion, other: FileVersion) -> int:
    """Newer is what begins later in the partition; between partitions the time of the records decides."""
    if one.partition == other.partition:
        return other.offset - one.offset
    return other.timestamp_ms - one.timestamp_ms
