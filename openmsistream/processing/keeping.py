"""Where a whole file is kept while somebody's code runs on it: in memory, under its name in a folder, or both."""

from __future__ import annotations

import errno
import io
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk
from openmsistream.files.names import BadName, local_parts
from openmsistream.ledger.received import ReceivedFile
from openmsistream.transfer.disk import Target
from openmsistream.transfer.finishing import set_time
from openmsistream.transfer.incoming import Incoming, write_all
from openmsistream.transfer.memory import Memory
from openmsistream.transfer.wanted import Wanted

from .file import File, Source

Mode = Literal["memory", "disk", "both"]
MODES: tuple[Mode, ...] = ("memory", "disk", "both")


class NotKept(OSError):
    """What is kept under the name of a file is not this version of it."""

    def __init__(self) -> None:
        super().__init__(
            errno.EEXIST, "the topic no longer holds it, and what stands in the folder is not this version"
        )


class Kept(Incoming):
    """A file that has failed and is taken from the folder, because the topic no longer holds it."""

    def __init__(self, row: ReceivedFile, parts: tuple[str, ...]) -> None:
        chunk = Chunk(row.path, row.generation, 0, 0, row.size, row.mtime_ns, b"", row.digest, max(1, row.chunks))
        super().__init__(chunk, parts, row.partition, row.first_offset, row.timestamp_ms)
        for index in range(max(1, row.chunks)):
            self.reassembly.place(replace(chunk, index=index))
        self.last_timestamp_ms = row.last_timestamp_ms
        self.firsts = row.firsts
        self.began = row.began or row.updated

    @property
    def still_to_come(self) -> int:
        """Nothing: all of it is there."""
        return 0


@dataclass(frozen=True)
class Keeping:
    """How files of one topic are kept below one root; `memory_limit` in bytes."""

    root: Path
    topic: str
    mode: Mode
    memory_limit: int

    def wanted(self) -> Wanted:
        """What the receiving side has to know of it."""
        memory = None if self.mode == "disk" else Memory(self.memory_limit)
        return Wanted(each_version=True, kept=self.mode != "memory", memory=memory)

    def whole(self, incoming: Incoming, target: Target) -> File:
        """Compare the digest and put the file where it is kept. Raises WrongDigest, Contradiction or OSError.

        In a folder it is durable before the code runs, and so before its offset is committed.
        """
        if isinstance(incoming, Kept):
            return self._again(incoming, target)
        kept = self.mode != "memory"
        folder = target.folder(incoming.parts[:-1]) if kept or not incoming.in_memory else None
        incoming.check(target, folder)
        if kept:
            assert folder is not None
            if incoming.fd < 0:
                assert incoming.data is not None
                incoming.make_part(target, folder)
                write_all(incoming.fd, incoming.data)
            set_time(incoming, incoming.part, target, folder)
            target.sync(incoming.fd)
            incoming.put_in_place(target, folder)
            target.sync_folder(folder)
        return self._file(incoming, self._place(incoming))

    def kept(self, row: ReceivedFile) -> Kept | None:
        """A file that failed, when the folder still holds one of its name and size."""
        try:
            parts = local_parts(row.path)
            size = (self.root / PurePosixPath(*parts)).lstat().st_size
        except (BadName, OSError):
            return None
        return Kept(row, parts) if self.mode != "memory" and row.digest is not None and size == row.size else None

    def _again(self, kept: Kept, target: Target) -> File:
        """The file as it is kept, if it is still the same one. Raises NotKept."""
        data = io.BytesIO() if self.mode == "both" and kept.size <= self.memory_limit else None
        hasher = digest.new_like(kept.reassembly.digest)
        try:
            fd = target.open_existing(target.folder(kept.parts[:-1]), kept.name)
            if fd is None:
                raise NotKept()
            with open(fd, "rb", buffering=0) as file:
                while block := file.read(1 << 20):
                    hasher.update(block)
                    if data is not None:
                        data.write(block)
        except OSError as error:
            raise NotKept() from error
        if digest.text_of(hasher) != kept.reassembly.digest:
            raise NotKept()
        kept.data = None if data is None else data.getvalue()
        return self._file(kept, self._place(kept))

    def as_it_is(self, incoming: Incoming) -> File:
        """The file as it came, whatever its digest is; not under its name."""
        return self._file(incoming, None if incoming.data is not None else self._part(incoming))

    def _file(self, incoming: Incoming, place: Path | None) -> File:
        reassembly = incoming.reassembly
        return File(
            incoming.path,
            Source(self.topic, incoming.partition, incoming.first_offset, incoming.generation),
            size=incoming.size, digest=reassembly.digest or "", mtime_ns=reassembly.mtime_ns, chunks=reassembly.chunks,
            data=None if self.mode == "disk" and place is not None else incoming.data, place=place,
        )  # fmt: skip

    def _place(self, incoming: Incoming) -> Path | None:
        if self.mode != "memory":
            return self.root / PurePosixPath(*incoming.parts)
        return None if incoming.data is not None else self._part(incoming)

    def _part(self, incoming: Incoming) -> Path:
        return self.root / PurePosixPath(*incoming.parts[:-1], incoming.part)
