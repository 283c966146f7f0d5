"""A file's bytes on their way to Girder: in pieces, and hashed in passing."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator

from openmsistream.processing.file import File

from .reading import Reading

PIECE = 16 << 20
"""Bytes in one request, and in memory for each worker when the file is on disk. Girder takes none below 5 MiB but the
last, and its own client sends 64 MiB, so that proxies before a Girder let this through."""


class Content:
    """The content of a file. What is in memory is not copied, what is on disk is read piece by piece."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._sha256: str | None = None

    @property
    def sha256(self) -> str:
        """The digest by which files are recognised in Girder; reads all unless `pieces` has done so."""
        if self._sha256 is None:
            for _ in self.pieces():
                pass
        assert self._sha256 is not None
        return self._sha256

    def pieces(self) -> Iterator[bytes | memoryview]:
        """All pieces in their order. Raises DestinationError before the last one when the file has changed on disk."""
        sha256, left = hashlib.sha256(), self._file.size
        for piece in self._in_memory() if self._file.in_memory else self._on_disk():
            sha256.update(piece)
            left -= len(piece)
            if not left:
                self._sha256 = sha256.hexdigest()
            yield piece
        self._sha256 = sha256.hexdigest()

    def _in_memory(self) -> Iterator[memoryview]:
        data = memoryview(self._file.read_bytes())
        for start in range(0, self._file.size, PIECE):
            yield data[start : start + PIECE]

    def _on_disk(self) -> Iterator[bytes]:
        with Reading(self._file) as reading:
            while piece := reading.read(PIECE):
                yield piece


def media_type(name: str) -> str:
    """What kind of file a name stands for."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
