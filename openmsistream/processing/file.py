"""A whole file as somebody's code is given it: its bytes, its place on disk, and where in which topic it came from."""

from __future__ import annotations

import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file came from: the place of its first record, and the generation (one version of the content) it is."""

    topic: str
    partition: int
    offset: int
    generation: str


class File:
    """A file that is whole and whose digest was compared.

    `path` is relative to the folder it was sent from, POSIX style. `size` is in bytes, `mtime_ns` the sender's time of the
    file in ns or None, `digest` of all bytes as `blake3:<hex>` or `sha512:<hex>`, `chunks` the number of records it came in.
    The bytes can be had in three ways, whatever the file is kept in: `read_bytes`, `open` and `on_disk`.
    """

    def __init__(
        self, path: str, source: Source, *, size: int, digest: str, mtime_ns: int | None = None, chunks: int = 1,
        data: bytes | None = None, place: Path | None = None,
    ) -> None:  # fmt: skip
        if data is None and place is None:
            raise ValueError(f"{path} is neither in memory nor on disk")
        self.path = path
        self.source = source
        self.size = size
        self.digest = digest
        self.mtime_ns = mtime_ns
        self.chunks = chunks
        self._data = data
        self._place = place
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def __repr__(self) -> str:
        return f"<File {self.path}, {self.size} bytes>"

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def in_memory(self) -> bool:
        """Are its bytes in memory already?"""
        return self._data is not None

    @property
    def place(self) -> Path | None:
        """Where it stands on disk; None when it is in memory only. See `on_disk`."""
        return self._place

    def read_bytes(self) -> bytes:
        """All its bytes. A file that is in memory is not copied; one on disk is read anew each time."""
        if self._data is not None:
            return self._data
        assert self._place is not None
        return self._place.read_bytes()

    def open(self) -> BinaryIO:
        """A file object to read from; to be closed by whoever asked for it."""
        if self._data is not None:
            return io.BytesIO(self._data)
        assert self._place is not None
        return cast(BinaryIO, self._place.open("rb"))

    def on_disk(self) -> Path:
        """A path on this machine under which it can be read, for code that wants one; its last part is `name`.

        A file that is in memory only is written to a temporary folder, which is removed when its run has ended.
        """
        if self._place is not None and self._place.name == self.name:
            return self._place
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory(prefix="openmsistream-")
            place = Path(self._copy.name) / self.name
            if self._place is None:
                place.write_bytes(self.read_bytes())
            else:
                _stand_for(place, self._place)
        return Path(self._copy.name) / self.name

    def release(self) -> None:
        """Remove what `on_disk` made; the engine does so when the run has ended."""
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None


def _stand_for(link: Path, place: Path) -> None:
    """Have a large file under another name too, without a copy where the system can."""
    try:
        link.symlink_to(place.absolute())
    except OSError:  # Windows gives few users the right to
        try:
            link.hardlink_to(place)
        except OSError:
            shutil.copyfile(place, link)
