"""How often the program died while somebody's code ran on a file: counted over restarts, so that it is not run for ever."""

from __future__ import annotations

from collections.abc import Iterable

from .database import Ledger

SCHEMA = """
CREATE TABLE death (
    generation TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    count INTEGER NOT NULL
) WITHOUT ROWID;
"""


def note(ledger: Ledger, running: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The program died while these ran, each a generation and its path. Gives how often it did, by generation."""
    with ledger.transaction() as connection:
        connection.executemany(
            "INSERT INTO death VALUES (?, ?, 1) ON CONFLICT (generation) DO UPDATE SET count=count+1", running
        )
        return {
            str(generation): int(count)
            for generation, count in connection.execute("SELECT generation, count FROM death")
        }
