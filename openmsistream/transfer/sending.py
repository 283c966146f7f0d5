"""The files on their way to a topic: begun, sent side by side chunk by chunk, acknowledged, and written down.

That a file is acknowledged stands in the ledger before the room of its last chunk is given back; how far one is, a moment
later: after a crash, one window of chunks and what NOTE_EVERY says travel twice at most.
"""

from __future__ import annotations

import errno
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from openmsistream.errors import OpenMSIStreamError
from openmsistream.files.split import Changed
from openmsistream.files.wire import Form, abandonment, native
from openmsistream.kafka.producer import ChunkProducer, Report
from openmsistream.ledger.sent import SentFile

from .disk.origin import NotSent, Origin
from .opening import Opening, Select, SelectFailed, all_of_it
from .outgoing import Outgoing

log = logging.getLogger(__name__)

_SMALL_AT_ONCE = 256
_PREPARE_AT_ONCE = 8
"""Chunks of a file that is only read, to resume or compare it, before the others have their turn."""

NOTE_EVERY = 0.25
"""Seconds between notes in the ledger of how far a file is while it flows: after a crash this much of it, and one window,
travels twice. A note for each acknowledgement cost a third of the upload's CPU time."""

RETRY_AFTER = 1.0
READ_AGAIN_AFTER = 10.0
"""Seconds until a file is tried again whose chunk was not taken, or which could not be read."""

_PASSING = (
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY, errno.EAGAIN,
)  # fmt: skip
"""Too many open files, or a share that does not answer: no matter of this file, and no change of it will tell of the end."""

_IN_USE = (32, 33)
"""Windows' ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION: another program has the file to itself just now."""

_SILENT = "nothing of it was acknowledged for so long that readers may have given it up"


class Records(Protocol):
    """What is remembered of each path: the ledger, or a stand-in for a single file."""

    def get(self, path: str) -> SentFile | None: ...

    def write(self, rows: Iterable[SentFile]) -> None: ...


@dataclass
class Tally:
    """What was done since the start."""

    files: int = 0
    bytes: int = 0
    chunk_bytes: int = 0
    abandoned: int = 0
    last: str = ""
    failed: dict[str, str] = field(default_factory=dict)


