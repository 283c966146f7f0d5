"""The downloader's ledger: what was delivered under each path, what is still incomplete, and what was quarantined."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .database import STREAMS, Ledger, fact, stream_of, under
from .deaths import SCHEMA as DEATHS
from .lists import COMPLETED

State = Literal["delivered", "failed"]
"""delivered: the file stands under its name, or somebody's code has returned for it. failed: this generation will not be
tried again; see reason."""

QUARANTINE_RECORDS = 10_000
QUARANTINE_VALUE_BYTES = 65_536
QUARANTINE_KEY_BYTES = 4096
QUARANTINE_HEADERS = 8192
"""The quarantine keeps the newest 10,000 records, of each at most 64 KiB of its value, 4 KiB of its key and 8 KiB of
its headers (as text; those at the end are left out): 760 MB when all else fails."""

RETIRED_KEPT = 10_000
"""Files given up as incomplete that are listed: a topic full of halves must not fill the disk."""

SCHEMA = (
    STREAMS
    + """
CREATE TABLE received (
    stream INTEGER NOT NULL REFERENCES stream,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    generation TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    last_timestamp_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER,
    digest TEXT,
    reason TEXT,
    updated REAL NOT NULL,
    elsewhere TEXT,
    chunks INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    kind TEXT,
    detail TEXT,
    began REAL,
    PRIMARY KEY (stream, path, state)
) WITHOUT ROWID;
CREATE INDEX received_failed ON received (stream, path) WHERE state='failed';
CREATE TABLE incomplete (
    stream INTEGER NOT NULL REFERENCES stream,
    partition INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    generation TEXT NOT NULL,
    path TEXT NOT NULL,
    last_offset INTEGER NOT NULL,
    last_news REAL NOT NULL,
    retired INTEGER NOT NULL,
    missing TEXT NOT NULL,
    PRIMARY KEY (stream, generation)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    key BLOB,
    value BLOB,
    value_bytes INTEGER,
    headers TEXT NOT NULL,
    noted REAL NOT NULL,
    UNIQUE (topic, partition, offset, timestamp_ms)
);
"""
    + DEATHS
    + COMPLETED
)
"""`received_failed` finds the few that failed among a million. `completed`: see lists.py; only where somebody's code runs."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """What last became of a path: which generation, where its first chunk stands, its digest, and why it failed if it did.

    `elsewhere` holds the first offsets of a scattered file in its other partitions, as `partition:offset` with spaces.
    `chunks` have come, since the Unix time `began`. Where somebody's code runs on files: after how many `attempts`, what
    `kind` of failure it was, and `detail` (its traceback).
    """

    path: str
    state: State
    generation: str
    partition: int
    first_offset: int
    timestamp_ms: int
    last_timestamp_ms: int
    size: int
    mtime_ns: int | None
    digest: str | None
    reason: str | None
    updated: float
    elsewhere: str | None = None
    chunks: int = 0
    attempts: int = 0
    kind: str | None = None
    detail: str | None = None
    began: float | None = None

    @property
    def firsts(self) -> dict[int, int]:
        """The first offset in each partition in which it has chunks."""
        others = (word.split(":") for word in (self.elsewhere or "").split())
        return {self.partition: self.first_offset} | {int(partition): int(offset) for partition, offset in others}


@dataclass(frozen=True, slots=True)
class IncompleteFile:
    """A generation of which chunks are missing. `last_news` is the Unix time at which a new chunk last came."""

    partition: int
    first_offset: int
    generation: str
    path: str
    last_offset: int
    last_news: float
    retired: bool
    missing: str


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record that could not be used, and why. `value` may be cut short; `value_bytes` is its whole length, None for null."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    reason: str
    key: bytes | None
    value: bytes | None
    value_bytes: int | None
    headers: list[tuple[str, str]]
    noted: float
    id: int = 0


_COLUMNS = (
    "path, state, generation, partition, first_offset, timestamp_ms, last_timestamp_ms, size, mtime_ns, digest, reason, "
    "updated, elsewhere, chunks, attempts, kind, detail, began"
)
_COMPLETE = (
    "INSERT INTO completed (path, chunks, started, completed) SELECT :path, :chunks, :began, :updated WHERE NOT EXISTS "
    "(SELECT 1 FROM received WHERE stream=:stream AND path=:path AND state='delivered' AND generation=:generation "
    "AND partition=:partition AND first_offset=:first_offset)"
)
_INCOMPLETE = "partition, first_offset, generation, path, last_offset, last_news, retired, missing"
_QUARANTINE = "topic, partition, offset, timestamp_ms, reason, key, value, value_bytes, headers, noted"


class ReceivedLedger(Ledger):
    """What was received into one root from one topic. Its threads take turns by the downloader's lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, durability="FULL")  # offsets are committed on the strength of its rows
        self.stream = 0
        self.lists_completed = False
        """Is each version that is delivered to be written on to the list of those (lists.py), once?"""

    def use_stream(self, cluster: str, topic: str, topic_id: str) -> None:
        """Work on this stream from now on."""
        with self.transaction() as connection:
            self.stream, _ = stream_of(connection, cluster, topic, topic_id)

    def installation(self) -> str:
        """The id of this installation, made once: the last part of the name of its consumer group."""
        with self.transaction() as connection:
            return fact(connection, "installation", secrets.token_hex(4))

    def get(self, path: str) -> ReceivedFile | None:
        """What stands under this path, as far as it came from here."""
        return delivered(self.connection, self.stream, path)

    def write(self, rows: Iterable[ReceivedFile]) -> None:
        """Replace these rows and drop what was noted as incomplete of the same generations; one transaction, durable."""
        rows = list(rows)
        with self.transaction() as connection:
            if self.lists_completed:
                connection.executemany(_COMPLETE, (self._completion(r) for r in rows if r.state == "delivered"))
            connection.executemany(
                f"INSERT OR REPLACE INTO received (stream, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    (self.stream, r.path, r.state, r.generation, r.partition, r.first_offset, r.timestamp_ms,
                     r.last_timestamp_ms, r.size, r.mtime_ns, r.digest, r.reason, r.updated, r.elsewhere,
                     r.chunks, r.attempts, r.kind, r.detail, r.began)
                    for r in rows
                ),
            )  # fmt: skip
            connection.executemany(  # a failure is over when something newer was delivered
                "DELETE FROM received WHERE stream=? AND path=? AND state='failed' "
                "AND NOT (partition=? AND first_offset>?)",
                ((self.stream, r.path, r.partition, r.first_offset) for r in rows if r.state == "delivered"),
            )
            connection.executemany(
                "DELETE FROM incomplete WHERE stream=? AND generation=?", ((self.stream, r.generation) for r in rows)
            )
            ran = (
                (r.generation,) for r in rows if r.attempts or r.kind
            )  # nobody's code runs where files are only received
            connection.executemany("DELETE FROM death WHERE generation=?", ran)

    def take_back(self, row: ReceivedFile) -> None:
        """What was written down as delivered right before its commit has failed in it, as this row says."""
        with self.transaction() as connection:
            connection.execute(
                "DELETE FROM received WHERE stream=? AND path=? AND state='delivered' AND generation=?",
                (self.stream, row.path, row.generation),
            )
            if self.lists_completed:  # what has been written on to the file already stays there
                connection.execute(
                    "DELETE FROM completed WHERE id=(SELECT max(id) FROM completed WHERE path=?)", (row.path,)
                )
        self.write([row])

    def _completion(self, row: ReceivedFile) -> dict[str, object]:
        return {
            "stream": self.stream, "path": row.path, "chunks": row.chunks, "began": row.began or row.updated,
            "updated": row.updated, "generation": row.generation, "partition": row.partition, "first_offset": row.first_offset,
        }  # fmt: skip

    def note_incomplete(self, rows: Iterable[IncompleteFile]) -> None:
        """Replace what is noted of these unfinished generations; of those given up the newest are kept."""
        with self.transaction() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO incomplete (stream, {_INCOMPLETE}) VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    (self.stream, r.partition, r.first_offset, r.generation, r.path, r.last_offset, r.last_news, r.retired,
                     r.missing)
                    for r in rows
                ),
            )  # fmt: skip
            connection.execute(
                "DELETE FROM incomplete WHERE retired AND stream=? AND last_news <= (SELECT last_news FROM incomplete "
                "WHERE retired AND stream=? ORDER BY last_news DESC LIMIT 1 OFFSET ?)",
                (self.stream, self.stream, RETIRED_KEPT),
            )

    def forget_incomplete(self, generation: str) -> None:
        """This generation is complete, abandoned or replaced."""
        self.connection.execute("DELETE FROM incomplete WHERE stream=? AND generation=?", (self.stream, generation))

    def incomplete(self) -> list[IncompleteFile]:
        query = f"SELECT {_INCOMPLETE} FROM incomplete WHERE stream=? ORDER BY path"
        rows = self.connection.execute(query, (self.stream,))
        return [
            IncompleteFile(p, first, gen, path, last, news, bool(retired), missing)
            for p, first, gen, path, last, news, retired, missing in rows
        ]

    def quarantine(self, records: Iterable[QuarantinedRecord]) -> None:
        """Keep records with their reasons; the oldest beyond the limit go. The same record is kept once."""
        with self.transaction() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO quarantine ({_QUARANTINE}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    (r.topic, r.partition, r.offset, r.timestamp_ms, r.reason, _cut(r.key, QUARANTINE_KEY_BYTES),
                     _cut(r.value, QUARANTINE_VALUE_BYTES), r.value_bytes, _headers_text(r.headers), r.noted)
                    for r in records
                ),
            )  # fmt: skip
            connection.execute(
                "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (QUARANTINE_RECORDS,)
            )


