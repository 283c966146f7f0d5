"""A file's bytes on their way to a destination: one on disk is compared with its digest again while it is read."""

from __future__ import annotations

from typing import BinaryIO, Self

from openmsistream.files import digest
from openmsistream.processing.file import File

from .contract import DestinationError

_PIECE = 1 << 20


class Reading:
    """A file that is being read, from its begin to its end. Use it in a `with`.

    The last bytes are not given when the file on disk is not what was received: what went before has to be dropped then.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = file.size
        self._hasher = None if file.in_memory else digest.new_like(file.digest)
        try:
            self._opened = file.open()
        except FileNotFoundError as error:
            raise changed(file) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def read(self, most: int) -> bytes:
        """So many bytes, fewer at the end, none after it. DestinationError when they are not what was received."""
        data = self._opened.read(most)
        self._left -= len(data)
        if self._hasher is None:
            return data
        self._hasher.update(data)
        if (len(data) < most and self._left) or self._left < 0:
            raise changed(self._file)
        if self._left == 0 and digest.text_of(self._hasher) != self._file.digest:
            raise changed(self._file)
        return data


def whole(file: File) -> bytes:
    """All bytes of a file; those in memory are not copied."""
    if file.in_memory:
        return file.read_bytes()
    with Reading(file) as reading:
        return reading.read(file.size + 1)


def changed(file: File) -> DestinationError:
    """The file on disk is not what was received."""
    return DestinationError(
        f"{file.path} is no longer as it was received: somebody changed {file.place}, or a newer version came",
        "nothing of it was sent; leave the output folder to this program alone",
    )


def is_content_of(file: File, opened: BinaryIO) -> bool:
    """Is what can be read here the file's content, told by its digest?"""
    hasher = digest.new_like(file.digest)
    while data := opened.read(_PIECE):
        hasher.update(data)
    return digest.text_of(hasher) == file.digest
