"""One file on its way to the topic: its reading, what is unacknowledged of it, and how far it is safe to go on from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import BinaryIO

from openmsistream.files.chunk import Chunk, FileState
from openmsistream.files.split import Changed, FirstReading, Reading
from openmsistream.ledger.sent import SentFile, State

from .versions import given_up_by_readers

_NOT_THE_SAME = "its acknowledged part is no longer the same"

AHEAD = -1
"""In place of a chunk's number: a copy of chunk 0 that is sent before it."""


@dataclass(slots=True)
class Outgoing:
    """A generation being sent. `resume_at` chunks from the front are acknowledged already and have `resume_digest`.

    `first`: a reading that has to come before anything is sent; its digest must then be `resume_whole`, where that is
    known. `first_twice`: its chunk 0 is sent twice, since a generation before it was left unfinished. `whole`: all of the
    file is sent, not chosen bytes. `last_news`: Unix time at which it was begun or last acknowledged; None before its first
    chunk.
    """

    reading: Reading
    file: BinaryIO
    partition: int
    resume_at: int = 0
    resume_digest: str | None = None
    resume_whole: str | None = None
    first: FirstReading | None = None
    first_twice: bool = False
    compare_with: str | None = None
    acked: int = 0
    acked_digest: str | None = None
    first_offset: int | None = None
    digest: str | None = None
    resumed: bool = False
    changed_again: bool = False
    given_up: bool = False
    whole: bool = True
    last_news: float | None = None
    noted: float = 0.0
    _all_sent: bool = False
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
    def size(self) -> int:
        """The bytes that are to be sent."""
        return self.reading.size

    @property
    def small(self) -> bool:
        """Does it travel in one chunk?"""
        return self.size <= self.reading.chunk_size

    @property
    def preparing(self) -> bool:
        """Is it still being read without sending: for a digest, up to where it was acknowledged, or to compare it?"""
        return self.first is not None or self.compare_with is not None or self.reading.index < self.resume_at

    def prepare(self, chunks: int) -> None:
        """Read so many chunks without sending them. Raises Changed when the file is not what was begun to be sent."""
        for _ in range(chunks):
            if self.first is not None:
                self._read_first(self.first)
            else:
                self.reading.skip(1)
                if self.compare_with is None:
                    self._check_front(self.reading.index, self.reading.digest)
            if not self.preparing or self.reading.done:
                return

    def _read_first(self, first: FirstReading) -> None:
        first.step()
        self._check_front(first.index, first.digest)
        if first.index == self.resume_at:
            first.sent_up_to_here()
        if first.done:
            if self.resume_at and first.digest != self.resume_whole:
                raise Changed(_NOT_THE_SAME)
            self.digest, self.first = first.digest, None
            self.reading.on_from(first)

    def _check_front(self, index: int, digest: str) -> None:
        if index == self.resume_at and digest != self.resume_digest:
            raise Changed(_NOT_THE_SAME)

    def copies_of(self, chunk: Chunk) -> tuple[int, ...]:
        """The numbers under which a chunk is sent, once for each."""
        return (AHEAD, 0) if chunk.index == 0 and self.first_twice else (chunk.index,)

    def sent_one(self, chunk: Chunk, now: float) -> None:
        """A chunk has been given to the producer, as often as is needed."""
        if self.last_news is None:
            self.last_news = now
        self._unacked.extend((number, self.reading.digest) for number in self.copies_of(chunk))
        if chunk.is_last:
            self.digest, self._all_sent = self.reading.digest, True

    def length_of(self, index: int) -> int:
        """The bytes of the file that the acknowledgement of this chunk stands for."""
        return max(0, min(self.reading.chunk_size, self.size - index * self.reading.chunk_size)) if index >= 0 else 0

    def acknowledged(self, index: int, offset: int, now: float) -> None:
        """A chunk has reached the topic. Only what is acknowledged without a gap counts."""
        self.last_news = now
        if index == (AHEAD if self.first_twice else 0):
            self.first_offset = offset
        self._early.add(index)
        while self._unacked and self._unacked[0][0] in self._early:
            done, self.acked_digest = self._unacked.popleft()
            self._early.discard(done)
            self.acked = done + 1

    @property
    def delivered(self) -> bool:
        """Has every chunk of the file been acknowledged?"""
        return self._all_sent and not self._unacked

    @property
    def on_its_way(self) -> bool:
        """Is anything of it sent and not acknowledged?"""
        return bool(self._unacked)

    @property
    def bytes_acked(self) -> int:
        return min(self.acked * self.reading.chunk_size, self.size)

    def silent_too_long(self, now: float) -> bool:
        """Was there nothing of it on the topic for so long that readers may wait for the rest no more?

        One chunk alone is never waited for.
        """
        return not self.small and self.last_news is not None and given_up_by_readers(self.last_news, now)

    def row(self, state: State, now: float, reason: str | None = None) -> SentFile:
        """What the ledger keeps of it. A file that was racy when read is noted so that its state never matches again.

        There is no generation in it, and so nothing to go on with, as long as nothing of it can have been sent; nor is a
        chunk size when chosen bytes are sent. The row of one that is on its way has the time of the last news of it.
        """
        if state == "sending" and self.last_news is not None:
            now = self.last_news
        file = self.state
        if state == "sent" and self.reading.racy:
            file = FileState(file.size, file.mtime_ns, 0, file.inode)
        return SentFile(
            self.path, state, file, None if self._nothing_begun else self.generation, self.partition,
            self.reading.chunk_size if self.whole else None, self.acked, self.acked_digest, self.first_offset, self.digest,
            reason, now, self.resumed,
        )  # fmt: skip

    @property
    def _nothing_begun(self) -> bool:
        only_read = self.first is not None or self.compare_with is not None
        return only_read and not self.resume_at and not self.first_twice

    def close(self) -> None:
        """Let go of the file on disk; its chunks may still be on their way."""
        self.file.close()
