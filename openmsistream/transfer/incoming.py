"""One file on its way from the topic to its folder: its chunks go to a part beside the target until it is whole."""

from __future__ import annotations

import io
import itertools
import os
import time
from concurrent.futures import Future
from dataclasses import dataclass

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, is_named_by_content
from openmsistream.files.reassembly import Contradiction, Reassembly

from .disk import Folder, Target
from .disk.common import part_name
from .memory import Memory, buffer_for
from .order import Place

_serials = itertools.count(1)


class WrongDigest(Exception):
    """All bytes have come, and their digest is not the one that the sender took."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """A file that is on its way. `state`: receiving, finishing or set aside; `reason` says why it waits.

    `chunks` and `received` (bytes) have come, of `count` and `size` in all when these are known; `missing` in words. Where
    somebody's code runs on files: running (`since`) in one of its `attempts`, or waiting, perhaps `until`. Unix times.
    """

    path: str
    state: str
    chunks: int
    count: int | None
    received: int
    size: int | None
    missing: str = ""
    reason: str = ""
    until: float | None = None
    since: float | None = None
    attempts: int = 0


class Incoming:
    """A generation being received: `partition`, `first_offset` and `timestamp_ms` are those of its first record.

    `firsts` holds the first of its records in each partition that is ours: one, unless OpenMSIStream's producers have
    scattered it. `began` and `last_news` are the Unix times of its first and its last new chunk. A file of one chunk stays in
    memory (`data`); any other goes to a part as it comes, or stays in memory too when there is room in `memory`. Used by one
    thread at a time: the receiving one, then a finishing one.
    """

    def __init__(
        self, chunk: Chunk, parts: tuple[str, ...], partition: int, offset: int, timestamp_ms: int,
        memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self.reassembly = Reassembly(chunk)
        self.parts = parts
        self.partition = partition
        self.first_offset = offset
        self.timestamp_ms = self.last_timestamp_ms = timestamp_ms
        self.firsts = {partition: offset}
        self.last_offset = offset
        self.last_news = 0.0
        self.began = time.time()
        self._reached: dict[int, int] = {}
        self._sent_again = False
        self.data: bytes | None = None
        self.unsynced = 0
        self.write_back: Future[None] | None = None
        self.given_up = False
        self.again = False  # it has failed, and somebody wants it tried once more
        self.fd = -1
        self.part = part_name(self.generation, next(_serials))
        self._on_disk = False
        self._hasher = digest.new_like(chunk.digest)
        self._hashed = 0
        self._memory = memory
        self._reserved = 0
        self._held: io.BytesIO | None = None
        if memory is not None and not _is_alone(chunk) and memory.takes(self.path, self.size):
            self._reserved = self.size
            self._held = buffer_for(self.size)
            self._held_runs: list[tuple[int, int]] = []  # places and lengths of what it holds, as it came

    @property
    def in_memory(self) -> bool:
        """Are its bytes in memory, those that are still to come included?"""
        return self._held is not None or self.data is not None or self.reassembly.count == 1

    @property
    def path(self) -> str:
        return self.reassembly.path

    @property
    def generation(self) -> str:
        return self.reassembly.generation

    @property
    def size(self) -> int:
        """Bytes; as long as no chunk has told, the most that it can be."""
        return self.reassembly.expected_size

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def still_to_come(self) -> int:
        """Bytes that will yet be written to disk."""
        if self._held is not None:
            return 0
        return self.size - self.reassembly.received if self.data is None else self.size

    @property
    def scatters(self) -> bool:
        """May its chunks come in any order and from several partitions?"""
        return is_named_by_content(self.generation)

    @property
    def place(self) -> Place:
        """Where it stands in the topic, as far as it is known."""
        return Place(
            self.partition, self.first_offset, self.timestamp_ms, self.last_timestamp_ms,
            self.reassembly.mtime_ns if self.scatters else None,
        )  # fmt: skip

    def met(self, partition: int, offset: int, timestamp_ms: int, *, new: bool) -> None:
        """A record of it stands here: the earliest tells where the generation begins, the latest where it ends.

        A chunk that is repeated further on (not `new`) is the beginning of the same version sent once more: what was sent
        between the two is older.
        """
        further = offset > self._reached.get(partition, -1)
        self._reached[partition] = max(offset, self._reached.get(partition, -1))
        self.last_timestamp_ms = max(self.last_timestamp_ms, timestamp_ms)
        if not new and further and not self._sent_again:
            self._sent_again = True
            self.partition, self.first_offset, self.timestamp_ms = partition, offset, timestamp_ms
        elif timestamp_ms < self.timestamp_ms and not self._sent_again:
            self.partition, self.first_offset, self.timestamp_ms = partition, offset, timestamp_ms

    def heard(self, partition: int, offset: int, timestamp_ms: int, now: float) -> None:
        """A new chunk of it has come; one that was read before a restart, and is read again, is no news."""
        if partition == self.partition:
            if offset > self.last_offset or not self.last_news:
                self.last_offset, self.last_news = offset, now
        elif timestamp_ms > self.last_news * 1000:
            self.last_news = now

    def add(self, chunk: Chunk, target: Target) -> bool:
        """Take a chunk; False when it is repeated. Raises Contradiction, or OSError when the part cannot be written."""
        if not self.reassembly.place(chunk):
            return False
        if _is_alone(chunk):
            self.data = chunk.data
            if self._memory is not None:
                self._memory.add(len(chunk.data))
                self._reserved = len(chunk.data)
            return True
        if self._held is not None and not self._has_room(chunk):
            self._spill(self._held, target)
        if self._held is not None:
            self._hold(self._held, chunk)
        else:
            if self.fd < 0:
                self.make_part(target, target.folder(self.parts[:-1]))
            write_all(self.fd, chunk.data)
            self.unsynced += len(chunk.data)
        if chunk.offset == self._hashed:
            self._hasher.update(chunk.data)
            self._hashed = chunk.end
        return True

    def _has_room(self, chunk: Chunk) -> bool:
        """Does it fit into what is reserved, or into more of it? The chunk met first may have told too little."""
        more = chunk.end - self._reserved
        if more > 0:
            assert self._memory is not None
            if not self._memory.takes(self.path, more):
                return False
            self._reserved += more
        return True

    def _hold(self, held: io.BytesIO, chunk: Chunk) -> None:
        """Each chunk goes to its place at once: to bring them into order in the end would take a second copy."""
        held.seek(chunk.offset)
        held.write(chunk.data)
        runs = self._held_runs
        if runs and sum(runs[-1]) == chunk.offset:
            runs[-1] = runs[-1][0], runs[-1][1] + len(chunk.data)
        else:
            runs.append((chunk.offset, len(chunk.data)))

    def _spill(self, held: io.BytesIO, target: Target) -> None:
        """What was held in memory goes to a part, in the order in which it came."""
        self.make_part(target, target.folder(self.parts[:-1]))
        with held.getbuffer() as view:
            for offset, length in self._held_runs:
                write_all(self.fd, view[offset : offset + length])
        self.release()

    def make_part(self, target: Target, folder: Folder) -> None:
        """Make an empty part beside the target."""
        self.fd = target.create(folder, self.part)
        self._on_disk = True

    def check(self, target: Target, folder: Folder | None) -> None:
        """Bring the bytes into the order of the file and compare the digest. Raises WrongDigest or Contradiction.

        What is in memory is `data` from then on.
        """
        if self.data is not None:
            self._hasher = digest.new_like(self.reassembly.digest)  # it may be checked a second time
            self._hasher.update(self.data)
        elif self._held is not None:
            self._take_held(self._held)
        elif not self.reassembly.in_order:
            assert folder is not None
            self._reorder(target, folder)
        found = digest.text_of(self._hasher)
        if found != self.reassembly.digest:
            raise WrongDigest(f"its digest is {found}, the sender's was {self.reassembly.digest}")

    def _take_held(self, held: io.BytesIO) -> None:
        """What was collected in memory becomes `data`, without a copy."""
        held.truncate(self.reassembly.received)
        if not self.reassembly.in_order:
            self.reassembly.extents()  # is all of it there, once?
            self._hasher = digest.new_like(self.reassembly.digest)
            with held.getbuffer() as view:
                self._hasher.update(view)
        self._held = None
        self.data = held.getvalue()

    def _reorder(self, target: Target, folder: Folder) -> None:
        """Copy the chunks that came out of order into a second part, in order, hashing them on the way."""
        extents = self.reassembly.extents()
        name = part_name(self.generation, next(_serials))
        ordered = target.create(folder, name)
        self._hasher = digest.new_like(self.reassembly.digest)
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

    def at_work(self, state: str) -> AtWork:
        """How far it is, for whoever wants to see."""
        done = self.reassembly
        missing = done.missing() if state == "receiving" else ""
        return AtWork(self.path, state, done.chunks, done.count, done.received, done.size, missing)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def put_in_place(self, target: Target, folder: Folder) -> None:
        """Its part becomes the file of its name, in place of what is there."""
        self.close()
        target.replace(folder, self.part, self.name)
        self._on_disk = False

    def discard(self, target: Target) -> None:
        """Let go of it, of its part, and of its room in memory."""
        self.given_up = True
        self.close()
        self.release()
        if self._on_disk:
            self._on_disk = False
            try:
                target.remove(target.folder(self.parts[:-1]), self.part)
            except OSError:
                pass  # it is removed at the next start

    def release(self) -> None:
        """What it held in memory may be somebody else's now."""
        if self._memory is not None:
            self._memory.give_back(self._reserved)
            self._reserved = 0
            self._held = self.data = None


def _is_alone(chunk: Chunk) -> bool:
    """Is this all there is of its file?"""
    return chunk.is_last and chunk.index == 0


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of it, however the system splits it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
