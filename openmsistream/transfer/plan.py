"""What an upload would do, without doing it: every file, to be sent or not, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from openmsistream.ledger.database import reader
from openmsistream.ledger.sent import SentFile, get, newest_stream

from .scan import Found, Skipped, scan
from .selection import Selection
from .uploader import UploadOptions, check_folder

_SETTLED = {
    "sent": "was sent already",
    "known": "was there before the first start; --upload_existing sends it",
    "failed": "failed and has not changed since",
}


def planned(options: UploadOptions) -> Iterator[Found | Skipped]:
    """Every file of the folder, and what an upload started now would do with it. Nothing is sent or written, nobody asked.

    The topic is taken to be the one that the ledger knows; a topic made again gets everything.
    """
    check_folder(options.root)
    ledger = options.ledger_path
    if not ledger.exists():
        for item in _all(options):
            yield (
                item if options.upload_existing or isinstance(item, Skipped) else Skipped(item.path, _SETTLED["known"])
            )
        return
    with closing(reader(ledger)) as connection:
        stream = newest_stream(connection, options.topic)
        for item in _all(options):
            row = None if stream is None or isinstance(item, Skipped) else get(connection, stream, item.path)
            yield _judged(item, row, options.upload_existing)


def _all(options: UploadOptions) -> Iterator[Found | Skipped]:
    for batch in scan(options.root, Selection(options.regex)):
        yield from batch


def _judged(item: Found | Skipped, row: SentFile | None, known_too: bool) -> Found | Skipped:
    """The file, or why it stays."""
    if isinstance(item, Skipped) or row is None or row.file != item.state:
        return item
    if row.state == "known" and known_too:
        return item
    reason = _SETTLED.get(row.state)
    return item if reason is None else Skipped(item.path, reason)
