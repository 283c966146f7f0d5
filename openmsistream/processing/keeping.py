"""Where a whole file is kept while somebody's code runs on it: in memory, under its name in a folder, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from openmsistream.transfer.disk import Target
from openmsistream.transfer.finishing import set_time
from openmsistream.transfer.incoming import Incoming, write_all
from openmsistream.transfer.memory import Memory
from openmsistream.transfer.wanted import Wanted

from .file import File, Source

Mode = Literal["memory", "disk", "both"]
MODES: tuple[Mode, ...] = ("memory", "disk", "both")


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
            incoming.close()
            target.replace(folder, incoming.part, incoming.name)
            target.sync_folder(folder)
        return self._file(incoming, self._place(incoming))

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