def _cut(data: bytes | None, length: int) -> bytes | None:
    return None if data is None else data[:length]


def _headers_text(headers: list[tuple[str, str]]) -> str:
    """The headers as JSON, as many from the front as there is room for."""
    kept, length = [], 2
    for header in headers:
        length += len(json.dumps(header)) + 2
        if length > QUARANTINE_HEADERS:
            break
        kept.append(header)
    return json.dumps(kept)


def delivered(connection: sqlite3.Connection, stream: int, path: str) -> ReceivedFile | None:
    """What was last delivered under this path."""
    query = f"SELECT {_COLUMNS} FROM received WHERE stream=? AND path=? AND state='delivered'"
    values = connection.execute(query, (stream, path)).fetchone()
    return None if values is None else ReceivedFile(*values)


def failures(connection: sqlite3.Connection, stream: int) -> list[ReceivedFile]:
    """The files that failed and were not delivered since."""
    query = f"SELECT {_COLUMNS} FROM received WHERE stream=? AND state='failed' ORDER BY path"
    return [ReceivedFile(*values) for values in connection.execute(query, (stream,))]


def each_failure(connection: sqlite3.Connection, stream: int) -> Iterator[ReceivedFile]:
    """As `failures`, page by page, without what only a person wants to see (`detail`)."""
    columns = _COLUMNS.replace("detail", "NULL")
    query = (  # without the index named the planner walks the whole table
        f"SELECT {columns} FROM received INDEXED BY received_failed WHERE stream=? AND state='failed' AND path>? "
        "ORDER BY path LIMIT 500"
    )
    last = ""
    while page := connection.execute(query, (stream, last)).fetchall():
        yield from (ReceivedFile(*values) for values in page)
        last = page[-1][0]


