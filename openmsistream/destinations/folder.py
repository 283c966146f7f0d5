"""A folder of this machine as a destination: a local disk, or a share that is mounted."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openmsistream.files.names import BadName, local_parts
from openmsistream.processing.file import File
from openmsistream.transfer.disk import Folder, NotAFolder, Target
from openmsistream.transfer.disk.common import part_name

from .contract import DestinationError, Put
from .reading import Reading, is_content_of

_PIECE = 1 << 20
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_LATER = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOTCONN)
"""What a share says whose server is away for a while."""

_serials = itertools.count()


class FolderDestination:
    """A folder in which each file has its own path. It has to be there: one that is not mounted is not made anew.

    A file is written beside its place under a hidden name, synced, and then renamed over what was there, as the download
    program does it; its time is that of the sender's file. `exists` compares the bytes.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def close(self) -> None:
        """There is nothing to let go of."""

    def check(self) -> None:
        """Is the folder there, and can something be written to it?"""
        with self._told("it cannot be written to"), closing(Target(self.root)) as target:
            folder, name = target.folder(()), part_name(f"check-{os.getpid()}", next(_serials))
            os.close(target.create(folder, name))
            target.remove(folder, name)

    def exists(self, file: File) -> bool:
        """Does the folder hold these very bytes under this path?"""
        place = self.root.joinpath(*self._parts(file))
        with self._told(f"{file.path} cannot be read"):
            try:
                with place.open("rb") as there:
                    return os.fstat(there.fileno()).st_size == file.size and is_content_of(file, there)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return False

    def put(self, file: File) -> Put:
        """Write the file, unless it is there already."""
        parts = self._parts(file)
        if self.exists(file):
            return Put.ALREADY_THERE
        with self._told(f"{file.path} cannot be written"), closing(Target(self.root)) as target:
            folder, hidden = target.folder(parts[:-1]), part_name(f"put-{os.getpid()}", next(_serials))
            try:
                with os.fdopen(target.create(folder, hidden), "wb") as part, Reading(file) as reading:
                    while data := reading.read(_PIECE):
                        part.write(data)
                    part.flush()
                    target.sync(part.fileno())
                _set_mtime(target, folder, hidden, file)
                target.replace(folder, hidden, parts[-1])
            except BaseException:
                target.remove(folder, hidden)
                raise
            target.sync_folder(folder)
        return Put.SENT

    def _parts(self, file: File) -> tuple[str, ...]:
        try:
            return local_parts(file.path)
        except BadName as error:
            raise DestinationError(
                f"{file.path} cannot be a file below {self.root}: {error}", "rename it where it is sent from"
            ) from error

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What the system says, in our words."""
        try:
            yield
        except NotAFolder as error:
            raise DestinationError(
                f"in the folder {self.root} {what}: {error.strerror}", "move that out of the way"
            ) from error
        except OSError as error:
            if not self.root.is_dir():
                raise DestinationError(
                    f"there is no folder {self.root}", "make it, or mount it; it is not made by this program",
                    retriable=True,
                ) from error  # fmt: skip
            raise DestinationError(
                f"in the folder {self.root} {what}: {error.strerror}",
                "make room there" if error.errno in _FULL else "look at its rights and at its disk",
                retriable=error.errno in (*_FULL, *_LATER),
            ) from error


def _set_mtime(target: Target, folder: Folder, name: str, file: File) -> None:
    if file.mtime_ns is not None:
        try:
            target.set_mtime(folder, name, file.mtime_ns)
        except (OSError, OverflowError):
            pass  # a time that this file system cannot hold: the content is what counts
