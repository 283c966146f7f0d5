"""What a topic no longer holds, written into the ledger of its reader."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from .database import broken


def retire_before(ledger: Path, stream: int, partition: int, oldest: int) -> list[str]:
    """Note that unfinished files which began before the oldest record left cannot be completed; gives their paths.

    Raises LedgerError. Written through a connection of its own, since the ledger's others belong to other threads.
    """
    missing = "chunks that the topic no longer holds are"
    where = "stream=? AND partition=? AND first_offset<? AND NOT retired"
    try:
        with closing(_writer(ledger)) as connection, connection:
            rows = connection.execute(
                f"SELECT path FROM incomplete WHERE {where} ORDER BY path", (stream, partition, oldest)
            ).fetchall()
            connection.execute(
                f"UPDATE incomplete SET retired=1, missing=? WHERE {where}", (missing, stream, partition, oldest)
            )
    except sqlite3.DatabaseError as error:
        raise broken(ledger, error) from error
    return [str(path) for (path,) in rows]


def forget_places(ledger: Path, stream: int, partition: int) -> None:
    """Let the time of sending decide which version of a file is newer: offsets of this partition mean something else now.

    Raises LedgerError. No partition has the number -1, and between partitions it is the time that decides.
    """
    try:
        with closing(_writer(ledger)) as connection, connection:
            connection.execute(
                "UPDATE received SET partition=-1 WHERE stream=? AND partition=? AND state='delivered'",
                (stream, partition),
            )
    except sqlite3.DatabaseError as error:
        raise broken(ledger, error) from error


def last_sent(connection: sqlite3.Connection, stream: int, partition: int) -> float | None:
    """When the newest file that was received from a partition had been sent, as Unix time; None when there is none."""
    query = "SELECT max(last_timestamp_ms) FROM received WHERE stream=? AND partition=?"
    (found,) = connection.execute(query, (stream, partition)).fetchone()
    return None if found is None else found / 1000


def _writer(ledger: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