def failure(connection: sqlite3.Connection, stream: int, path: str) -> ReceivedFile | None:
    """What failed under this path and was not delivered since."""
    query = f"SELECT {_COLUMNS} FROM received WHERE stream=? AND path=? AND state='failed'"
    values = connection.execute(query, (stream, path)).fetchone()
    return None if values is None else ReceivedFile(*values)


def files_below(connection: sqlite3.Connection, stream: int, below: str, state: State) -> Iterator[ReceivedFile]:
    """The files at or below a path that were delivered, or that failed, in the order of the alphabet.

    Page by page, since somebody may read them slowly and the log of a ledger cannot be cut while it is being read.
    """
    condition, parameters = under(below)
    query = (
        f"SELECT {_COLUMNS} FROM received WHERE stream=? AND state=? AND path>? AND {condition} ORDER BY path LIMIT 500"
    )
    last = ""
    while page := connection.execute(query, (stream, state, last, *parameters)).fetchall():
        for values in page:
            yield ReceivedFile(*values)
        last = page[-1][0]


def count_delivered(connection: sqlite3.Connection, stream: int, below: str) -> tuple[int, int]:
    """How many files at or below a path were delivered, and their bytes."""
    condition, parameters = under(below)
    query = f"SELECT count(*), total(size) FROM received WHERE stream=? AND state='delivered' AND {condition}"
    files, size = connection.execute(query, (stream, *parameters)).fetchone()
    return int(files), int(size)


def incomplete_below(connection: sqlite3.Connection, stream: int, below: str) -> Iterator[IncompleteFile]:
    """The files at or below a path of which chunks are missing, in the order of the alphabet."""
    condition, parameters = under(below)
    query = f"SELECT {_INCOMPLETE} FROM incomplete WHERE stream=? AND {condition} ORDER BY path, first_offset"
    for p, first, gen, path, last, news, retired, missing in connection.execute(query, (stream, *parameters)):
        yield IncompleteFile(p, first, gen, path, last, news, bool(retired), missing)


def count_quarantined(connection: sqlite3.Connection) -> int:
    """How many records are in the quarantine."""
    return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def quarantined(connection: sqlite3.Connection) -> list[QuarantinedRecord]:
    """All records in the quarantine of a ledger, oldest first."""
    rows = connection.execute(f"SELECT {_QUARANTINE}, id FROM quarantine ORDER BY id")
    return [
        QuarantinedRecord(*row[:8], _headers(row[8]), *row[9:])  # type: ignore[call-arg]
        for row in rows
    ]


def _headers(text: str) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in json.loads(text)]