class Sending:
    """Everything between "this file has settled" and "this file is sent". Used by one thread.

    `lanes` large files travel side by side, small ones beside them. `known_too`: send also what the ledger notes as known
    from before the first start. `select` says which bytes of a path are sent. `begun` hears of each new generation; `again`
    of each path that has to be looked at again, and in how many seconds.
    """

    def __init__(
        self,
        records: Records,
        origin: Origin,
        producer: ChunkProducer,
        *,
        chunk_size: int,
        lanes: int,
        tally: Tally,
        form: Form = native.NATIVE,
        known_too: bool = False,
        select: Select = all_of_it,
        begun: Callable[[str], None] = lambda path: None,
        again: Callable[[str, float], None] = lambda path, delay: None,
    ) -> None:
        self.partitions = producer.topic.partitions
        self.tally = tally
        self._records = records
        self._origin = origin
        self._producer = producer
        self._opening = Opening(records, origin, form, chunk_size=chunk_size, known_too=known_too, select=select)
        self._lanes = lanes
        self._begun = begun
        self._again = again
        self._ready: deque[str] = deque()
        self._ready_large: deque[str] = deque()
        self._queued: set[str] = set()
        self._reading: list[Outgoing] = []
        self._busy: dict[str, Outgoing] = {}

    # -- what is asked of it -------------------------------------------------------------------------

    def want(self, path: str) -> None:
        """Send what this path holds, when it is not what was sent before."""
        busy = self._busy.get(path)
        if busy is not None:
            busy.changed_again = True
        elif path not in self._queued:
            self._queued.add(path)
            self._ready.append(path)

    @property
    def waiting(self) -> int:
        """Files that have settled and are not begun."""
        return len(self._ready) + len(self._ready_large)

    @property
    def idle(self) -> bool:
        """Is nothing begun that is not done?"""
        return not self._busy

    @property
    def current(self) -> list[Outgoing]:
        """The files that are on their way, the ones in several chunks only."""
        return [out for out in list(self._busy.values()) if not out.small]

    def pump(self, interrupted: Callable[[], bool], *, begin: bool = True) -> bool:
        """Send as much as the windows take; True when it stopped only because of `interrupted`. No new files without `begin`."""
        while True:
            self._reading = [out for out in self._reading if not out.file.closed]  # refused ones are closed already
            started = self._begin_ready() if begin else False
            moved = False
            for out in list(self._reading):
                moved = self._advance(out) or moved
            self._reading = [out for out in self._reading if not out.file.closed]
            if not moved and not started:
                return False
            if interrupted():
                return True

    def stop_reading(self) -> None:
        """Send nothing more of files that are not wholly sent. What is acknowledged of them goes into the ledger, now and when
        the last of what is on its way is: so that none of it is sent twice."""
        now = time.time()
        rows = [out.row("sending", now) for out in self._reading if not out.preparing]
        if rows:
            self._records.write(rows)
        for out in self._reading:
            out.close()
        self._reading.clear()

    def close(self) -> None:
        """Let go of everything; reports that come later mean nothing any more."""
        for out in self._busy.values():
            out.given_up = True
            out.close()

    # -- beginning -----------------------------------------------------------------------------------

    def _begin_ready(self) -> bool:
        """Begin what may be begun now; their rows stand in the ledger, in one transaction, before a chunk is sent."""
        rows: list[SentFile] = []
        started: list[Outgoing] = []
        large = sum(1 for out in self._reading if not out.small)
        while self._ready_large and large < self._lanes:
            large += self._begin(self._ready_large.popleft(), rows, started, True)
        while self._ready and len(started) + len(self._reading) < _SMALL_AT_ONCE:
            large += self._begin(self._ready.popleft(), rows, started, large < self._lanes)
        if rows:
            self._records.write(rows)
        self._reading += started
        self._reading.sort(key=_large_last)
        return bool(started)

    def _begin(self, path: str, rows: list[SentFile], started: list[Outgoing], large_too: bool) -> bool:
        """Begin one file, when there is something to send; True when it is a large one. Puts off a large one without a lane."""
        self._queued.discard(path)
        try:
            found = self._opening.open(path)
        except (FileNotFoundError, NotADirectoryError):  # deleted, or its folder became a file
            self._gone(path, rows)
            return False
        except NotSent as error:
            log.info("skipped %s: %s", path, error.strerror)
            self._gone(path, rows)
            return False
        except OSError as error:
            self._fail_unread(path, error, rows)
            return False
        except SelectFailed as error:
            self._fail(path, str(error), rows)
            return False
        if self._opening.is_large(found) and not large_too:
            found.file.close()
            self._queued.add(path)
            self._ready_large.append(path)
            return False
        version = self._opening.version(found, self.partitions)
        if version is None:
            found.file.close()
            return False
        if version.abandon is not None:
            self._send_abandoned(path, version.abandon, version.partition)
        out = self._opening.outgoing(found, version)
        self._busy[path] = out
        started.append(out)
        if out.compare_with is None:
            rows.append(out.row("sending", time.time()))
            self._begun(path)
        return not out.small

    # -- sending -------------------------------------------------------------------------------------

    def _advance(self, out: Outgoing) -> bool:
        """Do one step of one file; True when something was done."""
        try:
            if out.changed_again:
                out.reading.check_state()
                out.changed_again = False
            if out.preparing:
                self._prepare(out)
                return True
            if not self._producer.room(out.partition):
                return False
            if not out.on_its_way and out.silent_too_long(time.time()):  # otherwise its next acknowledgement decides
                self._abandon(out, _SILENT)
                return True
            self._send(out)
            return True
        except Changed as change:
            self._abandon(out, str(change))
        except OSError as error:
            self._abandon(out, f"it could not be read: {error.strerror or error}", READ_AGAIN_AFTER)
        return True

    def _send(self, out: Outgoing) -> None:
        chunk = out.reading.read()
        record = self._opening.form.record(chunk)
        for number in out.copies_of(chunk):
            self._producer.send(out.partition, record.key, record.value, record.headers, (out, number))
        out.sent_one(chunk, time.time())
        if chunk.is_last:
            out.close()

    def _prepare(self, out: Outgoing) -> None:
        """Read what need not be sent: for a digest, the acknowledged front of a file, or one whose content is compared."""
        surveyed = out.first
        out.prepare(_PREPARE_AT_ONCE)
        if out.compare_with is not None and out.reading.done:
            self._compared(out)
        elif surveyed is not None and out.first is None:
            self._records.write([out.row("sending", time.time())])

    def _compared(self, out: Outgoing) -> None:
        """The whole file was read to see whether its content is what was sent: if so only its state is noted."""
        out.reading.check_unchanged()
        before = self._records.get(out.path)
        same = before is not None and out.reading.digest == out.compare_with
        self._drop(out)
        if same and before is not None:
            out.digest, out.first_offset, out.acked = before.digest, before.first_offset, before.acked_chunks
            out.compare_with, out.reading.generation = None, before.generation or ""
            out.resumed = before.resumed
            self._records.write([out.row("sent", time.time())])
        elif before is not None:
            self._records.write([out.row("abandoned", time.time(), "its content changed")])
            self.want(out.path)

    def _abandon(self, out: Outgoing, reason: str, delay: float = 0.0) -> None:
        """Give a generation up: readers are told, and the path is looked at again."""
        log.info("%s: %s; it is sent again when it has settled", out.path, reason)
        self._drop(out)
        if max(out.reading.index, out.acked) > 0 and out.compare_with is None:
            self._send_abandoned(out.path, out.generation, out.partition)
            self.tally.abandoned += 1
        self._records.write([out.row("abandoned", time.time(), reason)])
        self._again(out.path, delay)

    def _send_abandoned(self, path: str, generation: str, partition: int) -> None:
        record = abandonment(path, generation)
        if record is not None:
            self._producer.send(partition, record.key, record.value, record.headers)

    def _drop(self, out: Outgoing) -> None:
        out.given_up = True
        out.close()
        self._busy.pop(out.path, None)

    # -- acknowledgements ----------------------------------------------------------------------------

    def settle(self, reports: list[Report]) -> None:
        """Take note of what became of records: first in the ledger, then the window is given back."""
        touched: dict[int, Outgoing] = {}
        rows: list[SentFile] = []
        now = time.time()
        for report in reports:
            if report.token is None:
                continue
            out, index = cast(tuple[Outgoing, int], report.token)
            if out.given_up:
                continue
            if report.error is not None:
                self._refused(out, report.error, report.final, rows)
                continue
            if out.silent_too_long(now):
                self._abandon(out, _SILENT)
                continue
            out.acknowledged(index, report.offset, now)
            self.tally.chunk_bytes += out.length_of(index)
            touched[id(out)] = out
        for out in touched.values():
            if out.given_up:
                continue
            if out.delivered:
                self._delivered(out)
                rows.append(out.row("sent", now))
            elif not out.on_its_way or now - out.noted >= NOTE_EVERY:
                out.noted = now
                rows.append(out.row("sending", now))
        if rows:
            self._records.write(rows)
        for report in reports:
            self._producer.release(report)

    def _delivered(self, out: Outgoing) -> None:
        self.tally.files += 1
        self.tally.bytes += out.size
        self.tally.last = out.path
        self.tally.failed.pop(out.path, None)
        self._busy.pop(out.path, None)
        log.debug("sent %s (%d bytes)", out.path, out.size)
        if out.changed_again:
            self._again(out.path, 0.0)

    def _refused(self, out: Outgoing, error: OpenMSIStreamError, final: bool, rows: list[SentFile]) -> None:
        """A chunk was not taken: the file fails, or is gone on with from what is acknowledged."""
        self._drop(out)
        if final:
            self.tally.failed[out.path] = str(error)
            log.error("%s was not sent: %s", out.path, error)
            rows.append(out.row("failed", time.time(), str(error)))
            if out.changed_again:
                self._again(out.path, RETRY_AFTER)
        else:
            log.warning("%s: %s Going on with it in a moment.", out.path, error)
            self._again(out.path, RETRY_AFTER)

    def _gone(self, path: str, rows: list[SentFile]) -> None:
        """There is no file under this path any more: readers need not wait for what was begun of it."""
        self.tally.failed.pop(path, None)
        row = self._records.get(path)
        if row is not None and row.state == "sending" and row.generation is not None and row.partition is not None:
            self._send_abandoned(path, row.generation, row.partition)
            rows.append(replace(row, state="abandoned", reason="it was deleted", updated=time.time()))

    def _fail_unread(self, path: str, error: OSError, rows: list[SentFile]) -> None:
        """A file that cannot be opened is listed, and tried again when it changes; soon, when the reason passes by itself."""
        reason = error.strerror or str(error)
        if error.errno in _PASSING or getattr(error, "winerror", None) in _IN_USE:
            if path not in self.tally.failed:
                log.warning("%s cannot be read now: %s; it is tried again", path, reason)
            self.tally.failed[path] = reason
            self._again(path, READ_AGAIN_AFTER)
            return
        self._fail(path, reason, rows)

    def _fail(self, path: str, reason: str, rows: list[SentFile]) -> None:
        self.tally.failed[path] = reason
        log.error("%s was not sent: %s; it is tried again when it changes", path, reason)
        try:
            state = self._origin.state(path)
        except OSError:
            return
        row = SentFile(path, "failed", state, reason=reason, updated=time.time())
        before = self._records.get(path)
        if before is not None:  # a generation that was left unfinished is not forgotten
            unfinished = before.generation if before.resumed or before.state != "sent" else None
            row = replace(row, partition=before.partition, generation=unfinished)
        rows.append(row)


def _large_last(out: Outgoing) -> bool:
    return not out.small
