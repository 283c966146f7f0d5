"""Where things are in the folder of an embedded broker."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import FolderError

_NEEDED = 32 * 1024 * 1024
"""Bytes that have to be free: with less Kafka ends in various ways, some of which say nothing of the disk."""


@dataclass(frozen=True)
class Layout:
    """The files of one broker. The Java process runs in `root` and sees the rest by relative names,

    so that blanks, commas and letters of any language in the path need no quoting in Kafka's own files.
    """

    root: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        """The layout of a data folder, whatever way it was written."""
        return cls(data_dir.expanduser().resolve())

    @property
    def records(self) -> Path:
        """What Kafka stores: topics and its own metadata."""
        return self.root / "data"

    @property
    def unfinished(self) -> Path:
        """Storage that is being formatted; it becomes `records` in one step."""
        return self.root / "data.new"

    @property
    def config(self) -> Path:
        """The files that Kafka is started with, written anew at every start."""
        return self.root / "config"

    @property
    def logs(self) -> Path:
        """What the broker says."""
        return self.root / "logs"

    @property
    def log(self) -> Path:
        """The broker's log; older parts stand beside it."""
        return self.logs / "broker.log"

    @property
    def console(self) -> Path:
        """What Java itself printed at the last start, such as a refused option."""
        return self.logs / "console.log"

    @property
    def scratch(self) -> Path:
        """What Java unpacks while it runs (libraries for compression); emptied at every start.

        Here and not in /tmp: that may be missing, or forbid the running of programs, as a container's often does.
        """
        return self.root / "tmp"

    @property
    def kafka_lock(self) -> Path:
        """Held by the Kafka that works on `records`."""
        return self.records / ".lock"

    @property
    def state(self) -> Path:
        """Which process runs here, and how it was started."""
        return self.root / "broker.json"

    @property
    def address(self) -> Path:
        """The address of the running broker as plain text, for the packaged config `local`."""
        return self.root / "address"

    @property
    def lock(self) -> Path:
        """Held while a program starts, stops or resets the broker."""
        return self.root / "lock"

    @property
    def is_full(self) -> bool:
        """Is there too little room on the disk for Kafka to write?"""
        try:
            return shutil.disk_usage(self.root).free < _NEEDED
        except OSError:
            return False

    def make(self) -> None:
        """Make the folders; FolderError when that is not allowed."""
        try:
            for folder in (self.root, self.config, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.root, error) from error
        if not os.access(self.root, os.W_OK | os.X_OK):  # it was there, with all that it needs, and is another's
            raise _unusable(self.root, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def clear(self) -> None:
        """Delete what the broker made, and nothing else that may lie in the folder."""
        try:
            for folder in (self.records, self.unfinished, self.config, self.logs, self.scratch):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.state, self.address):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise FolderError(f"{error.filename or self.root} cannot be deleted: {error.strerror}") from error

    def remove(self) -> None:
        """Delete what the broker made and, when nothing else lies in it, the folder."""
        self.clear()
        self.lock.unlink(missing_ok=True)
        try:
            self.root.rmdir()
        except OSError:
            return  # somebody's own files lie there, or it is gone already


def _unusable(root: Path, error: OSError) -> FolderError:
    return FolderError(
        f"the broker's folder {root} cannot be used: {error.strerror}",
        container.advice(root, error) or "choose another one with --data-dir",
    )
