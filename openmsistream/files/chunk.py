"""The values that travel: a file's state on disk, a chunk of a generation, and the word that one was abandoned."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one version of a file from the next without reading it: size in bytes, times in ns, inode."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)

    @property
    def changed_ns(self) -> int:
        """The latest time at which content, name or attributes changed, as the file system's clock has it."""
        return max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of bytes of one generation of one file, with its place in it.

    `path` is relative to the root, POSIX style. `index` counts from 0, `offset` and `size` (of the whole file) are
    bytes. `count` is the number of chunks, `digest` that of the whole file. What a chunk does not know is None: in the
    native form `count` and `digest` stand in the last chunk only, in the msgpack form `size` does, and the time may be
    missing.
    """

    path: str
    generation: str
    index: int
    offset: int
    size: int | None
    mtime_ns: int | None
    data: bytes
    digest: str | None = None
    count: int | None = None

    @property
    def end(self) -> int:
        return self.offset + len(self.data)

    @property
    def is_last(self) -> bool:
        return self.count == self.index + 1


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The sender gave this generation up: the file changed while it was being read. It will never be complete."""

    path: str
    generation: str


CONTENT_MARK = "m"
"""The first letter of the ids of versions in the msgpack form, which are made of path, content and time."""


def is_named_by_content(generation: str) -> bool:
    """Is this a version in the msgpack form? The same one may return, and its chunks may be scattered over partitions."""
    return generation.startswith(CONTENT_MARK)


def new_generation() -> str:
    """A random id for one version of a file's content: 32 hex digits."""
    return secrets.token_hex(16)
