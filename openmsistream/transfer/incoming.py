"""One file on its way from the topic to its folder: its chunks go to a part beside the target until it is whole."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import Future

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk
from openmsistream.files.reassembly import Contradiction, Reassembly

from .disk import Folder, Target
from .disk.common import part_name

_serials = itertools.count(1)


class WrongDigest(Exception):
    """All bytes have come, and their digest is not the one that the sender took."""


class Incoming:
    """A generation being received. `first_offset` is that of its first record; `last_news` the Unix time of its last new chunk.

    A file of one chunk stays in memory (`data`); any other goes to a part as it comes. Used by one thread at a time: the
    receiving one, then a finishing one.
    """

    def __init__(self, chunk: Chunk, parts: tuple[str, ...], partition: int, offset: int, timestamp_ms: int) -> None:
        self.reassembly = Reassembly(chunk)
        self.parts = parts
        self.partition = partition
        self.first_offset = offset
        self.timestamp_ms = timestamp_ms
        self.last_offset = offset
        self.last_news = 0.0
        self.data: bytes | None = None
        self.unsynced = 0
        self.write_back: Future[None] | None = None
        self.given_up = False
        self.fd = -1
        self.part = part_name(self.generation, next(_serials))
        self._on_disk = False
        self._hasher = digest.new()
        self._hashed = 0

    @property
    def path(self) -> str:
        return self.reassembly.path

    @property
    def generation(self) -> str:
        return self.reassembly.generation

    @property
    def size(self) -> int:
        return self.reassembly.size

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def still_to_come(self) -> int:
        """Bytes that will yet be written."""
        return self.size - self.reassembly.received if self.data is None else self.size

    def add(self, chunk: Chunk, target: Target) -> bool:
        """Take a chunk; False when it is repeated. Raises Contradiction, or OSError when the part cannot be written."""
        if not self.reassembly.place(chunk):
            return False
        if chunk.is_last and chunk.index == 0:
            self.data = chunk.data
            return True
        if self.fd < 0:
            self.make_part(target, target.folder(self.parts[:-1]))
        write_all(self.fd, chunk.data)
        self.unsynced += len(chunk.data)
        if chunk.offset == self._hashed:
            self._hasher.update(chunk.data)
            self._hashed = chunk.end
        return True

    def make_part(self, target: Target, folder: Folder) -> None:
        """Make an empty part beside the target."""
        self.fd = target.create(folder, self.part)
        self._on_disk = True

    def check(self, target: Target, folder: Folder) -> None:
        """Bring the part's bytes into the order of the file and compare the digest. Raises WrongDigest or Contradiction."""
        if self.data is not None:
            found = digest.of(self.data)
        else:
            if not self.reassembly.in_order:
                self._reorder(target, folder)
            found = digest.text(self._hasher)
        if found != self.reassembly.digest:
            raise WrongDigest(f"its digest is {found}, the sender's was {self.reassembly.digest}")

    def _reorder(self, target: Target, folder: Folder) -> None:
        """Copy the chunks that came out of order into a second part, in order, hashing them on the way."""
        extents = self.reassembly.extents()
        name = part_name(self.generation, next(_serials))
        ordered = target.create(folder, name)
        self._hasher = digest.new()
        try:
            for extent in extents:
                for at in range(0, extent.length, 1 << 20):
                    os.lseek(self.fd, extent.position + at, os.SEEK_SET)
                    data = os.read(self.fd, min(1 << 20, extent.length - at))
                    if not data:
                        raise Contradiction("its part became shorter on disk")
                    self._hasher.update(data)
                    write_all(ordered, data)
        except BaseException:
            os.close(ordered)
            target.remove(folder, name)
            raise
        self.close()
        target.remove(folder, self.part)
        self.fd, self.part = ordered, name

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def discard(self, target: Target) -> None:
        """Let go of it and of its part."""
        self.given_up = True
        self.close()
        if self._on_disk:
            self._on_disk = False
            try:
                target.remove(target.folder(self.parts[:-1]), self.part)
            except OSError:
                pass  # it is removed at the next start


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however the system splits it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
