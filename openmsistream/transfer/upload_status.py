"""The state of every file of a folder that is sent, told by the folder, the ledger and the program's own word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from openmsistream.files.chunk import FileState
from openmsistream.ledger.database import reading
from openmsistream.ledger.live import LiveFile
from openmsistream.ledger.requests import is_asked
from openmsistream.ledger.sent import SentFile, count_sent, first_start, get, rows_of
from openmsistream.program.progress import duration

from .file_status import FileStatus, Program, Totals, ago, at, chunks
from .scan import Found, Skipped, look_at, scan
from .selection import Selection
from .settle import LAG
from .versions import given_up_by_readers


def sent_files(program: Program, below: str, totals: Totals, now: float) -> Iterator[FileStatus]:
    """Every file at or below a path of the folder that `totals` wants to be told of; all of them are counted.

    What is remembered of files that are no longer in the folder is only counted, unless it is the path that is asked for.
    """
    with reading(program.ledger) as connection:
        judge = _Judge(program, connection, now)
        for batch in _batches(program, below):
            rows = judge.rows([item.path for item in batch if isinstance(item, Found)])
            for item in batch:
                yield from judge.told(item, rows.get(item.path), totals)
        yield from judge.gone(below, totals)


def _batches(program: Program, below: str) -> Iterator[list[Found | Skipped]]:
    selection = Selection(program.regex)
    if below and not (program.root / below).is_dir():
        item = look_at(program.root, selection, below)
        yield [] if item is None else [item]
    else:
        yield from scan(program.root, selection, below)


class _Judge:
    """What is known beside the folder."""

    def __init__(self, program: Program, connection: sqlite3.Connection, now: float) -> None:
        self._program = program
        self._connection = connection
        self._now = now
        self._at_work = program.at_work
        self._existing = bool(program.setting("upload_existing"))
        lag = program.setting("lag")
        self._lag = lag if isinstance(lag, float | int) else LAG
        self._known_before_ns = 0 if self._existing else first_start(connection)
        self._sent = 0

    def rows(self, paths: list[str]) -> dict[str, SentFile]:
        stream = self._program.stream
        return {} if stream is None else rows_of(self._connection, stream, paths)

    def told(self, item: Found | Skipped, row: SentFile | None, totals: Totals) -> Iterator[FileStatus]:
        """Count one file, and tell of it when that is wanted."""
        if isinstance(item, Skipped):
            totals.add("skipped", None)
            if totals.wants("skipped"):
                yield FileStatus(item.path, "skipped", item.reason)
            return
        self._sent += row is not None and row.state == "sent"
        live = self._live(item.path, row)
        state = self._state(item.state, row, live)
        totals.add(state, item.state.size)
        if totals.wants(state):
            yield self._status(state, item, row, live)

    def _live(self, path: str, row: SentFile | None) -> LiveFile | None:
        """What the program says of a file, unless the ledger has heard of it since."""
        live, said = self._at_work.get(path), self._program.said
        return None if row is not None and said is not None and row.updated > said.updated else live

    def gone(self, below: str, totals: Totals) -> Iterator[FileStatus]:
        """What was sent and is no longer in the folder."""
        stream = self._program.stream
        if stream is None:
            return
        gone = count_sent(self._connection, stream, below) - self._sent
        if gone <= 0:
            return
        totals.add("gone", None, gone)
        row = get(self._connection, stream, below) if below else None
        if row is not None:
            yield FileStatus(
                row.path, "gone", f"sent {at(row.updated)}, no longer in the folder", row.file.size, row.updated
            )
        else:
            totals.notes.append(f"{gone:,} gone: sent, and no longer in the folder")

    # -- the state of one file -------------------------------------------------------------------------

    def _state(self, file: FileState, row: SentFile | None, live: LiveFile | None) -> str:
        if live is not None and live.state != "waiting":
            return live.state
        if row is None:
            old = file.changed_ns < self._known_before_ns
            return "known" if old else "waiting"
        if not _is_same(row.file, file):
            return "waiting"
        if row.state == "known":
            return "waiting" if self._existing else "known"
        return "waiting" if row.state == "abandoned" else row.state

    def _status(self, state: str, item: Found, row: SentFile | None, live: LiveFile | None) -> FileStatus:
        changed = item.state.changed_ns / 1e9
        since: float | None = None if row is None else row.updated
        done, of = _chunks_of(row) if live is None else (live.chunks, live.chunks_in_all)
        if state == "sent":
            why = at(since or 0.0)
        elif state == "known":
            why, since = "there before the first start; --upload_existing sends it", changed
        elif state == "failed":
            why = self._why_failed(item.path, row, live)
        elif state == "sending":
            why = chunks(live) if live is not None and not live.reason else self._on_its_way(row, live)
        else:
            why, since = self._why_waiting(item, row, live, changed), changed
        in_chunks = state == "sending"
        return FileStatus(
            item.path, state, why, item.state.size, since, done if in_chunks else None, of if in_chunks else None
        )

    def _why_failed(self, path: str, row: SentFile | None, live: LiveFile | None) -> str:
        if row is None or row.state != "failed":
            return f"{live.reason if live is not None else 'for now'}; tried again by itself"
        reason = row.reason or "no reason is known"
        if is_asked(self._connection, path):
            return f"{reason}; will be tried again" + ("" if self._program.running else " when the program starts")
        return f"{reason}; tried again when it changes, or by: openmsistream retry"

    def _on_its_way(self, row: SentFile | None, live: LiveFile | None) -> str:
        if live is not None:
            return live.reason
        assert row is not None
        done, of = _chunks_of(row)
        said = f"{done} of {of} chunks" if of is not None else "chosen bytes of it"
        if self._program.running:
            return said
        fresh = of is not None and not given_up_by_readers(row.updated, self._now)
        return f"{said}; when the program starts it " + ("goes on from there" if fresh else "begins anew")

    def _why_waiting(self, item: Found, row: SentFile | None, live: LiveFile | None, changed: float) -> str:
        before = ""
        if row is not None and row.state == "sent":
            only_attributes = (row.file.size, row.file.mtime_ns) == (item.state.size, item.state.mtime_ns)
            what = "its attributes changed" if only_attributes else "changed"
            before = f"{what} since it was sent {at(row.updated)}; "
        elif row is not None and row.state == "abandoned" and row.reason:
            before = f"{row.reason}; "
        elif row is not None and row.state == "failed":
            before = "changed since it failed; "
        last = f"last changed {ago(changed, self._now)}"
        if not self._program.running:
            return f"{before}{last}, is sent when the program starts"
        until = live.until if live is not None and live.until is not None else changed + self._lag
        if until > self._now:
            return f"{before}{last}, settles in {duration(until - self._now)}"
        return f"{before}{last}, has settled and is in line to be sent"


def _is_same(before: FileState, now: FileState) -> bool:
    """Is this the state that the row is about? One without a change time was read while the clock stood still (outgoing.py)."""
    if before.ctime_ns == 0:
        return (before.size, before.mtime_ns, before.inode) == (now.size, now.mtime_ns, now.inode)
    return before == now


def _chunks_of(row: SentFile | None) -> tuple[int | None, int | None]:
    if row is None or not row.chunk_size:
        return None, None
    return row.acked_chunks, max(1, -(-row.file.size // row.chunk_size))
