"""Whole files become visible and durable, small ones many at a time, large ones beside them.

The order for each: write part, sync part, rename, sync folder, ledger row; only then is it reported, so that an offset
may depend on it. Of one path only one generation is here at a time (the receiving thread sees to that), so what is found
under a name stays true until it is replaced.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openmsistream.errors import FolderError
from openmsistream.files import digest
from openmsistream.files.chunk import is_named_by_content
from openmsistream.files.reassembly import Contradiction
from openmsistream.ledger.received import ReceivedFile

from .disk import Folder, Target
from .incoming import AtWork, Incoming, WrongDigest, write_all
from .order import Place, is_newer
from .rows import Rows
from .stage import Ended, Ending, Finished

log = logging.getLogger(__name__)

_SMALL_BATCH = 256
_SMALL_BYTES = 16 << 20
"""Bytes of small files that may wait in memory; beyond it receiving stands still."""

_SYNC_THREADS = 8
"""Syncs that run side by side: the file system makes one journal entry of many (measured, docs/performance.md)."""

_WRITE_BACK = 16 << 20
"""Bytes of a large file after which they are written back, so that its last sync does not stall everybody else's."""

_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOENT)
"""What goes by: a full disk, too many open files, a folder or part that somebody removed while it was in use."""

_DISK_BROKEN = (errno.EIO, errno.ESTALE, errno.EROFS, errno.ENODEV)


