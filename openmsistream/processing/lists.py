"""The CSV files of a processor or a reproducer, kept by a thread of their own that never holds up the work."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from openmsistream.errors import OpenMSIStreamError
from openmsistream.ledger import lists, processed_csv
from openmsistream.ledger.database import reader
from openmsistream.ledger.processed_csv import IN_PROGRESS, IN_PROGRESS_HEADER, PROCESSED_HEADER, Unfinished
from openmsistream.ledger.received import delivered, each_failure, failure
from openmsistream.transfer.incoming import Incoming
from openmsistream.transfer.rows import Rows

from .stage import FAILED, UNCOMPUTED

log = logging.getLogger(__name__)

_TURN = 0.5
_BETWEEN = 0.01
"""Seconds between two looks, and between two of 1000 rows each when many are to be written: the work comes first."""


@dataclass(frozen=True)
class Listed:
    """What is listed, and in which folder: the files of `topic` as `group` gets them, whose results go to `results_to`."""

    folder: Path
    topic: str
    group: str
    results_to: str | None = None

    @property
    def pair(self) -> lists.Pair:
        """The two files."""
        to = self.results_to
        done = processed_csv.results_name(to) if to else processed_csv.processed_name(self.topic, self.group)
        on_the_way = processed_csv.in_progress_name(self.topic, self.group)
        return lists.Pair(
            self.folder / done, PROCESSED_HEADER, self.folder / on_the_way, IN_PROGRESS_HEADER, "files are processed"
        )


class ProcessingLists:
    """Keeps the two files while a reader runs; `close` writes what is new and ends.

    `begun` gives the files that are on their way or with somebody's code.
    """

    def __init__(self, rows: Rows, listed: Listed, begun: Callable[[], list[Incoming]]) -> None:
        self._ledger = rows.ledger
        self._begun = begun
        self._fails_as = fails_as(listed.results_to)
        self._lists = lists.Lists(rows.ledger, listed.pair, rows.turn)
        self._on_the_way: dict[str, Unfinished] = {}
        self._looked = 0.0
        self._known = reader(rows.ledger.path)
        self._complained = False
        self._stopping = threading.Event()
        rows.ledger.lists_completed = True
        self._thread = threading.Thread(target=self._run, name="lists", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write all that is new; what was on its way is listed as such, as far as it has not ended."""
        self._stopping.set()
        self._thread.join()
        with closing(self._known):
            self._guarded(lambda: self._lists.finish(self._rows_at_the_end))

    def _run(self) -> None:
        while not self._stopping.is_set():
            more = self._guarded(lambda: self._lists.keep(time.monotonic(), self._rows_now))
            self._stopping.wait(_BETWEEN if more else _TURN)

    def _guarded(self, work: Callable[[], bool | None]) -> bool:
        """The ledger is the reader's to complain of: what is wrong with it ends the reader, not this thread."""
        try:
            more = work()
            self._complained = False
            return bool(more)
        except (sqlite3.Error, OpenMSIStreamError) as error:
            if not self._complained:
                log.warning("the lists of processed files are not written just now: %s", error)
            self._complained = True
            return False

    # -- rows --------

    def _rows_now(self) -> Iterator[str]:
        self._looked = time.time()
        self._on_the_way = {i.path: unfinished(i) for i in self._begun()}
        return self._rows(self._on_the_way)

    def _rows_at_the_end(self) -> Iterator[str]:
        return self._rows({path: file for path, file in self._on_the_way.items() if not self._has_ended(path)})

    def _rows(self, on_the_way: Mapping[str, Unfinished]) -> Iterator[str]:
        """What is on its way, then what failed and is not on its way again."""
        yield from processed_csv.in_progress_rows(on_the_way.values())
        failed = failed_files(self._known, self._ledger.stream, self._fails_as)
        yield from processed_csv.in_progress_rows(file for file in failed if file.path not in on_the_way)

    def _has_ended(self, path: str) -> bool:
        """Has the ledger heard of it since it was on its way?"""
        stream = self._ledger.stream
        rows = (delivered(self._known, stream, path), failure(self._known, stream, path))
        return any(row is not None and row.updated >= self._looked for row in rows)


def fails_as(results_to: str | None) -> str:
    """The status of a file on which the code failed: a reproducer's failed to compute its result."""
    return FAILED if results_to is None else UNCOMPUTED


def failed_files(connection: sqlite3.Connection, stream: int, fails_as: str) -> Iterator[Unfinished]:
    """The files that failed and were not processed since."""
    for row in each_failure(connection, stream):
        status = fails_as if row.kind in (None, FAILED) else row.kind
        yield Unfinished(row.path, status, row.chunks, row.began or row.updated, row.updated)


def unfinished(incoming: Incoming) -> Unfinished:
    """A file that is on its way or with somebody's code."""
    done, size = incoming.reassembly, incoming.reassembly.size
    chunks = done.count or done.chunks
    if done.count is None and size and done.received:
        chunks = max(chunks, -(-size * done.chunks // done.received))  # all but the last are equally long
    return Unfinished(incoming.path, IN_PROGRESS, chunks, incoming.began, incoming.last_news or incoming.began)
