"""A settled file is opened, and what the ledger says of its path decides what is sent of it: a generation on its way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from openmsistream.files.chunk import FileState
from openmsistream.files.source import Chosen, Ranges, Source
from openmsistream.files.split import Changed, Reading
from openmsistream.files.wire import Form
from openmsistream.kafka.partitions import partition_of
from openmsistream.ledger.sent import SentFile

from .disk.origin import Origin
from .outgoing import Outgoing
from .versions import Version, version_to_send

Select = Callable[[str], Ranges | None]
"""Somebody's code: the bytes of the file at a relative path that are to be sent; None, or no ranges, for all of them."""


def all_of_it(path: str) -> Ranges | None:
    """The whole file."""
    return None


class SelectFailed(Exception):
    """The user's `select_bytes` of a file raised, or gave what cannot be; the text says so."""


class Kept(Protocol):
    """What was kept of a path when it was last sent."""

    def get(self, path: str) -> SentFile | None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is open, its state then, and the bytes of it that are to be sent."""

    path: str
    file: BinaryIO
    state: FileState
    source: Source
    size: int

    @property
    def whole(self) -> bool:
        """Is all of it to be sent?"""
        return self.source is self.file


def opened(path: str, fd: int, select: Select) -> Opened:
    """The file of this descriptor, which is closed when the file is or when this raises. Raises SelectFailed."""
    file = os.fdopen(fd, "rb", buffering=0)  # without a buffer of its own: chunks are large, and a copy is a copy
    state = FileState.of(os.fstat(fd))
    try:
        ranges = select(path)
        if not ranges:
            return Opened(path, file, state, file, state.size)
        chosen = Chosen(file, ranges, state.size)
    except Exception as error:  # the user's code may raise anything, and the other files go on
        file.close()
        raise SelectFailed(f"the bytes to send could not be chosen: {error or type(error).__name__}") from error
    return Opened(path, file, state, chosen, chosen.size)


class Opening:
    """How the files of one root are opened and begun, in one form of records."""

    def __init__(
        self, records: Kept, origin: Origin, form: Form, *, chunk_size: int, known_too: bool, select: Select
    ) -> None:
        self.form = form
        self._records = records
        self._origin = origin
        self._chunk_size = chunk_size
        self._known_too = known_too
        self._select = select

    def open(self, path: str) -> Opened:
        """The file under this path. Raises OSError (`NotSent` among them) and SelectFailed."""
        return opened(path, self._origin.open(path), self._select)

    def is_large(self, found: Opened) -> bool:
        """Does it travel in several chunks?"""
        return found.size > self._chunk_size

    def version(self, found: Opened, partitions: int) -> Version | None:
        """What is to be sent of this file; None when it is nothing."""
        return version_to_send(
            self._records.get(found.path), found.state, self.form,
            partition=partition_of(self.form.partition_key(found.path), partitions), partitions=partitions,
            chunk_size=self._chunk_size, known_too=self._known_too, now=time.time(), all_of_it=found.whole,
        )  # fmt: skip

    def outgoing(self, found: Opened, version: Version) -> Outgoing:
        """The generation on its way."""
        reading = Reading(
            found.source, found.path, version.generation, found.state, version.chunk_size,
            lambda: self._state_now(found), time.time_ns, size=found.size, digest_first=self.form.digest_first,
        )  # fmt: skip
        return Outgoing(
            reading, found.file, version.partition,
            resume_at=version.resume_at, resume_digest=version.resume_digest, resume_whole=version.resume_whole,
            first=None if version.compare_with is not None else reading.first_reading(),
            first_twice=version.first_twice, compare_with=version.compare_with,
            acked=version.resume_at, acked_digest=version.resume_digest, first_offset=version.first_offset,
            digest=version.resume_whole, resumed=version.resume_at > 0,
            whole=found.whole, last_news=version.last_news,
        )  # fmt: skip

    def _state_now(self, found: Opened) -> FileState:
        try:
            open_now, named_now = FileState.of(os.fstat(found.file.fileno())), self._origin.state(found.path)
        except FileNotFoundError:
            raise Changed("it was deleted while it was read") from None
        return named_now if open_now == found.state else open_now
