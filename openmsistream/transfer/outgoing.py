"""One file on its way to the topic: its reading, what is unacknowledged of it, and how far it is safe to go on from."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from typing import BinaryIO

from openmsistream.files.chunk import Chunk, FileState
from openmsistream.files.split import Reading
from openmsistream.ledger.sent import SentFile, State


@dataclass(slots=True)
class Outgoing:
    """A generation being sent. `resume_at` chunks from the front are acknowledged already and have `resume_digest`."""

    reading: Reading
    file: BinaryIO
    partition: int
    resume_at: int = 0
    resume_digest: str | None = None
    compare_with: str | None = None
    acked: int = 0
    acked_digest: str | None = None
    first_offset: int | None = None
    digest: str | None = None
    changed_again: bool = False
    given_up: bool = False
    _unacked: deque[tuple[int, str]] = field(default_factory=deque)
    _early: set[int] = field(default_factory=set)

    @property
    def path(self) -> str:
        return self.reading.path

    @property
    def generation(self) -> str:
        return self.reading.generation

    @property
    def state(self) -> FileState:
        return self.reading.state

    @property
    def small(self) -> bool:
        """Does it travel in one chunk?"""
        return self.state.size <= self.reading.chunk_size

    @property
    def preparing(self) -> bool:
        """Is it still being read without sending: up to where it was acknowledged, or to compare its content?"""
        return self.compare_with is not None or self.reading.index < self.resume_at

    def sent_one(self, chunk: Chunk) -> None:
        """A chunk has been given to the producer."""
        self._unacked.append((chunk.index, self.reading.digest))
        self.digest = chunk.digest or self.digest

    def acknowledged(self, index: int, offset: int) -> None:
        """A chunk has reached the topic. Only what is acknowledged without a gap counts."""
        if index == 0:
            self.first_offset = offset
        self._early.add(index)
        while self._unacked and self._unacked[0][0] in self._early:
            done, self.acked_digest = self._unacked.popleft()
            self._early.discard(done)
            self.acked = done + 1

    @property
    def delivered(self) -> bool:
        """Has every chunk of the file been acknowledged?"""
        return self.digest is not None and not self._unacked

    @property
    def bytes_acked(self) -> int:
        return min(self.acked * self.reading.chunk_size, self.state.size)

    def row(self, state: State, now: float, reason: str | None = None) -> SentFile:
        """What the ledger keeps of it. A file that was racy when read is noted so that its state never matches again."""
        file = self.state
        if state == "sent" and self.reading.racy:
            file = FileState(file.size, file.mtime_ns, 0, file.inode)
        return SentFile(
            self.path, state, file, self.generation, self.partition, self.reading.chunk_size,
            self.acked, self.acked_digest, self.first_offset, self.digest if state == "sent" else None, reason, now,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the file on disk; its chunks may still be on their way."""
        self.file.close()


def open_unbuffered(fd: int) -> BinaryIO:
    """The descriptor as a file without a buffer of its own: chunks are large, and a copy is a copy."""
    return os.fdopen(fd, "rb", buffering=0)
