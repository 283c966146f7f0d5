"""The state of every file that a folder receives, told by the ledger and the program's own word."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openmsistream.ledger.database import reading
from openmsistream.ledger.live import LiveFile
from openmsistream.ledger.received import (
    IncompleteFile,
    ReceivedFile,
    count_delivered,
    count_quarantined,
    delivered,
    failure,
    files_below,
    incomplete_below,
)
from openmsistream.ledger.requests import is_asked
from openmsistream.program.progress import size

from .file_status import FileStatus, Program, Totals, at, chunks


@dataclass(frozen=True)
class Telling:
    """How the states of files are told, for one kind of reader: the word for those that have come to their good end, and
    what is said of a file at work, of one that failed (is it to be tried again?), and of one that is done."""

    done: str
    at_work: Callable[[LiveFile, float], FileStatus]
    failed: Callable[[ReceivedFile, bool, Program], FileStatus]
    delivered: Callable[[ReceivedFile, Program, float], FileStatus]


def received_files(
    program: Program, below: str, totals: Totals, now: float, tell: Telling | None = None
) -> Iterator[FileStatus]:
    """Every file at or below a path that `totals` wants to be told of; all of them are counted."""
    tell = tell or _INTO_A_FOLDER
    with reading(program.ledger) as connection:
        stream = program.stream
        if stream is None:
            return
        at_work = _at_work(program, connection, stream, below)
        for file in at_work.values():
            yield from _told(tell.at_work(file, now), totals)
        for failed in files_below(connection, stream, below, "failed"):
            if failed.path not in at_work:
                yield from _told(tell.failed(failed, is_asked(connection, failed.path), program), totals)
        for incomplete in incomplete_below(connection, stream, below):
            if incomplete.retired or incomplete.path not in at_work:
                there = delivered(connection, stream, incomplete.path)
                yield from _told(_incomplete(incomplete, there, program.running), totals)
        files, length = count_delivered(connection, stream, below)
        if files:
            totals.add(tell.done, length, files)
        for row in files_below(connection, stream, below, "delivered"):
            if not totals.wants(tell.done):
                break
            yield tell.delivered(row, program, now)
        quarantined = count_quarantined(connection)
        if quarantined:
            totals.notes.append(
                f"{quarantined:,} records could not be used: openmsistream quarantine list {program.root}"
            )


def _at_work(program: Program, connection: sqlite3.Connection, stream: int, below: str) -> dict[str, LiveFile]:
    """What the program says that it is at work on, unless the ledger has heard of a file since."""
    said = program.said
    found = {}
    for path, file in program.at_work.items():
        rows = (delivered(connection, stream, path), failure(connection, stream, path))
        is_old = said is not None and any(row is not None and row.updated > said.updated for row in rows)
        if not is_old and (not below or path == below or path.startswith(below + "/")):
            found[path] = file
    return found


def _told(status: FileStatus, totals: Totals) -> Iterator[FileStatus]:
    totals.add(status.state, status.size)
    if totals.wants(status.state):
        yield status


def being_received(file: LiveFile, now: float) -> FileStatus:
    """A file that is on its way."""
    why = chunks(file)
    if file.missing and file.state == "receiving":
        why = f"{why}; {file.missing} missing"
    if file.state == "finishing":
        why = f"all of it has come, {size(file.bytes)}; it is being verified and made durable"
    if file.reason:
        why = file.reason
    return FileStatus(file.path, file.state, why, file.size, None, file.chunks, file.chunks_in_all)


def _failed(row: ReceivedFile, is_asked: bool, program: Program) -> FileStatus:
    why = f"{row.reason or 'no reason is known'} ({at(row.updated)})"
    if is_asked:
        why = f"{why}; will be fetched again" + ("" if program.running else " when the program starts")
    else:
        why = f"{why}; fetched again by: openmsistream retry"
    return FileStatus(row.path, "failed", why, row.size, row.updated)


def _incomplete(row: IncompleteFile, there: ReceivedFile | None, running: bool) -> FileStatus:
    if row.retired and there is not None and _is_newer(there, row):
        return FileStatus(row.path, "replaced", "by a newer version before it was whole", None, row.last_news)
    why = f"since {at(row.last_news).removeprefix('at ')}, {row.missing} missing"
    if row.retired:
        why = f"{why}; waited for no longer"
    elif not running:
        why = f"{why}; goes on when the program starts"
    return FileStatus(row.path, "incomplete", why, None, row.last_news)


def _is_newer(there: ReceivedFile, row: IncompleteFile) -> bool:
    if there.partition == row.partition:
        return there.first_offset > row.first_offset
    return there.updated >= row.last_news


def _delivered(row: ReceivedFile, program: Program, now: float) -> FileStatus:
    why = at(row.updated)
    try:
        size_now = (program.root / row.path).stat().st_size
    except OSError:
        why = f"{why}; no longer in the folder"
    else:
        if size_now != row.size:
            why = f"{why}; changed in the folder since"
    return FileStatus(row.path, "delivered", why, row.size, row.updated)


_INTO_A_FOLDER = Telling("delivered", being_received, _failed, _delivered)
