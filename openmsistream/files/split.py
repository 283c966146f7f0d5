"""A file becomes chunks: read once, from front to back, and given up when it changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from . import digest
from .chunk import Chunk, FileState

RACY_NS = 20_000_000
"""Two writes within one tick of the file system's clock (4 ms, up to 10 on old kernels) can leave the same times
and size. What was read within this many ns of the file's last change is read twice, at most 20 ms worth of bytes;
when that was all of it, the file's state is not trusted later."""


class Changed(Exception):
    """The file is no longer what it was when its reading began; the text says what changed."""


class Reading:
    """One generation of one file on its way from disk to chunks.

    `file` is unbuffered and stands at its beginning; `now` gives the file's present state, from the open file and from
    its path, and raises Changed when the path is another file or none; `clock_ns` is Unix time in ns. The caller closes
    `file`.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: str,
        generation: str,
        state: FileState,
        chunk_size: int,
        now: Callable[[], FileState],
        clock_ns: Callable[[], int],
    ) -> None:
        self.path = path
        self.generation = generation
        self.state = state
        self.chunk_size = chunk_size
        self.index = 0
        self.offset = 0
        self._file = file
        self._now = now
        self._clock_ns = clock_ns
        self.racy = False
        self._hasher = digest.new()
        self._unsure: tuple[int, str] | None = None  # how many bytes from the front are read twice, and their digest

    @property
    def done(self) -> bool:
        """Has the last chunk been read?"""
        return self.offset == self.state.size and self.index > 0

    @property
    def digest(self) -> str:
        """The digest of all that has been read so far."""
        return digest.text(self._hasher)

    def read(self) -> Chunk:
        """The next chunk. Raises Changed, at the latest before the last chunk is given out."""
        data = self._take(min(self.chunk_size, self.state.size - self.offset))
        offset, index = self.offset, self.index
        self.offset += len(data)
        self.index += 1
        last = self.offset == self.state.size
        if last:
            self.check_unchanged()
        return Chunk(
            self.path, self.generation, index, offset, self.state.size, self.state.mtime_ns, data,
            self.digest if last else None,
        )  # fmt: skip

    def skip(self, chunks: int) -> str:
        """Read past the first chunks without giving them out, and return their digest: how an upload is resumed."""
        for _ in range(chunks):
            self.offset += len(self._take(min(self.chunk_size, self.state.size - self.offset)))
            self.index += 1
        return self.digest

    def _take(self, length: int) -> bytes:
        unsure = self._is_racy()  # asked before the bytes are: what comes later than a tick after the change is sure
        data = self._file.read(length)
        while len(data) < length:
            more = self._file.read(length - len(data))
            if not more:
                raise Changed(f"it shrank to {self.offset + len(data)} bytes while it was read")
            data += more
        self._hasher.update(data)
        if unsure:
            self._unsure = self.offset + length, self.digest
        return data

    def _is_racy(self) -> bool:
        return abs(self._clock_ns() - self.state.changed_ns) < RACY_NS

    def check_unchanged(self) -> None:
        """Raise Changed unless the file is still what it was when its reading began."""
        self.racy = self._is_racy()
        if self.racy:
            self._unsure = self.offset, self.digest
        if self._unsure is not None:
            self._read_again(*self._unsure)
        now = self._now()
        if now != self.state:
            raise Changed(describe_change(self.state, now))

    def _read_again(self, length: int, expected: str) -> None:
        """Compare with a second reading what the clock is too coarse to vouch for."""
        again = digest.new()
        self._file.seek(0)
        while length > 0 and (data := self._file.read(min(length, self.chunk_size))):
            again.update(data)
            length -= len(data)
        if digest.text(again) != expected:
            raise Changed("it was written to while it was read")


def describe_change(before: FileState, now: FileState) -> str:
    """In words, what of a file's state differs."""
    if now.inode != before.inode:
        return "it was replaced while it was read"
    if now.size != before.size:
        return f"it {'grew' if now.size > before.size else 'shrank'} to {now.size} bytes while it was read"
    return "it was written to while it was read"