class Finisher(Ended):
    """Takes whole files, gives back how each ended. `close` it; `error` is set when a lane has died."""

    def __init__(self, root: Path, rows: Rows) -> None:
        super().__init__()
        self._root = root
        self._rows = rows
        self._small: deque[Incoming] = deque()
        self._large: deque[Incoming] = deque()
        self._small_bytes = 0
        self._unfinished = 0
        self._closing = False
        self._syncs = ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="sync")
        self._write_backs = ThreadPoolExecutor(1, thread_name_prefix="write-back")
        self._threads = [
            threading.Thread(target=self._lane, args=(take,), name=name, daemon=True)
            for name, take in (("finish-small", self._take_small), ("finish-large", self._take_large))
        ]
        for thread in self._threads:
            thread.start()

    # -- for the receiving thread --------

    def submit(self, incoming: Incoming) -> None:
        """Finish this file; waits while too many small ones are in memory."""
        with self._changed:
            self._changed.wait_for(lambda: self._small_bytes < _SMALL_BYTES or self.error is not None)
            self._unfinished += 1
            if incoming.data is not None:
                self._small.append(incoming)
                self._small_bytes += len(incoming.data)
            else:
                self._large.append(incoming)
            if len(self._small) == 1 or incoming.data is None:  # a lane that has something to do does not wait
                self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait until everything submitted has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._unfinished or self.error is not None, timeout)

    hand_over = drain

    @property
    def full(self) -> bool:
        """Never: `submit` waits."""
        return False

    @property
    def busy(self) -> bool:
        """Never: a file is visible before it is noticed that it is."""
        return False

    def write_back(self, incoming: Incoming, target: Target) -> None:
        """Have the bytes of a large part written to disk, and out of the cache, while more of them come."""
        if incoming.unsynced < _WRITE_BACK or (incoming.write_back is not None and not incoming.write_back.done()):
            return
        incoming.unsynced = 0
        try:
            copy = os.dup(incoming.fd)
        except OSError:
            return  # too many open files just now; the sync before the rename does all of it
        incoming.write_back = self._write_backs.submit(_sync_copy, target, copy)

    def still_runs(self, incoming: Incoming) -> bool:
        """What is finished here is on record whoever has its partitions then: nobody has to wait for it."""
        return False

    def at_work(self, incoming: Incoming) -> AtWork:
        """It is being finished."""
        return incoming.at_work("finishing")

    def kept(self, row: ReceivedFile) -> Incoming | None:
        """What failed is kept nowhere."""
        return None

    def close(self) -> None:
        """End after what is being finished now; what is only lined up is received again by whoever reads next."""
        with self._changed:
            self._closing = True
            self._small.clear()
            self._large.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._syncs.shutdown()
        self._write_backs.shutdown()

    # -- lanes -----------------------------------------------------------------------------------------

    def _take_small(self) -> list[Incoming]:
        return [self._small.popleft() for _ in range(min(_SMALL_BATCH, len(self._small)))]

    def _take_large(self) -> list[Incoming]:
        return [self._large.popleft()] if self._large else []

    def _lane(self, take: Callable[[], list[Incoming]]) -> None:
        target = Target(self._root)
        try:
            while True:
                with self._changed:
                    batch: list[Incoming] = []
                    while not batch:
                        batch = take()
                        if not batch and self._closing:
                            return
                        if not batch:
                            self._changed.wait()
                results = self._finish(batch, target)
                target.trim()
                with self._changed:
                    self._results += results
                    self._unfinished -= len(batch)
                    self._small_bytes -= sum(len(incoming.data or b"") for incoming in batch)
                    self._changed.notify_all()
        except BaseException as error:
            log.debug("finishing ended", exc_info=True)
            with self._changed:
                self.error = self.error or error
                self._changed.notify_all()
        finally:
            target.close()

    def _finish(self, batch: list[Incoming], target: Target) -> list[Finished]:
        """Finish a batch of files, every step for all of them before the next step."""
        results: list[Finished] = []
        written: list[tuple[Incoming, Folder]] = []
        folders: dict[tuple[str, ...], Folder] = {}
        for incoming in batch:
            try:
                parts = incoming.parts[:-1]
                folder = folders[parts] = folders.get(parts) or target.folder(parts)
                incoming.check(target, folder)
                if not self._is_there(incoming, target, folder):
                    self._write(incoming, target, folder)
                written.append((incoming, folder))
            except (WrongDigest, Contradiction) as error:
                results.append(self._failed(incoming, target, str(error)))
            except OSError as error:
                results.append(self._os_failed(incoming, target, error))
        results += self._synced(written, target)
        return results

    def _is_there(self, incoming: Incoming, target: Target, folder: Folder) -> bool:
        """Does the target already hold these very bytes? Then they are not written again, only its time is set."""
        if target.size_of(folder, incoming.name) != incoming.size:
            return False
        fd = target.open_existing(folder, incoming.name)
        if fd is None:
            return False
        with os.fdopen(fd, "rb", buffering=0) as file:
            if not _same_digest(file.fileno(), incoming.reassembly.digest):
                return False
            target.sync(file.fileno())  # a run that was killed before its own sync may have put it there
        set_time(incoming, incoming.name, target, folder)
        if incoming.fd >= 0:
            incoming.close()
            target.remove(folder, incoming.part)
        return True

    def _write(self, incoming: Incoming, target: Target, folder: Folder) -> None:
        if incoming.data is not None:
            incoming.make_part(target, folder)
            write_all(incoming.fd, incoming.data)
        set_time(incoming, incoming.part, target, folder)

    def _synced(self, written: list[tuple[Incoming, Folder]], target: Target) -> list[Finished]:
        """Sync the parts side by side, then publish what could be synced."""
        failures = self._sync([incoming.fd for incoming, _ in written if incoming.fd >= 0], target)
        results: list[Finished] = []
        durable: list[tuple[Incoming, Folder]] = []
        for incoming, folder in written:
            error = failures.get(incoming.fd)
            if error is None:
                durable.append((incoming, folder))
            else:
                results.append(self._os_failed(incoming, target, error))
        with self._rows.turn:
            results += self._publish(durable, target)
        return results

    def _sync(self, parts: list[int], target: Target) -> dict[int, OSError]:
        """Make these open parts durable, each thread a share of them; what failed, by descriptor.

        A task for each part cost more than the syncs. All are on their way to disk before the first is waited for, so
        that one entry of the file system's journal serves many.
        """
        for fd in parts:
            target.write_out(fd)
        share = -(-len(parts) // _SYNC_THREADS) or 1
        shares = [parts[at : at + share] for at in range(0, len(parts), share)]
        failures: dict[int, OSError] = {}
        for failed in self._syncs.map(lambda fds: _sync_all(fds, target), shares):
            failures |= failed
        return failures

    def _publish(self, durable: list[tuple[Incoming, Folder]], target: Target) -> list[Finished]:
        """Rename, sync the folders, write the rows: the files become visible and are on record."""
        results: list[Finished] = []
        renamed: dict[int, Folder] = {}
        rows: list[ReceivedFile] = []
        for incoming, folder in durable:
            results.append(self._put_in_place(incoming, folder, target, renamed, rows))
        for sync in [self._syncs.submit(target.sync_folder, folder) for folder in renamed.values()]:
            try:
                sync.result()
            except OSError as error:  # what is renamed may not last, so no row may say that it does
                raise FolderError(
                    f"a folder of the target cannot be made durable: {error.strerror or error}",
                    "look at its disk, then start again",
                ) from error
        if rows:
            self._rows.ledger.write(rows)
        return results

    def _put_in_place(
        self, incoming: Incoming, folder: Folder, target: Target,
        renamed: dict[int, Folder], rows: list[ReceivedFile],
    ) -> Finished:  # fmt: skip
        there = self._rows.ledger.get(incoming.path)
        if there is not None and not is_newer(incoming.place, place_of(there)):
            return self._superseded(incoming, target, folder)
        ending = Ending.UNCHANGED
        if incoming.fd >= 0:
            try:
                incoming.put_in_place(target, folder)
            except OSError as error:
                return self._os_failed(incoming, target, error, rows)
            ending = Ending.DELIVERED
        renamed[id(folder)] = folder
        rows.append(received(incoming))
        return Finished(incoming, ending)

    def _superseded(self, incoming: Incoming, target: Target, folder: Folder) -> Finished:
        if incoming.fd >= 0:
            incoming.close()
            target.remove(folder, incoming.part)
        return Finished(incoming, Ending.SUPERSEDED)

    def _os_failed(
        self, incoming: Incoming, target: Target, error: OSError, rows: list[ReceivedFile] | None = None
    ) -> Finished:
        """What passes sets the file aside, anything else fails it, unless the disk is no disk any more."""
        if ending_of(error) is Ending.LATER:
            incoming.discard(target)
            return Finished(incoming, Ending.LATER, error.strerror or str(error))
        return self._failed(incoming, target, error.strerror or str(error), rows)

    def _failed(
        self, incoming: Incoming, target: Target, reason: str, rows: list[ReceivedFile] | None = None
    ) -> Finished:
        incoming.discard(target)
        row = received(incoming, reason)
        if rows is not None:
            rows.append(row)
        else:
            self._rows.record([row])
        return Finished(incoming, Ending.FAILED, reason)


def ending_of(error: OSError) -> Ending:
    """What an error of the disk means for one file. A broken disk, or one turned read-only, is no matter of one file: raised."""
    if error.errno in _DISK_BROKEN:
        raise FolderError(
            f"the target folder's disk cannot be used: {error.strerror}", "repair or remount it, then start again"
        ) from error
    return Ending.LATER if error.errno in _PASSING else Ending.FAILED


def place_of(there: ReceivedFile) -> Place:
    """Where a version that was received stands in the topic."""
    return Place(
        there.partition, there.first_offset, there.timestamp_ms, there.last_timestamp_ms,
        there.mtime_ns if is_named_by_content(there.generation) else None,
    )  # fmt: skip


def received(incoming: Incoming, reason: str | None = None, ended: Finished | None = None) -> ReceivedFile:
    """The row for a file that was delivered, or that failed for a reason; `ended` tells what somebody's code did to it."""
    ran = ended or Finished(incoming, Ending.DELIVERED)
    return ReceivedFile(
        incoming.path, "delivered" if reason is None else "failed", incoming.generation, incoming.partition,
        incoming.first_offset, incoming.timestamp_ms, incoming.last_timestamp_ms, incoming.size,
        incoming.reassembly.mtime_ns, incoming.reassembly.digest, reason, time.time(),
        " ".join(f"{p}:{o}" for p, o in incoming.firsts.items() if (p, o) != (incoming.partition, incoming.first_offset)) or None,
        incoming.reassembly.chunks, ran.attempts, ran.kind, ran.detail, incoming.began,
    )  # fmt: skip


def set_time(incoming: Incoming, name: str, target: Target, folder: Folder) -> None:
    """Give the file its sender's time, when the sender has told it."""
    if incoming.reassembly.mtime_ns is not None:
        target.set_mtime(folder, name, incoming.reassembly.mtime_ns)


def _same_digest(fd: int, expected: str | None) -> bool:
    hasher = digest.new_like(expected)
    while data := os.read(fd, 1 << 20):
        hasher.update(data)
    return digest.text_of(hasher) == expected


def _sync_all(fds: list[int], target: Target) -> dict[int, OSError]:
    failures: dict[int, OSError] = {}
    for fd in fds:
        try:
            target.sync(fd)
        except OSError as error:
            failures[fd] = error
    return failures


def _sync_copy(target: Target, fd: int) -> None:
    try:
        os.fdatasync(fd) if hasattr(os, "fdatasync") else os.fsync(fd)
        target.write_out(fd)
    except OSError:
        pass  # the sync before the rename meets the same error and deals with it
    finally:
        os.close(fd)
