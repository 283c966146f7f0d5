"""The data file that a hook is given: a `File` under the names that programs written for OpenMSIStream read.

Which of the three classes it is says where the content is kept, as `mode=` of a processor does:

| mode | class | `bytestring` |
|---|---|---|
| memory | `DownloadDataFileToMemory` | what is in memory; no copy |
| disk | `DownloadDataFileToDisk` | read anew from `full_filepath` each time |
| both | `DownloadDataFileToMemoryAndDisk` | what is in memory; no copy |
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path, PurePosixPath
from typing import Any, Self

from openmsistream.errors import UsageError
from openmsistream.files.digest import SHA512
from openmsistream.program.options import RaisingLogger

from .file import File

_PIECE = 1 << 20
"""Bytes that are read at once for a digest."""


class DataFile:
    """A file by its path. Of the keyword arguments of OpenMSIStream's loggers, `logger` is used and the others are taken."""

    def __init__(
        self,
        filepath: str | Path,
        *,
        logger: logging.Logger | None = None,
        logger_name: str | None = None,
        streamlevel: int | str = logging.INFO,
        logger_file: str | Path | None = None,
        filelevel: int | str = logging.WARNING,
    ) -> None:
        self.filepath = Path(filepath)
        self.filename = self.filepath.name
        self.logger = _logger(logger_name or type(self).__name__) if logger is None else logger

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.filepath}>"


class DataFileDirectory:
    """A folder of data files, with a logger; what programs with classes of their own derive them from."""

    def __init__(self, dirpath: str | Path, *, logger: logging.Logger | None = None, **_messages: Any) -> None:
        self.dirpath = Path(dirpath)
        self.logger = _logger(type(self).__name__) if logger is None else logger


class DownloadDataFile(DataFile):
    """A data file that came whole from a topic. `file` is the `File` behind it.

    A processor makes one for each file with `of`. A `datafile_type` of a user's own may have an `__init__` with further
    keyword arguments, which are what `other_datafile_kwargs` of the processor says, and must call that of its base.
    """

    _file: File | None = None

    @classmethod
    def of(cls, file: File, output_dir: str | Path, *, logger: logging.Logger | None = None, **others: Any) -> Self:
        """The data file around a `File`: `datafile_type.of(file, output_dir, logger=self.logger, **self.other_datafile_kwargs)`.

        The constructor is called as OpenMSIStream calls it, `datafile_type(filepath, logger=logger, **others)`, with the
        path below `output_dir`, or where the file stands on disk. An exception of a user's constructor goes to the caller.
        """
        place = file.place if issubclass(cls, DownloadDataFileToDisk) else None
        filepath = place or Path(output_dir, *PurePosixPath(file.path).parts)
        made = cls(filepath, logger=logger, **others)
        made._file = file
        return made

    @property
    def file(self) -> File:
        """The file itself. In a constructor it is not there yet: AttributeError."""
        if self._file is None:
            raise AttributeError(f"{type(self).__name__}.file is there as soon as the file is whole")
        return self._file

    @property
    def bytestring(self) -> bytes:
        """All bytes of the file."""
        return self.file.read_bytes()

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.file.size

    @property
    def full_filepath(self) -> Path:
        """Its path below the output folder; in mode "memory" nothing stands there."""
        return self.filepath

    @property
    def relative_filepath(self) -> Path:
        """Its path relative to the folder that it was sent from."""
        return Path(*PurePosixPath(self.file.path).parts)

    @property
    def subdir_str(self) -> str:
        """The folder that it is in, relative and with slashes: "a/b"; "" for a file in no folder."""
        parent = PurePosixPath(self.file.path).parent
        return "" if parent == PurePosixPath() else parent.as_posix()

    @property
    def n_total_chunks(self) -> int:
        """In how many records it came."""
        return self.file.chunks

    @property
    def check_file_hash(self) -> bytes:
        """The SHA-512 digest of the content, 64 bytes, whatever kind of digest it was sent with."""
        kind, _, digits = self.file.digest.partition(":")
        if kind == SHA512:
            return bytes.fromhex(digits)
        hasher = hashlib.sha512()
        with self.file.open() as content:
            while piece := content.read(_PIECE):
                hasher.update(piece)
        return hasher.digest()


class DownloadDataFileToDisk(DownloadDataFile):
    """A data file that stands on disk."""


class DownloadDataFileToMemory(DownloadDataFile):
    """A data file that is held in memory."""


class DownloadDataFileToMemoryAndDisk(DownloadDataFileToMemory, DownloadDataFileToDisk):
    """A data file that is held in memory and stands on disk."""


BY_MODE: dict[str, type[DownloadDataFile]] = {
    "memory": DownloadDataFileToMemory,
    "disk": DownloadDataFileToDisk,
    "both": DownloadDataFileToMemoryAndDisk,
}
"""The class that a hook's data files have, for each mode of a processor."""


def type_for(mode: str, wanted: type[Any] | None = None) -> type[DownloadDataFile]:
    """The class of the data files of this mode: the one that is wanted if it fits.

    UsageError when the mode is none, or when the class that is wanted is not derived from that of the mode.
    """
    if mode not in BY_MODE:
        raise UsageError(f"mode {mode!r} is not known", f"choose one of {', '.join(BY_MODE)}")
    usual = BY_MODE[mode]
    if wanted is None:
        return usual
    if not (isinstance(wanted, type) and issubclass(wanted, usual)):
        raise UsageError(
            f"datafile_type {getattr(wanted, '__name__', wanted)} does not hold files as mode {mode!r} does",
            f"derive it from {usual.__name__}, or choose another mode",
        )
    return wanted


def _logger(name: str) -> logging.Logger:
    logger = RaisingLogger(name)
    logger.parent = logging.getLogger()
    return logger
