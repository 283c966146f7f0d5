"""The target folder on Windows: resolved paths are checked to lie below the root, since there is no openat."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

from .common import NotAFolder, is_part, usage

_REPLACE_TRIES = 20
_REPLACE_WAIT = 0.1
"""An open file cannot be replaced on Windows: tried for two seconds, then the file is listed as failed."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder below the root, resolved."""

    relative: str
    path: str


class Target:
    """A root into which files are put. The same methods as in posix.py, where they are described."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)

    def close(self) -> None:
        pass

    def forget_folders(self) -> None:
        pass

    def trim(self) -> None:
        pass

    def folder(self, parts: tuple[str, ...]) -> Folder:
        path = self._real
        for part in parts:
            path = os.path.join(path, part)
            try:
                os.mkdir(path)
            except FileExistsError:
                pass
            if os.path.normcase(os.path.realpath(path)) != os.path.normcase(path) or not os.path.isdir(path):
                raise NotAFolder(errno.ENOTDIR, f"{part!r} is a link or a file, not a folder", part)
        return Folder("/".join(parts), path)

    def create(self, folder: Folder, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        path = os.path.join(folder.path, name)
        try:
            return os.open(path, flags, 0o666)
        except FileExistsError:
            os.unlink(path)
            return os.open(path, flags, 0o666)

    def open_existing(self, folder: Folder, name: str) -> int | None:
        path = os.path.join(folder.path, name)
        if os.path.islink(path) or not os.path.isfile(path):
            return None
        try:
            return os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except OSError:
            return None

    def size_of(self, folder: Folder, name: str) -> int | None:
        path = os.path.join(folder.path, name)
        if os.path.islink(path) or not os.path.isfile(path):
            return None
        return os.path.getsize(path)

    def set_mtime(self, folder: Folder, name: str, mtime_ns: int) -> None:
        os.utime(os.path.join(folder.path, name), ns=(mtime_ns, mtime_ns))

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def write_out(self, fd: int) -> None:
        """There is no such hint on Windows."""

    def replace(self, folder: Folder, part: str, name: str) -> None:
        source, destination = os.path.join(folder.path, part), os.path.join(folder.path, name)
        there = os.path.basename(os.path.realpath(destination))  # spelt as the disk has it
        if there != name and there.casefold() == name.casefold():
            raise FileExistsError(
                errno.EEXIST, f"{there!r} is there, and this system does not tell the two apart", name
            )
        for _ in range(_REPLACE_TRIES - 1):
            try:
                return os.replace(source, destination)
            except PermissionError:
                time.sleep(_REPLACE_WAIT)
        os.replace(source, destination)

    def remove(self, folder: Folder, name: str) -> None:
        try:
            os.unlink(os.path.join(folder.path, name))
        except FileNotFoundError:
            pass

    def sync_folder(self, folder: Folder) -> None:
        """NTFS keeps names in its journal; there is no folder to sync."""

    def free_bytes(self) -> int:
        return usage(self.root).free

    def total_bytes(self) -> int:
        return usage(self.root).total

    def remove_parts(self) -> int:
        removed = 0
        for folder, _, names in os.walk(self.root):
            for name in filter(is_part, names):
                try:
                    os.unlink(os.path.join(folder, name))
                    removed += 1
                except OSError:
                    continue
        return removed


def allow_open_files(wanted: int) -> None:
    """Nothing to do: Windows has no such limit for handles."""
