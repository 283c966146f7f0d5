"""A file becomes chunks: read from front to back, and given up when it changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from . import digest
from .chunk import Chunk, FileState
from .source import Source

RACY_NS = 20_000_000
"""Two writes within one tick of the file system's clock (4 ms, up to 10 on old kernels) can leave the same times
and size. What was read within this many ns of the file's last change is read twice, at most 20 ms worth of bytes;
when that was all of it, the file's state is not trusted later."""

_WRITTEN_TO = "it was written to while it was read"


class Changed(Exception):
    """The file is no longer what it was when its reading began; the text says what changed."""


class FirstReading:
    """A file read once before any of it is sent: what a form needs whose chunks each carry the digest of the whole file.

    After it a `Reading` goes `on_from` it, and gives out nothing at its end that differs from what was read here.
    """

    def __init__(self, source: Source, size: int, chunk_size: int) -> None:
        self.size = size
        self.chunk_size = chunk_size
        self.index = 0
        self.offset = 0
        self.start: tuple[int, int, digest.Hasher] = 0, 0, digest.new()
        self._source = source
        self._own = digest.new()
        self._sent = digest.new(digest.SHA512)

    @property
    def done(self) -> bool:
        """Has everything been read?"""
        return self.offset == self.size and self.index > 0

    @property
    def digest(self) -> str:
        """The digest of our own kind of all that has been read so far."""
        return digest.text_of(self._own)

    @property
    def digest_sent(self) -> str:
        """The digest that the chunks carry, once everything has been read."""
        return digest.text_of(self._sent)

    def step(self) -> None:
        """Read as much as goes into one chunk."""
        data = exactly(self._source, min(self.chunk_size, self.size - self.offset), self.offset)
        self._own.update(data)
        self._sent.update(data)
        self.offset += len(data)
        self.index += 1

    def sent_up_to_here(self) -> None:
        """The second reading need not begin before this place: what stands there has been sent."""
        self.start = self.index, self.offset, self._own.copy()


class Reading:
    """One generation of one file on its way from disk to chunks.

    `source` stands at its beginning and has `size` bytes to be sent, all of the file where nothing else is said; `now`
    gives the file's present state, from the open file and from its path, and raises Changed when the path is another
    file or none; `clock_ns` is Unix time in ns. With `digest_first` each chunk carries the digest of the whole file:
    one of several chunks has to be read by a FirstReading before. The caller closes the file.
    """

    def __init__(
        self,
        source: Source,
        path: str,
        generation: str,
        state: FileState,
        chunk_size: int,
        now: Callable[[], FileState],
        clock_ns: Callable[[], int],
        *,
        size: int | None = None,
        digest_first: bool = False,
    ) -> None:
        self.path = path
        self.generation = generation
        self.state = state
        self.chunk_size = chunk_size
        self.size = state.size if size is None else size
        self.index = 0
        self.offset = 0
        self.digest_first = digest_first
        self._first: FirstReading | None = None
        self._source = source
        self._now = now
        self._clock_ns = clock_ns
        self.racy = False
        self._hasher = digest.new()
        self._unsure: tuple[int, str] | None = None  # how many bytes from the front are read twice, and their digest

    @property
    def done(self) -> bool:
        """Has the last chunk been read?"""
        return self.offset == self.size and self.index > 0

    @property
    def chunks(self) -> int:
        """How many chunks the file has; one when it is empty."""
        return max(1, -(-self.size // self.chunk_size))

    @property
    def digest(self) -> str:
        """The digest of all that has been read so far."""
        return digest.text_of(self._hasher)

    def first_reading(self) -> FirstReading | None:
        """The reading that has to come before the first chunk; None when there is no need."""
        return FirstReading(self._source, self.size, self.chunk_size) if self.digest_first and self.chunks > 1 else None

    def on_from(self, first: FirstReading) -> None:
        """Begin to give out chunks, the first reading being done."""
        self._first = first
        self.index, self.offset, self._hasher = first.start
        self._source.seek(self.offset)

    def read(self) -> Chunk:
        """The next chunk. Raises Changed, at the latest before the last chunk is given out."""
        data = self._take(min(self.chunk_size, self.size - self.offset))
        offset, index = self.offset, self.index
        self.offset += len(data)
        self.index += 1
        last = self.offset == self.size
        if last:
            self.check_unchanged()
        return Chunk(
            self.path, self.generation, index, offset, self.size, self.state.mtime_ns, data,
            self._digest_in_chunk(data, last), self.chunks if last or self.digest_first else None,
        )  # fmt: skip

    def _digest_in_chunk(self, data: bytes, last: bool) -> str | None:
        if not self.digest_first:
            return self.digest if last else None
        if self._first is None:
            return digest.of(data, digest.SHA512)
        if last and self.digest != self._first.digest:
            raise Changed(_WRITTEN_TO)
        return self._first.digest_sent

    def skip(self, chunks: int) -> str:
        """Read past the first chunks without giving them out, and return their digest: how an upload is resumed."""
        for _ in range(chunks):
            self.offset += len(self._take(min(self.chunk_size, self.size - self.offset)))
            self.index += 1
        return self.digest

    def _take(self, length: int) -> bytes:
        unsure = self._is_racy()  # asked before the bytes are: what comes later than a tick after the change is sure
        data = exactly(self._source, length, self.offset)
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
        self.check_state()

    def check_state(self) -> None:
        """Raise Changed when size, times or inode are others than when its reading began; reads nothing."""
        now = self._now()
        if now != self.state:
            raise Changed(describe_change(self.state, now))

    def _read_again(self, length: int, expected: str) -> None:
        """Compare with a second reading what the clock is too coarse to vouch for."""
        again = digest.new()
        self._source.seek(0)
        while length > 0 and (data := self._source.read(min(length, self.chunk_size))):
            again.update(data)
            length -= len(data)
        self._source.seek(self.offset)
        if digest.text_of(again) != expected:
            raise Changed(_WRITTEN_TO)


def exactly(source: Source, length: int, offset: int) -> bytes:
    """So many bytes; raises Changed when there are not so many. `offset`: where they begin, for its words."""
    data = source.read(length)
    while len(data) < length:
        more = source.read(length - len(data))
        if not more:
            raise Changed(f"it shrank to {offset + len(data)} bytes while it was read")
        data += more
    return data


def describe_change(before: FileState, now: FileState) -> str:
    """In words, what of a file's state differs."""
    if now.inode != before.inode:
        return "it was replaced while it was read"
    if now.size != before.size:
        return f"it {'grew' if now.size > before.size else 'shrank'} to {now.size} bytes while it was read"
    return _WRITTEN_TO
