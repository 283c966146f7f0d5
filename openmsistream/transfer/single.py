"""One file to one topic, without a ledger: every chunk acknowledged, or an error that says why not."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable, FolderError, OpenMSIStreamError
from openmsistream.files.chunk import FileState, new_generation
from openmsistream.files.names import BadName, parts_of
from openmsistream.files.split import Changed, Reading
from openmsistream.files.wire import native
from openmsistream.kafka.admin import Admin, TopicWish
from openmsistream.kafka.partitions import partition_of
from openmsistream.kafka.producer import ChunkProducer, Report

from .outgoing import open_unbuffered
from .topics import check_wire, ensure_topic

_TRIES = 3
"""A file that changes while it is read is begun again; one that changes three times is still being written."""

SILENT_FOR = 60.0
"""Seconds without any acknowledgement after which the file counts as not sent: here nobody waits for days."""


def send_file(
    file: Path, path: str, topic: str, settings: Settings, chunk_size: int,
    moved: Callable[[int], None] = lambda count: None, stopped: Callable[[], bool] = lambda: False,
) -> int:  # fmt: skip
    """Send one file under the relative `path`; gives its size when every chunk is acknowledged.

    `moved` hears of acknowledged bytes. Raises FolderError when the file cannot be read or keeps changing, and the
    broker's error when a chunk is not taken.
    """
    try:
        parts_of(path)
    except BadName as bad:
        raise FolderError(f"{str(file)!r} cannot be sent: {bad}", "give it another name") from bad
    check_wire(settings)
    admin = Admin.of(settings)
    found = ensure_topic(admin, topic, TopicWish(), chunk_size)
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    with closing(ChunkProducer(settings.producer.properties, found, reports.put)) as producer:
        partition = partition_of(native.key(path), found.partitions)
        for _ in range(_TRIES):
            generation = new_generation()
            try:
                return _send(file, path, generation, partition, chunk_size, producer, reports, moved, stopped)
            except Changed as change:
                reason = str(change)
                producer.send(partition, native.key(path), b"", native.abandoned_headers(generation))
                _drain(producer, reports, 0, moved, lambda: False)
    raise FolderError(
        f"{file} was not sent: {reason}, {_TRIES} times", "send it again when nothing writes to it any more"
    )


def _send(
    file: Path, path: str, generation: str, partition: int, chunk_size: int, producer: ChunkProducer,
    reports: queue.SimpleQueue[Report], moved: Callable[[int], None], stopped: Callable[[], bool],
) -> int:  # fmt: skip
    try:
        source = open_unbuffered(os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
    except OSError as error:
        raise FolderError(f"{file} cannot be read: {error.strerror}", "give this user the right to read it") from error
    with source:
        state = FileState.of(os.fstat(source.fileno()))

        def now() -> FileState:
            try:
                return FileState.of(file.stat())
            except (FileNotFoundError, NotADirectoryError):
                raise Changed("it was deleted while it was read") from None

        reading = Reading(source, path, generation, state, chunk_size, now, time.time_ns)
        while not reading.done:
            while not producer.room(partition):
                _drain(producer, reports, 1, moved, stopped)
            try:
                chunk = reading.read()
            except OSError as error:
                raise FolderError(
                    f"{file} cannot be read: {error.strerror}", "look at its disk, then send it again"
                ) from error
            producer.send(partition, native.key(path), chunk.data, native.headers(chunk), chunk.index)
    _drain(producer, reports, 0, moved, stopped)
    return state.size


def _drain(
    producer: ChunkProducer, reports: queue.SimpleQueue[Report], at_least: int, moved: Callable[[int], None],
    stopped: Callable[[], bool],
) -> None:  # fmt: skip
    """Take reports: `at_least` so many, or with 0 until nothing is unacknowledged."""
    taken = 0
    deadline = time.monotonic() + SILENT_FOR
    while (taken < at_least) if at_least else not producer.idle:
        if stopped():
            raise OpenMSIStreamError("stopped before the file was sent", "send it again")
        try:
            report = reports.get(timeout=0.2)
        except queue.Empty:
            if time.monotonic() > deadline:
                cause = producer.connection.last_cause
                raise BrokerUnreachable(
                    f"no chunk was acknowledged for {SILENT_FOR:g} s{f' ({cause})' if cause else ''}",
                    "check the broker, then send the file again",
                ) from None
            continue
        producer.release(report)
        if report.error is not None:
            raise report.error
        moved(report.size)
        taken += 1
        deadline = time.monotonic() + SILENT_FOR
