"""The folder that is sent from: files opened below a root without following links that lead out of it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from openmsistream.files.chunk import FileState
from openmsistream.transfer.scan import link_problem

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class NotSent(OSError):
    """What stands under this name is not a file of this root: a link that leads out, a pipe, a device."""


class Origin:
    """A root from which files are read. Any thread; `close` it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._prefix = os.path.join(root, "")
        if sys.platform == "win32":
            self._fd = -1
        else:
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def is_in_place(self) -> bool:
        """Is the root still there, and the very folder that was opened?"""
        try:
            found = os.stat(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # a share that does not answer just now
        return self._fd < 0 or os.path.samestat(found, os.fstat(self._fd))

    def open(self, path: str) -> int:
        """A descriptor for reading the regular file at this relative path. Raises OSError, NotSent among them.

        A pipe or device is never waited for: opened without blocking, refused by its kind.
        """
        fd = self._open_checked(path) if self._fd < 0 else self._open_by_components(path)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise NotSent(errno.EINVAL, "not a regular file", path)

    def state(self, path: str) -> FileState:
        """The present state of what stands under this path. Raises OSError when nothing does."""
        return FileState.of(os.stat(self._prefix + path))

    def _open_by_components(self, path: str) -> int:
        try:
            return self._open_without_links(path.split("/"))
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                return self._open_link(path)
            if error.errno == errno.ENXIO:
                raise NotSent(errno.EINVAL, "not a regular file", path) from error
            raise

    def _open_link(self, path: str) -> int:
        """Open what a link shows, when that is a file inside the root."""
        problem = link_problem(self.root, self.root / path)
        if problem is not None:
            raise NotSent(errno.ELOOP, problem, path)
        inside = os.path.relpath(os.path.realpath(self.root / path), self._real)
        try:
            return self._open_without_links(inside.split(os.sep))
        except OSError as error:
            raise NotSent(errno.ELOOP, "a link that changes while it is followed", path) from error

    def _open_without_links(self, parts: list[str]) -> int:
        if sys.platform == "win32":
            raise AssertionError("there is no openat on Windows")
        *folders, name = parts
        fd = os.dup(self._fd)
        try:
            for folder in folders:
                below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = below
            return os.open(name, _READ | _NO_LINK, dir_fd=fd)
        finally:
            os.close(fd)

    def _open_checked(self, path: str) -> int:
        """Where there is no openat: resolve, check, open."""
        full = os.path.realpath(self.root / path, strict=True)
        if Path(self._real) not in Path(full).parents:  # commonpath raises where drives differ
            raise NotSent(errno.ELOOP, "a link that leads outside the folder", path)
        return os.open(full, _READ)
