"""The uploader's ledger: for each path what was sent or is being sent, and how far a file got."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmsistream.files.chunk import FileState

from .database import STREAMS, Ledger, reader, stream_of

State = Literal["known", "sending", "sent", "failed", "abandoned"]
"""known: there before the first start, never sent. sending: on its way. sent: every chunk acknowledged.
failed: not sent until it changes, see reason. abandoned: it changed while it was sent and will be sent anew."""

SCHEMA = (
    STREAMS
    + """
CREATE TABLE sent (
    stream INTEGER NOT NULL REFERENCES stream,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    generation TEXT,
    partition INTEGER,
    chunk_size INTEGER,
    acked_chunks INTEGER NOT NULL DEFAULT 0,
    acked_digest TEXT,
    first_offset INTEGER,
    digest TEXT,
    reason TEXT,
    updated REAL NOT NULL,
    PRIMARY KEY (stream, path)
) WITHOUT ROWID;
"""
)


@dataclass(frozen=True, slots=True)
class SentFile:
    """One row: a path, the state of the file that the row is about, and what became of it.

    `acked_chunks` chunks from the front are acknowledged and have the digest `acked_digest`; `updated` is Unix time.
    """

    path: str
    state: State
    file: FileState
    generation: str | None = None
    partition: int | None = None
    chunk_size: int | None = None
    acked_chunks: int = 0
    acked_digest: str | None = None
    first_offset: int | None = None
    digest: str | None = None
    reason: str | None = None
    updated: float = 0.0


_COLUMNS = (
    "path, state, size, mtime_ns, ctime_ns, inode, generation, partition, chunk_size, acked_chunks, acked_digest, "
    "first_offset, digest, reason, updated"
)


class SentLedger(Ledger):
    """What was sent from one root to one topic. Written by one thread; other threads read through `reader`s of their own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, durability="NORMAL")
        # An uploader's row that a power cut takes back costs a second sending of the same generation, no file.
        self.stream = 0

    def use_stream(self, cluster: str, topic: str, topic_id: str) -> bool:
        """Work on this stream from now on; True when the ledger meets it, and any stream of this topic, for the first time.

        Of a topic made again (or on another cluster) nothing counts as sent; what was known before the first start stays known.
        """
        with self.transaction() as connection:
            query = "SELECT id FROM stream WHERE topic=? ORDER BY id DESC LIMIT 1"
            before = connection.execute(query, (topic,)).fetchone()
            self.stream, is_new = stream_of(connection, cluster, topic, topic_id)
            if is_new and before is not None:
                query = f"SELECT ?, {_COLUMNS} FROM sent WHERE stream=? AND state='known'"
                connection.execute(f"INSERT INTO sent (stream, {_COLUMNS}) {query}", (self.stream, before[0]))
        return is_new and before is None

    def write(self, rows: Iterable[SentFile]) -> None:
        """Replace these rows, all in one transaction."""
        with self.transaction() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO sent (stream, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (_values(self.stream, row) for row in rows),
            )

    def forget_known(self, paths: Sequence[str]) -> None:
        """These files have come anew with their folder: being known from before the first start no longer holds for them."""
        with self.transaction():
            self.connection.executemany(
                "DELETE FROM sent WHERE stream=? AND path=? AND state='known'", ((self.stream, path) for path in paths)
            )

    def get(self, path: str) -> SentFile | None:
        return get(self.connection, self.stream, path)

    def unfinished(self) -> list[SentFile]:
        """The files that were on their way when the program last ended."""
        query = f"SELECT {_COLUMNS} FROM sent WHERE stream=? AND state='sending'"
        return [_row(values) for values in self.connection.execute(query, (self.stream,))]


def newest_stream(connection: sqlite3.Connection, topic: str) -> int | None:
    """The number of the stream that this topic was when it was last used; None when it never was."""
    found = connection.execute("SELECT max(id) FROM stream WHERE topic=?", (topic,)).fetchone()[0]
    return None if found is None else int(found)


def sent_paths(path: Path, topic: str) -> list[str]:
    """Every path that the ledger at `path` calls sent to the topic as it is now, in the order of the alphabet."""
    query = "SELECT path FROM sent WHERE stream=? AND state='sent' ORDER BY path"
    with closing(reader(path)) as connection:
        stream = newest_stream(connection, topic)
        return [str(found) for (found,) in connection.execute(query, (stream,))]


def get(connection: sqlite3.Connection, stream: int, path: str) -> SentFile | None:
    """The row of one path."""
    query = f"SELECT {_COLUMNS} FROM sent WHERE stream=? AND path=?"
    values = connection.execute(query, (stream, path)).fetchone()
    return None if values is None else _row(values)


def finished_states(
    connection: sqlite3.Connection, stream: int, paths: Sequence[str], *, known_too: bool
) -> dict[str, FileState]:
    """Of these paths, those that need nothing more as long as their file's state is this one: sent, failed, and known ones
    with `known_too`.
    """
    states = "('sent', 'failed', 'known')" if known_too else "('sent', 'failed')"
    found: dict[str, FileState] = {}
    for batch in _batches(paths, 500):  # SQLite takes at least 999 parameters
        marks = ",".join("?" * len(batch))
        query = (
            "SELECT path, size, mtime_ns, ctime_ns, inode FROM sent "
            f"WHERE stream=? AND state IN {states} AND path IN ({marks})"
        )
        for path, *numbers in connection.execute(query, (stream, *batch)):
            size, mtime_ns, ctime_ns, inode = numbers
            found[path] = FileState(size, mtime_ns, ctime_ns, _unsigned(inode))
    return found


def _batches(items: Sequence[str], length: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), length):
        yield items[start : start + length]


def _values(stream: int, row: SentFile) -> tuple[object, ...]:
    return (
        stream, row.path, row.state, row.file.size, row.file.mtime_ns, row.file.ctime_ns, _signed(row.file.inode),
        row.generation, row.partition, row.chunk_size, row.acked_chunks, row.acked_digest, row.first_offset, row.digest,
        row.reason, row.updated,
    )  # fmt: skip


def _row(values: tuple[object, ...]) -> SentFile:
    path, state, size, mtime_ns, ctime_ns, inode, *rest = values
    return SentFile(path, state, FileState(size, mtime_ns, ctime_ns, _unsigned(inode)), *rest)  # type: ignore[arg-type]


def _signed(inode: int) -> int:
    """SQLite's integers have 64 bits and a sign; inodes of some file systems use all 64 bits."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def _unsigned(inode: object) -> int:
    assert isinstance(inode, int)
    return inode + (1 << 64) if inode < 0 else inode
