"""`DataFileChunk`: a chunk of a file as the value of a record, under the names that programs written for OpenMSIStream read."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

from openmsistream.files.chunk import Abandoned, Chunk
from openmsistream.files.wire import Headers, Unusable, decode

from .producible import Producible


class DataFileChunk(Producible):
    """A chunk that came from a topic, in either form of record. Its length is that of its data."""

    chunk_offset_read: None = None
    """Where it was read in the sender's file, which no record says."""
    rootdir: None = None
    filename_append = ""
    """The appendix is in `filename` already."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        path = PurePosixPath(chunk.path)
        self.filename = path.name
        self.subdir_str = "" if path.parent == PurePosixPath() else path.parent.as_posix()
        self.relative_filepath = Path(*path.parts)
        self.chunk_offset_write = chunk.offset
        self.chunk_size = len(chunk.data)
        self.chunk_i = chunk.index + 1
        self.data = chunk.data

    @classmethod
    def of(cls, key: bytes | None, value: bytes | None, headers: Headers | None) -> Self:
        """The chunk that a record is. Raises Unusable, with the reason, when it is none."""
        chunk = decode(key, value, headers)
        if isinstance(chunk, Abandoned):
            raise Unusable(f"it says that a version of {chunk.path} was given up")
        return cls(chunk)

    def __len__(self) -> int:
        return self.chunk_size

    def __repr__(self) -> str:
        return f"<DataFileChunk {self.chunk_i} of {self.n_total_chunks} of {self.relative_filepath}>"

    @property
    def filepath(self) -> Path:
        """The path of its file, relative to the folder that it was sent from."""
        return self.relative_filepath

    @property
    def n_total_chunks(self) -> int:
        """How many chunks the file has. In the native form calculated, since its last chunk alone says it."""
        chunk = self._chunk
        if chunk.count is not None:
            return chunk.count
        each = chunk.offset // chunk.index if chunk.index else len(chunk.data)
        return max(self.chunk_i, -(-(chunk.size or 0) // max(1, each)))

    @property
    def file_hash(self) -> bytes:
        """The digest of the whole file as bytes; empty where only the last chunk has it, and this is another one."""
        return bytes.fromhex((self._chunk.digest or ":").partition(":")[2])

    @cached_property
    def chunk_hash(self) -> bytes:
        """The SHA-512 digest of its data."""
        return hashlib.sha512(self.data).digest()

    @property
    def file_mtime(self) -> float | None:
        """The sender's time of the file, Unix time in seconds."""
        return None if self._chunk.mtime_ns is None else self._chunk.mtime_ns / 1e9

    @property
    def msg_key(self) -> str:
        folder = self.subdir_str.replace("/", "_")
        return f"{folder}_{self.filename}_chunk_{self.chunk_i}_of_{self.n_total_chunks}"

    @property
    def msg_value(self) -> Any:
        return self

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        return {
            "filepath": self.filepath,
            "filename": self.filename,
            "n_total_chunks": self.n_total_chunks,
            "chunk_i": self.chunk_i,
        }
