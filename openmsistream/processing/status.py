"""The state of every file that somebody's code runs on, told by the ledger and the program's own word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from openmsistream.ledger.live import LiveFile
from openmsistream.ledger.received import ReceivedFile
from openmsistream.program.progress import duration, size
from openmsistream.transfer.download_status import Telling, being_received, received_files
from openmsistream.transfer.file_status import FileStatus, Program, Totals, ago, at


def processed_files(program: Program, below: str, totals: Totals, now: float) -> Iterator[FileStatus]:
    """Every file at or below a path that `totals` wants to be told of; all of them are counted."""
    return received_files(program, below, totals, now, _TELLING)


def _at_work(file: LiveFile, now: float) -> FileStatus:
    if file.state not in ("running", "waiting", "finishing"):
        return being_received(file, now)
    status = FileStatus(
        file.path, file.state, "", file.size, file.since, file.chunks, file.chunks_in_all, file.attempts or None
    )
    if file.state == "running" and file.since is not None:
        attempt = f", attempt {file.attempts}" if file.attempts > 1 else ""
        return replace(status, why=f"for {duration(max(0.0, now - file.since))}, since {at(file.since)[3:]}{attempt}")
    if file.state == "finishing":
        return replace(status, why="its run has ended; that is about to be committed")
    if file.until is not None:
        when = f"in {duration(file.until - now)}" if file.until > now else "as soon as a worker is free"
        return replace(
            status, why=f"attempt {file.attempts} has failed: {file.reason}; tried again {when}", since=file.until
        )
    return replace(status, why=f"all of it has come, {size(file.bytes)}; {file.reason or 'it waits for a worker'}")


def _failed(row: ReceivedFile, is_asked: bool, program: Program) -> FileStatus:
    after = f"after {row.attempts} attempts, " if row.attempts > 1 else ""
    why = f"{row.reason or 'no reason is known'} ({after}{at(row.updated)})"
    if is_asked:
        why = f"{why}; will be run again" + ("" if program.running else " when the program starts")
    else:
        why = f"{why}; run again by: openmsistream retry"
    return FileStatus(
        row.path, "failed", why, row.size, row.updated, attempts=row.attempts or None, detail=row.detail
    )  # fmt: skip


def _processed(row: ReceivedFile, program: Program, now: float) -> FileStatus:
    why = ago(row.updated, now)
    if not why.startswith("at "):
        why = f"{why}, {at(row.updated)}"
    if row.attempts > 1:
        why = f"{why}, in {row.attempts} attempts"
    if to := program.setting("results_to"):
        why = f"{why}; its result stands on topic {to}"
    return FileStatus(row.path, "processed", why, row.size, row.updated, attempts=row.attempts or None)


_TELLING = Telling("processed", _at_work, _failed, _processed)
