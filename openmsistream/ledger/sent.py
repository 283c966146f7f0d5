"""The uploader's ledger: for each path what was sent or is being sent, and how far a file got."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmsistream.files.chunk import FileState

from .database import STREAMS, Ledger, reader, stream_of, under
from .lists import COMPLETED

State = Literal["known", "sending", "sent", "failed", "abandoned"]
"""known: there before the first start, never sent. sending: on its way. sent: every chunk acknowledged.
failed: not sent until it changes, see reason. abandoned: it changed while it was sent and will be sent anew."""

FIRST_START = "first_start_ns"
INVENTORY = "inventory"
"""Facts: when, by the folder's clock, the very first start was; and whether what was there before is all noted as known."""

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
    resumed INTEGER NOT NULL DEFAULT 0,
    started REAL NOT NULL,
    PRIMARY KEY (stream, path)
) WITHOUT ROWID;
"""
    + COMPLETED
)
"""`started` is when the generation was first written down. `completed` holds the uploads that registries.py has not yet
written on to the CSV file that people read."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """One row: a path, the state of the file that the row is about, and what became of it.

    `acked_chunks` chunks from the front are acknowledged and have the digest `acked_digest`; `updated` is Unix time.
    `resumed`: it was gone on with after an interruption, so that some of its records may stand on the topic twice.
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
    resumed: bool = False


_COLUMNS = (
    "path, state, size, mtime_ns, ctime_ns, inode, generation, partition, chunk_size, acked_chunks, acked_digest, "
    "first_offset, digest, reason, updated, resumed"
)
_MARKS = f"?, {', '.join('?' * len(_COLUMNS.split(',')))}, ?"
_NEW_VALUES = ", ".join(f"{name.strip()}=excluded.{name.strip()}" for name in _COLUMNS.split(",")[1:])

_WRITE = (
    f"INSERT INTO sent (stream, {_COLUMNS}, started) VALUES ({_MARKS}) ON CONFLICT (stream, path) DO UPDATE SET "
    f"{_NEW_VALUES}, started=CASE WHEN generation IS excluded.generation THEN started ELSE excluded.started END"
)
_COMPLETE = (
    "INSERT INTO completed (path, chunks, started, completed) SELECT :path, :chunks, coalesce((SELECT started FROM sent "
    "WHERE stream=:stream AND path=:path AND generation IS :generation), :now), :now WHERE NOT EXISTS (SELECT 1 FROM sent "
    "WHERE stream=:stream AND path=:path AND generation IS :generation AND state='sent')"
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
                query = f"SELECT ?, {_COLUMNS}, started FROM sent WHERE stream=? AND state='known'"
                connection.execute(f"INSERT INTO sent (stream, {_COLUMNS}, started) {query}", (self.stream, before[0]))
        return is_new and before is None

    def write(self, rows: Iterable[SentFile]) -> None:
        """Replace these rows, all in one transaction; a generation that is sent now is noted as completed, once."""
        with self.transaction() as connection:
            rows = list(rows)
            done = [_completion(self.stream, row) for row in rows if row.state == "sent" and row.generation is not None]
            if done:
                connection.executemany(_COMPLETE, done)
            connection.executemany(_WRITE, (_values(self.stream, row) for row in rows))

    def add(self, rows: Iterable[SentFile]) -> None:
        """Write the rows of those paths that have none yet."""
        with self.transaction() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO sent (stream, {_COLUMNS}, started) VALUES ({_MARKS})",
                (_values(self.stream, row) for row in rows),
            )

    def started(self, path: str) -> float | None:
        """When the generation that is or was last sent under this path was begun (Unix time)."""
        query = "SELECT started FROM sent WHERE stream=? AND path=?"
        found = self.connection.execute(query, (self.stream, path)).fetchone()
        return None if found is None else float(found[0])

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
        query = (  # one row for all: at each row Python lets the scanning thread in and waits for its turn
            "SELECT json_group_array(json_array(path, size, mtime_ns, ctime_ns, inode)) FROM sent "
            f"WHERE stream=? AND state IN {states} AND path IN ({marks})"
        )
        (rows,) = connection.execute(query, (stream, *batch)).fetchone()
        for path, size, mtime_ns, ctime_ns, inode in json.loads(rows):
            found[path] = FileState(size, mtime_ns, ctime_ns, _unsigned(inode))
    return found


def first_start(connection: sqlite3.Connection) -> int:
    """The time of the very first start, in ns, as long as what was there before has not all been noted; 0 afterwards."""
    rows = dict(connection.execute("SELECT name, value FROM fact WHERE name IN (?, ?)", (FIRST_START, INVENTORY)))
    return 0 if rows.get(INVENTORY) == "done" else int(rows.get(FIRST_START, 0))


def rows_of(connection: sqlite3.Connection, stream: int, paths: Sequence[str]) -> dict[str, SentFile]:
    """The rows of these paths, as far as there are any."""
    found: dict[str, SentFile] = {}
    for batch in _batches(paths, 500):
        query = f"SELECT {_COLUMNS} FROM sent WHERE stream=? AND path IN ({','.join('?' * len(batch))})"
        for values in connection.execute(query, (stream, *batch)):
            row = _row(values)
            found[row.path] = row
    return found


def counts_by_state(connection: sqlite3.Connection, stream: int) -> dict[str, int]:
    """How many rows there are in each state."""
    query = "SELECT state, count(*) FROM sent WHERE stream=? GROUP BY state"
    return {str(state): int(count) for state, count in connection.execute(query, (stream,))}


def count_sent(connection: sqlite3.Connection, stream: int, below: str) -> int:
    """How many rows at or below a path say that a file was sent, whether or not it is still in the folder."""
    condition, parameters = under(below)
    query = f"SELECT count(*) FROM sent WHERE stream=? AND state='sent' AND {condition}"
    return int(connection.execute(query, (stream, *parameters)).fetchone()[0])


def failed(connection: sqlite3.Connection, stream: int, below: str) -> Iterator[tuple[str, str]]:
    """The files at or below a path that failed, each with its reason, in the order of the alphabet."""
    condition, parameters = under(below)
    query = f"SELECT path, reason FROM sent WHERE stream=? AND state='failed' AND {condition} ORDER BY path"
    for path, reason in connection.execute(query, (stream, *parameters)):
        yield str(path), str(reason or "")


def _batches(items: Sequence[str], length: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), length):
        yield items[start : start + length]


def _values(stream: int, row: SentFile) -> tuple[object, ...]:
    return (
        stream, row.path, row.state, row.file.size, row.file.mtime_ns, row.file.ctime_ns, _signed(row.file.inode),
        row.generation, row.partition, row.chunk_size, row.acked_chunks, row.acked_digest, row.first_offset, row.digest,
        row.reason, row.updated, row.resumed, row.updated,
    )  # fmt: skip


def _completion(stream: int, row: SentFile) -> dict[str, object]:
    return {
        "stream": stream, "path": row.path, "generation": row.generation, "chunks": row.acked_chunks, "now": row.updated,
    }  # fmt: skip


def _row(values: tuple[object, ...]) -> SentFile:
    path, state, size, mtime_ns, ctime_ns, inode, *rest = values
    return SentFile(path, state, FileState(size, mtime_ns, ctime_ns, _unsigned(inode)), *rest)  # type: ignore[arg-type]


def _signed(inode: int) -> int:
    """SQLite's integers have 64 bits and a sign; inodes of some file systems use all 64 bits."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def _unsigned(inode: object) -> int:
    assert isinstance(inode, int)
    return inode + (1 << 64) if inode < 0 else inode
