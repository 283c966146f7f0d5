"""The CSV files of an upload, written on from the ledger for the people and programs that read them.

What is completed is appended, so a million rows cost no more than the new ones; what is on its way is written anew. Both
only tell: nothing is read from them but at the first start. A crash neither loses a row nor leaves half of one; a power cut
may lose the last rows, never the ledger's.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from . import registry_csv
from .registry_csv import COMPLETED_HEADER, FIRST_LINE, IN_PROGRESS_HEADER, Completed, InProgress
from .sent import SentLedger

log = logging.getLogger(__name__)

WRITE_EVERY = 5.0
"""Seconds between two writings, as OpenMSIStream has it."""

_ROWS_AT_ONCE = 1_000
"""Rows appended in one turn, some 5 ms, so that the files that wait to be sent hardly notice."""

_SHARE = 100.0
"""After a writing that took long (a file of millions of chunks is on its way) a hundred times as long passes."""

_MOST_OF_TAIL = 1 << 20


class Registries:
    """The two CSV files of one upload, in the folder of its ledger. Used by the thread that writes the ledger.

    A file that cannot be written is said once and tried again; it never stops the upload.
    """

    def __init__(self, ledger: SentLedger, topic: str) -> None:
        self._ledger = ledger
        self._completed = ledger.path.parent / registry_csv.completed_name(topic)
        self._unfinished = ledger.path.parent / registry_csv.in_progress_name(topic)
        self._last_text: str | None = None
        self._written: set[str] | None = None
        self._next = 0.0
        self._complained = False

    def keep(self, now: float, on_the_way: Callable[[], Iterable[str]]) -> None:
        """Write what is new, when it is time to; call it as often as you like.

        `now` is monotonic; `on_the_way` gives the paths of the files in several chunks that are being sent.
        """
        if now >= self._next:
            began = time.perf_counter()
            more = self._try(lambda: self._write(on_the_way()))
            took = time.perf_counter() - began
            self._next = now + (0.0 if more else max(WRITE_EVERY, _SHARE * took))

    def finish(self, on_the_way: Collection[str]) -> None:
        """Write all that is new, at the end."""
        while self._try(lambda: self._write(on_the_way)):
            pass

    def _try(self, write: Callable[[], bool]) -> bool:
        try:
            more = write()
        except OSError as error:
            if not self._complained:
                log.warning(
                    "%s cannot be written: %s; files are sent all the same, and the list is written when it can be",
                    error.filename or self._completed, error.strerror or error,
                )  # fmt: skip
            self._complained = True
            return False
        self._complained = False
        return more

    def _write(self, on_the_way: Iterable[str]) -> bool:
        """Do one turn; True when there is more to write."""
        self._write_in_progress(on_the_way)
        return self._append_completed()

    # -- what is on its way --------------------------------------------------------------------------------

    def _write_in_progress(self, paths: Iterable[str]) -> None:
        uploads = (self._in_progress_of(path) for path in paths)
        rows = registry_csv.in_progress_rows(upload for upload in uploads if upload is not None)
        text = FIRST_LINE + "\n".join([IN_PROGRESS_HEADER, *rows])
        if text != self._last_text:
            beside = self._unfinished.with_name(f".oms-{self._unfinished.name}")
            beside.write_text(text, encoding="utf-8", newline="\n")
            os.replace(beside, self._unfinished)
            self._last_text = text

    def _in_progress_of(self, path: str) -> InProgress | None:
        """How far this file is; None when nothing of it has been acknowledged yet, as OpenMSIStream has it, or all of it."""
        row, started = self._ledger.get(path), self._ledger.started(path)
        if row is None or started is None or row.state != "sending" or not row.acked_chunks or not row.chunk_size:
            return None
        return InProgress(path, -(-row.file.size // row.chunk_size), row.acked_chunks, started)

    # -- what is completed -----------------------------------------------------------------------------------

    def _append_completed(self) -> bool:
        """Append some rows, then forget them; True when there are more."""
        query = "SELECT id, path, chunks, started, completed FROM completed ORDER BY id LIMIT ?"
        found = self._ledger.connection.execute(query, (_ROWS_AT_ONCE,)).fetchall()
        if not found:
            self._written = set()
            return False
        rows = registry_csv.completed_rows(Completed(*values) for _, *values in found)
        if self._written is None:  # the program before this one may have ended between writing and forgetting
            self._written = _last_rows(self._completed)
        _append(self._completed, [row for row in rows if row not in self._written])
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM completed WHERE id<=?", (found[-1][0],))
        if len(found) < _ROWS_AT_ONCE:
            self._written = set()
        return len(found) == _ROWS_AT_ONCE


def _last_rows(file: Path) -> set[str]:
    """The rows at the end of the file; a line end after the last row, and half a row left by a power cut, are cut off."""
    try:
        with file.open("r+b") as content:
            size = content.seek(0, os.SEEK_END)
            content.seek(max(0, size - _MOST_OF_TAIL))
            tail = content.read()
            kept = tail.rstrip(b"\r\n")
            before, newline, last = kept.rpartition(b"\n")
            if newline and not _is_whole(last):
                kept = before
            content.truncate(size - len(tail) + len(kept))
            return set(kept.decode("utf-8", "replace").split("\n"))
    except FileNotFoundError:
        return set()


def _is_whole(row: bytes) -> bool:
    try:
        registry_csv.completed_of(row.decode())
    except ValueError:  # a BadRow, or half a letter
        return row == COMPLETED_HEADER.encode()
    return True


def _append(file: Path, rows: list[str]) -> None:
    """Append whole rows, or nothing; the file is made when it is not there."""
    if not rows:
        return
    with file.open("ab", buffering=0) as content:
        size = content.tell()
        text = "\n".join(["" if size else FIRST_LINE + COMPLETED_HEADER, *rows]).encode()
        try:
            if content.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        except OSError:
            content.truncate(size)
            raise
