"""The target folder on Linux and macOS: every component opened with O_NOFOLLOW below the one before it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openmsistream.files.chunk import FileState

from .common import NotAFolder, is_part, usage

assert sys.platform != "win32"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_OPEN = 32
"""Folders kept open so that a thousand files in one folder do not walk its path a thousand times."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder below the root."""

    relative: str
    fd: int


class Target:
    """A root into which files are put. One thread at a time; `close` it. Raises OSError as the system does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: OrderedDict[str, Folder] = OrderedDict()
        self._gone: list[Folder] = []  # no longer under their names, perhaps still in somebody's hands

    def close(self) -> None:
        self.forget_folders()
        os.close(self._root_fd)

    def forget_folders(self) -> None:
        """Close the folders that are kept open; to be called when none is at work."""
        for folder in (*self._open.values(), *self._gone):
            os.close(folder.fd)
        self._open.clear()
        self._gone.clear()

    def folder(self, parts: tuple[str, ...]) -> Folder:
        """Open the folder with these components, making what is missing, durably. Raises NotAFolder."""
        relative = "/".join(parts)
        known = self._open.get(relative)
        if known is not None:
            if self._is_in_place(known):
                self._open.move_to_end(relative)
                return known
            self._gone.append(self._open.pop(relative))
        fd = os.dup(self._root_fd)
        try:
            for part in parts:
                below = self._enter(fd, part)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        folder = Folder(relative, fd)
        self._open[relative] = folder
        return folder

    def _is_in_place(self, folder: Folder) -> bool:
        """Is this still the folder of its name, not removed and not moved elsewhere?"""
        try:
            found = os.stat(folder.relative or ".", dir_fd=self._root_fd, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(folder.fd))

    def trim(self) -> None:
        """Close the folders that have not been used for longest; to be called when none is at work."""
        while self._gone:
            os.close(self._gone.pop().fd)
        while len(self._open) > _KEPT_OPEN:
            os.close(self._open.popitem(last=False)[1].fd)

    def _enter(self, fd: int, part: str) -> int:
        try:
            return self._enter_existing(fd, part)
        except FileNotFoundError:
            try:
                os.mkdir(part, dir_fd=fd)
            except FileExistsError:
                pass  # another thread made it meanwhile
            os.fsync(fd)
            return self._enter_existing(fd, part)

    def _enter_existing(self, fd: int, part: str) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                raise NotAFolder(errno.ENOTDIR, f"{part!r} is a link or a file, not a folder", part) from error
            raise

    def create(self, folder: Folder, name: str) -> int:
        """Make a new file for writing and give its descriptor; what has this name already is replaced."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o666, dir_fd=folder.fd)
        except FileExistsError:
            os.unlink(name, dir_fd=folder.fd)
            return os.open(name, flags, 0o666, dir_fd=folder.fd)

    def open_existing(self, folder: Folder, name: str) -> int | None:
        """Open a regular file for reading; None when there is none of this name, or it is something else."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder.fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EACCES, errno.ENXIO):
                return None
            raise
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return None

    def size_of(self, folder: Folder, name: str) -> int | None:
        """The size in bytes of a regular file of this name, None when there is none."""
        try:
            found = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def set_mtime(self, folder: Folder, name: str, mtime_ns: int) -> None:
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=folder.fd, follow_symlinks=False)

    def sync(self, fd: int) -> None:
        """Make a file's bytes durable."""
        _sync(fd)

    def write_out(self, fd: int) -> None:
        """Begin to write a file's bytes to disk without waiting, and drop from the system's cache what is there already."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # a hint: what it would have done is done later
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def replace(self, folder: Folder, part: str, name: str) -> None:
        """Put a part under its name, in place of what is there."""
        os.rename(part, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)

    def remove(self, folder: Folder, name: str) -> None:
        try:
            os.unlink(name, dir_fd=folder.fd)
        except FileNotFoundError:
            pass

    def sync_folder(self, folder: Folder) -> None:
        """Make the names in a folder durable."""
        os.fsync(folder.fd)

    def free_bytes(self) -> int:
        """Bytes that may still be written here."""
        return usage(self.root).free

    def total_bytes(self) -> int:
        return usage(self.root).total

    def remove_parts(self) -> int:
        """Remove the parts that an earlier run left behind; gives their number."""
        removed = 0
        for folder, name in _parts(self.root):
            try:
                os.unlink(os.path.join(folder, name))
                removed += 1
            except OSError:
                continue
        return removed


def state_of(fd: int) -> FileState:
    return FileState.of(os.fstat(fd))


def _parts(root: Path) -> Iterator[tuple[str, str]]:
    for folder, _, names in os.walk(root):
        for name in names:
            if is_part(name):
                yield folder, name


def _sync(fd: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync alone leaves the bytes in the drive's cache there
    else:
        os.fdatasync(fd)


def allow_open_files(wanted: int) -> None:
    """Raise this process's limit of open files as far as it may, up to `wanted`: each unfinished file has one open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # macOS has a lower limit than it says; what is too many is set aside
            pass
