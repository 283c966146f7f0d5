"""What an upload would do, without doing it: every file, to be sent or not, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from openmsistream.ledger.database import reader
from openmsistream.ledger.sent import SentFile, SentLedger, get, newest_stream

from .disk.origin import Origin
from .folders import check_folder
from .scan import Found, Skipped, scan
from .selection import Selection
from .takeover import take_over_once
from .uploader import UploadOptions

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
    if not options.ledger_path.exists():
        yield from _at_first_start(options)
        return
    with closing(reader(options.ledger_path)) as connection:
        stream = newest_stream(connection, options.topic)
        for item in _all(options):
            row = None if stream is None or isinstance(item, Skipped) else get(connection, stream, item.path)
            yield _judged(item, row, options.upload_existing)


def _at_first_start(options: UploadOptions) -> Iterator[Found | Skipped]:
    """As `planned`, before there is a ledger: what OpenMSIStream says of the folder goes into one that is thrown away."""
    with (
        TemporaryDirectory() as place,
        closing(Origin(options.root)) as origin,
        SentLedger(Path(place) / "plan.sqlite") as ledger,
    ):
        ledger.use_stream("", options.topic, "")
        until_ns = (take_over_once(ledger, options.root, options.topic, origin.state) or math.inf) * 1e9
        for item in _all(options):
            row = None if isinstance(item, Skipped) else ledger.get(item.path)
            new = isinstance(item, Skipped) or item.state.changed_ns >= until_ns
            if row is None and not new and not options.upload_existing:
                yield Skipped(item.path, _SETTLED["known"])
            else:
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
