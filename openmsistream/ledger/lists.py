"""CSV files written on from a ledger for the people and programs that read them: one appended to, one written anew.

What is completed is appended, so a million rows cost no more than the new ones; what is on its way, or has failed, is
written anew when it has changed. Both only tell. A crash neither loses a row nor leaves half of one; a power cut may lose the
last rows, never the ledger's.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from . import registry_csv
from .database import Ledger
from .registry_csv import FIRST_LINE, Completed

log = logging.getLogger(__name__)

WRITE_EVERY = 5.0
"""Seconds between two writings, as OpenMSIStream has it."""

_ROWS_AT_ONCE = 1_000
"""Rows appended in one turn, some 5 ms, so that the files that wait to be sent hardly notice."""

_SHARE = 100.0
"""After a writing that took long (a file of millions of chunks is on its way) a hundred times as long passes."""

_AT_THE_END = 2.0
"""Seconds that the last writing may take: a program that is stopped has to end."""

_MOST_OF_TAIL = 1 << 20

COMPLETED = """
CREATE TABLE completed (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    started REAL NOT NULL,
    completed REAL NOT NULL
);
"""
"""What has not yet been written on to the file of what is completed; a table that a ledger with such files has."""

Rows = Callable[[], Iterable[str]]
"""Rows as text, without line ends; asked for again when they are to be gone through once more."""


@dataclass(frozen=True)
class Pair:
    """The two files: where they are, their first lines, and what goes on meanwhile when they cannot be written."""

    completed: Path
    completed_header: str
    unfinished: Path
    unfinished_header: str
    meanwhile: str


class Lists:
    """Two CSV files beside a ledger with a table `completed`. Used by one thread.

    `turn` is held for each use of the ledger's connection. A file that cannot be written is said once and tried again; it
    never stops the work.
    """

    def __init__(self, ledger: Ledger, pair: Pair, turn: AbstractContextManager[object] | None = None) -> None:
        self._ledger = ledger
        self._pair = pair
        self._turn = turn or nullcontext()
        self._last_text = b""
        self._written: set[str] | None = None
        self._next = 0.0
        self._more = False
        self._in_vain: set[Path] = set()

    def keep(self, now: float, unfinished: Rows) -> bool:
        """Write what is new, when it is time to; call it as often as you like. `now` is monotonic.

        True when there is more to write at once.
        """
        if now < self._next and not self._more:
            return False
        if now >= self._next:
            began = time.perf_counter()
            self._try(self._pair.unfinished, lambda: self._write_unfinished(unfinished))
            self._next = now + max(WRITE_EVERY, _SHARE * (time.perf_counter() - began))
        self._more = self._try(self._pair.completed, self._append_completed)
        return self._more

    def finish(self, unfinished: Rows) -> None:
        """Write all that is new, at the end; what would take too long is left to the next start."""
        until = time.monotonic() + _AT_THE_END
        self._try(self._pair.unfinished, lambda: self._write_unfinished(unfinished))
        while self._try(self._pair.completed, self._append_completed) and time.monotonic() < until:
            pass

    def _try(self, file: Path, write: Callable[[], bool]) -> bool:
        """Write one of the files; True when there is more to write."""
        try:
            more = write()
        except OSError as error:
            if not self._in_vain:
                log.warning(
                    "%s cannot be written: %s; %s all the same, and the list is written when it can be",
                    error.filename or file, error.strerror or error, self._pair.meanwhile,
                )  # fmt: skip
            self._in_vain.add(file)
            return False
        self._in_vain.discard(file)
        return more

    # -- what is on its way --------------------------------------------------------------------------------

    def _write_unfinished(self, rows: Rows) -> bool:
        """Write all of the file anew, row by row, unless it would be the same."""
        if _digest(rows()) == self._last_text:
            return False
        file = self._pair.unfinished
        beside = file.with_name(f".oms-{file.name}")
        hasher = hashlib.sha256()
        with beside.open("w", encoding="utf-8", newline="\n") as content:
            content.write(FIRST_LINE + self._pair.unfinished_header)
            for row in rows():
                content.write("\n" + row)
                hasher.update(_bytes(row))
        os.replace(beside, file)
        self._last_text = hasher.digest()
        return False

    # -- what is completed -----------------------------------------------------------------------------------

    def _append_completed(self) -> bool:
        """Append some rows, then forget them; True when there are more."""
        query = "SELECT id, path, chunks, started, completed FROM completed ORDER BY id LIMIT ?"
        with self._turn:
            found = self._ledger.connection.execute(query, (_ROWS_AT_ONCE,)).fetchall()
        if not found:
            self._written = set()
            return False
        rows = registry_csv.completed_rows(Completed(*values) for _, *values in found)
        file, header = self._pair.completed, self._pair.completed_header
        if self._written is None:  # the program before this one may have ended between writing and forgetting
            self._written = _last_rows(file, header)
        _append(file, header, [row for row in rows if row not in self._written])
        with self._turn, self._ledger.transaction() as connection:
            connection.execute("DELETE FROM completed WHERE id<=?", (found[-1][0],))
        if len(found) < _ROWS_AT_ONCE:
            self._written = set()
        return len(found) == _ROWS_AT_ONCE


def _digest(rows: Iterable[str]) -> bytes:
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(_bytes(row))
    return hasher.digest()


def _bytes(row: str) -> bytes:
    return row.encode() + b"\n"


def _last_rows(file: Path, header: str) -> set[str]:
    """The rows at the end of the file; a line end after the last row, and half a row left by a power cut, are cut off."""
    try:
        with file.open("r+b") as content:
            size = content.seek(0, os.SEEK_END)
            content.seek(max(0, size - _MOST_OF_TAIL))
            tail = content.read()
            kept = tail.rstrip(b"\r\n")
            before, newline, last = kept.rpartition(b"\n")
            if newline and not _is_whole(last, header):
                kept = before
            content.truncate(size - len(tail) + len(kept))
            return set(kept.decode("utf-8", "replace").split("\n"))
    except FileNotFoundError:
        return set()


def _is_whole(row: bytes, header: str) -> bool:
    try:
        registry_csv.completed_of(row.decode())
    except ValueError:  # a BadRow, or half a letter
        return row == header.encode()
    return True


def _append(file: Path, header: str, rows: list[str]) -> None:
    """Append whole rows, or nothing; the file is made when it is not there."""
    if not rows:
        return
    with file.open("ab", buffering=0) as content:
        size = content.tell()
        text = "\n".join(["" if size else FIRST_LINE + header, *rows]).encode()
        try:
            if content.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        except OSError:
            content.truncate(size)
            raise
