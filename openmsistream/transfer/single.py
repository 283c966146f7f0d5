"""One file to one topic, without a ledger: every chunk acknowledged, or an error that says why not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable, FolderError, OpenMSIStreamError
from openmsistream.files.chunk import FileState
from openmsistream.files.names import BadName, parts_of
from openmsistream.files.split import Changed, Reading
from openmsistream.files.wire import Form, abandonment
from openmsistream.kafka.admin import Admin, TopicWish
from openmsistream.kafka.partitions import partition_of
from openmsistream.kafka.producer import ChunkProducer

from .opening import Select, SelectFailed, all_of_it, opened
from .topics import ensure_topic

_TRIES = 3
"""A file that changes while it is read is begun again; one that changes three times is still being written."""

SILENT_FOR = 60.0
"""Seconds without any acknowledgement after which the file counts as not sent: here nobody waits for days."""


@dataclass(frozen=True)
class OneFile:
    """A file on this disk, the relative path under which it is sent, in which form, and which bytes of it."""

    file: Path
    path: str
    form: Form
    chunk_size: int
    select: Select = all_of_it


def send_file(
    what: OneFile, topic: str, settings: Settings,
    moved: Callable[[int], None] = lambda count: None, stopped: Callable[[], bool] = lambda: False,
) -> int:  # fmt: skip
    """Send one file; gives how many bytes were sent when every chunk is acknowledged.

    `moved` hears of acknowledged bytes. Raises FolderError when the file cannot be read or keeps changing, and the
    broker's error when a chunk is not taken.
    """
    try:
        parts_of(what.path)
    except BadName as bad:
        raise FolderError(f"{str(what.file)!r} cannot be sent: {bad}", "give it another name") from bad
    found = ensure_topic(Admin.of(settings), topic, TopicWish(), what.chunk_size, what.form)
    partition = partition_of(what.form.partition_key(what.path), found.partitions)
    with closing(ChunkProducer(settings.producer.properties, found)) as producer:
        way = _Way(what, producer, partition, moved, stopped)
        for _ in range(_TRIES):
            try:
                return way.send()
            except Changed as change:
                reason = str(change)
                way.drain(0)
    raise FolderError(
        f"{what.file} was not sent: {reason}, {_TRIES} times", "send it again when nothing writes to it any more"
    )


class _Way:
    """From one file to one partition, as often as it has to be begun."""

    def __init__(
        self, what: OneFile, producer: ChunkProducer, partition: int, moved: Callable[[int], None],
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._what = what
        self._producer = producer
        self._partition = partition
        self._moved = moved
        self._stopped = stopped
        self._first_twice = False

    def send(self) -> int:
        """Send the file as it is now, all of it acknowledged; its bytes. Raises Changed, readers having been told."""
        what = self._what
        try:
            fd = os.open(what.file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise FolderError(
                f"{what.file} cannot be read: {error.strerror}", "give this user the right to read it"
            ) from error
        try:
            found = opened(what.path, fd, what.select)
        except SelectFailed as error:
            raise FolderError(f"{what.file} was not sent: {error}", "correct select_bytes") from error
        with found.file:
            reading = Reading(
                found.source, what.path, what.form.new_generation(), found.state, what.chunk_size,
                self._state_now, time.time_ns, size=found.size, digest_first=what.form.digest_first,
            )  # fmt: skip
            try:
                self._read_first(reading)
                while not reading.done:
                    self._send_next(reading)
            except OSError as error:
                raise FolderError(
                    f"{what.file} cannot be read: {error.strerror}", "look at its disk, then send it again"
                ) from error
            except Changed:
                self._abandon(reading)
                raise
        self.drain(0)
        return found.size

    def _read_first(self, reading: Reading) -> None:
        first = reading.first_reading()
        if first is None:
            return
        while not first.done:
            self._go_on()
            first.step()
        reading.on_from(first)

    def _send_next(self, reading: Reading) -> None:
        while not self._producer.room(self._partition):
            self.drain(1)
        chunk = reading.read()
        record = self._what.form.record(chunk)
        for count in (0, len(chunk.data)) if self._first_twice and not chunk.index else (len(chunk.data),):
            self._producer.send(self._partition, record.key, record.value, record.headers, count)

    def _abandon(self, reading: Reading) -> None:
        """Readers drop what they have of it; where they cannot be told so, the next first chunk is sent twice."""
        record = abandonment(reading.path, reading.generation)
        if record is not None:
            self._producer.send(self._partition, record.key, record.value, record.headers, 0)
        elif reading.index:
            self._first_twice = True

    def _state_now(self) -> FileState:
        try:
            return FileState.of(self._what.file.stat())
        except (FileNotFoundError, NotADirectoryError):
            raise Changed("it was deleted while it was read") from None

    def _go_on(self) -> None:
        if self._stopped():
            raise OpenMSIStreamError("stopped before the file was sent", "send it again")

    def drain(self, at_least: int) -> None:
        """Take reports: `at_least` so many, or with 0 until nothing is unacknowledged."""
        taken = 0
        deadline = time.monotonic() + SILENT_FOR
        while (taken < at_least) if at_least else not self._producer.idle:
            self._go_on()
            reports = self._producer.reports(0.2)
            if not reports and time.monotonic() > deadline:
                cause = self._producer.connection.last_cause
                raise BrokerUnreachable(
                    f"no chunk was acknowledged for {SILENT_FOR:g} s{f' ({cause})' if cause else ''}",
                    "check the broker, then send the file again",
                )
            for report in reports:
                self._producer.release(report)
                if report.error is not None:
                    raise report.error
                assert isinstance(report.token, int)
                self._moved(report.token)
                taken += 1
                deadline = time.monotonic() + SILENT_FOR
