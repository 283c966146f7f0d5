"""What an uploader takes over, at its first start on a folder, from the OpenMSIStream that worked there before it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from openmsistream.errors import LedgerError
from openmsistream.files.chunk import FileState
from openmsistream.files.names import STATE_FOLDER, BadName, parts_of
from openmsistream.files.wire.msgpack import Msgpack
from openmsistream.ledger import registry_csv
from openmsistream.ledger.registry_csv import BadRow, Completed
from openmsistream.ledger.sent import SentFile, SentLedger, counts_by_state

log = logging.getLogger(__name__)

NOT_FINISHED = "OpenMSIStream had not finished it"
CHANGED = "it changed after OpenMSIStream had sent it"

_BATCH = 1_000
_WARNINGS = 10
"""Lines of one file that are complained of one by one."""

_UNTIL = "openmsistream_until"

StateOf = Callable[[str], FileState]
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class TakenOver:
    """How many files count as sent, how many are sent anew, and when the last one was completed (Unix time; 0: none was)."""

    sent: int
    anew: int
    last: float


def take_over_once(ledger: SentLedger, root: Path, topic: str, state_of: StateOf) -> float:
    """`take_over` at the first start; the time of OpenMSIStream's last completed upload (Unix time, 0 for none) at each."""
    known = ledger.connection.execute("SELECT value FROM fact WHERE name=?", (_UNTIL,)).fetchone()
    if known is not None:
        return float(known[0])
    taken = take_over(ledger, root / STATE_FOLDER, topic, state_of)
    if taken.sent or taken.anew:
        log.info(
            "taken over from OpenMSIStream: %d files were sent and have not changed, %d are sent anew",
            taken.sent, taken.anew,
        )  # fmt: skip
    ledger.set_fact(_UNTIL, repr(taken.last))
    return taken.last


def take_over(ledger: SentLedger, folder: Path, topic: str, state_of: StateOf) -> TakenOver:
    """Note in the ledger what the CSV files in `folder` say of the files that are there. Doing it twice changes nothing.

    A completed file counts as sent when it was last written before the second of its completion. The times there are whole
    seconds: a write within that second may have come after the file was read, and sending a file twice does no harm. What
    changed later is sent anew; so is what was unfinished, from its beginning, since nobody knows which content the chunks
    had that have left. `state_of` gives the state of a file below the root and raises OSError where there is none.

    Raises LedgerError when a file cannot be read. A line that cannot is passed over with a warning.
    """
    last = 0.0
    for uploads in _batches(_rows(registry_csv.completed_files(folder, topic), registry_csv.completed_of)):
        last = max(last, *(upload.completed for upload in uploads))
        rows = [row for upload in uploads if (row := _judged(upload, state_of)) is not None]
        ledger.write(row for row in rows if row.state == "sent")
        ledger.add(row for row in rows if row.state != "sent")
    unfinished = folder / registry_csv.in_progress_name(topic)
    for paths in _batches(_rows([unfinished] if unfinished.is_file() else [], registry_csv.path_in_progress)):
        ledger.write(row for path in paths if (row := _unfinished(path, state_of)) is not None)
    counts = counts_by_state(ledger.connection, ledger.stream)
    return TakenOver(counts.get("sent", 0), counts.get("abandoned", 0), last)


def _judged(upload: Completed, state_of: StateOf) -> SentFile | None:
    """What an upload that was completed means for the file that is there now; None when there is none."""
    found = _find(upload.path, state_of)
    if found is None:
        return None
    path, state = found
    if state.mtime_ns < int(upload.completed) * 1_000_000_000:
        return SentFile(path, "sent", state, updated=upload.completed)
    return SentFile(path, "abandoned", state, reason=CHANGED, updated=upload.completed)


def _unfinished(path: str, state_of: StateOf) -> SentFile | None:
    """A generation of the msgpack form that was not completed, so that the next one is begun as its readers need it."""
    found = _find(path, state_of)
    if found is None:
        return None
    return SentFile(found[0], "abandoned", found[1], Msgpack().new_generation(), reason=NOT_FINISHED)


def _find(written: str, state_of: StateOf) -> tuple[str, FileState] | None:
    """The file that a row means, and its state; None when there is none any more."""
    for path in registry_csv.readings_of(written):
        try:
            parts_of(path)
            return path, state_of(path)
        except (BadName, OSError):
            continue
    return None


def _rows(files: Iterable[Path], parse: Callable[[str], _Row]) -> Iterator[_Row]:
    for file in files:
        bad = 0
        try:
            for number, line in registry_csv.lines_of(file):
                try:
                    yield parse(line)
                except BadRow as problem:
                    bad += 1
                    if bad <= _WARNINGS:
                        log.warning("%s, line %d, is passed over: %s", file, number, problem)
        except OSError as error:
            raise LedgerError(
                f"{file}, the list of what OpenMSIStream sent, cannot be read: {error.strerror or error}",
                "give this user the right to, or move it away: then its files count as never sent",
            ) from error
        if bad > _WARNINGS:
            log.warning("%s: %d lines more are passed over", file, bad - _WARNINGS)


def _batches(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch
