"""Files that somebody asked to be tried again: written by another process, taken by the program that works on the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from .database import broken

_AT_ONCE = 500
"""Requests that a program looks at in one turn, so that a million of them do not fill its memory."""


def ask(ledger: Path, paths: Iterable[str], now: float) -> None:
    """Ask for these paths to be tried again. `now` is Unix time. Raises LedgerError.

    A program at work writes to the same ledger: the two take turns, by SQLite's own lock.
    """
    _write(ledger, "INSERT OR REPLACE INTO request VALUES (?, ?)", ((path, now) for path in paths))


def asked(connection: sqlite3.Connection, after: str = "") -> list[str]:
    """Some of the paths that are asked for, those that follow on `after` in the alphabet; behind the last, the first again.

    A program that gives the last path of its last turn looks at each, also when those before it have to wait: a request
    stays until it has its `answer`. Costs next to nothing when there are none.
    """
    query = "SELECT path FROM request WHERE path>? ORDER BY path LIMIT ?"
    found = connection.execute(query, (after, _AT_ONCE)).fetchall()
    if not found and after:
        return asked(connection)
    return [str(path) for (path,) in found]


def is_asked(connection: sqlite3.Connection, path: str) -> bool:
    """Will this path be tried again?"""
    return connection.execute("SELECT 1 FROM request WHERE path=?", (path,)).fetchone() is not None


def answer(ledger: Path, paths: Iterable[str]) -> None:
    """These are being tried again. Raises LedgerError."""
    _write(ledger, "DELETE FROM request WHERE path=?", ((path,) for path in paths))


def _write(ledger: Path, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Write through a connection of its own: the ledger's other connections belong to other threads and processes."""
    try:
        place = f"{ledger.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=30)) as connection, connection:
            connection.executemany(statement, rows)
    except sqlite3.DatabaseError as error:
        raise broken(ledger, error) from error
