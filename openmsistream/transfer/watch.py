"""What happens in a tree, as the system tells it: events become notes of paths, and doubts become scans.

Events are a hint that makes things fast; the scan is what makes them sure. Whatever an event cannot say exactly (a new
folder, too many at once, a queue that ran over) asks for a scan.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver

from .settle import Seen

_WANTED: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirMovedEvent, FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent,
]  # fmt: skip
"""Opens, reads and attribute changes are left to the kernel: each event costs 60 microseconds of Python."""

_IN_CREATE = 0x100


class Notes(Protocol):
    """Who is told. Called from the watcher's thread."""

    def noticed(self, path: str, seen: Seen) -> None: ...

    def look_at(self, folder: str) -> None:
        """Scan this relative folder."""
        ...


class Watching:
    """A tree that is being watched; `stop` it."""

    def __init__(self, observer: BaseObserver, root: Path) -> None:
        self._observer = observer
        self._root = root

    def trouble(self) -> OSError | None:
        """Why not all of the tree is being watched; None when, as far as can be told, it is.

        watchdog passes over a folder that it may not watch, and a thread of it that dies tells nobody.
        """
        if not self._observer.is_alive() or not all(emitter.is_alive() for emitter in self._observer.emitters):
            return OSError(0, "its watcher has ended")
        return _limit_reached(self._root)

    def stop(self) -> None:
        """Watch no longer."""
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)  # an event that comes after the stop is no error
        self._observer.stop()
        self._observer.join(5.0)


def watch(root: Path, notes: Notes) -> Watching:
    """Begin to watch a tree. Raises OSError when the system cannot watch it, or not all of it."""
    logging.getLogger("watchdog").setLevel(logging.INFO)  # below it, a line for each event, those of our ledger too
    observer = _observer()
    observer.schedule(_Handler(root, notes), str(root), recursive=True, event_filter=_WANTED)
    observer.start()
    return Watching(observer, root)


def _limit_reached(root: Path) -> OSError | None:
    """The error when one more folder could not be watched: then some of this tree may be unwatched already.

    Linux gives each user so many watches in all. Asked by trying, with a watch that is gone again at once.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init()
    if queue < 0:
        return None  # too many queues, which is no limit of ours: we have one
    try:
        if libc.inotify_add_watch(queue, os.fsencode(root), _IN_CREATE) >= 0:
            return None
        number = ctypes.get_errno()
        return OSError(number, os.strerror(number)) if number == errno.ENOSPC else None
    finally:
        os.close(queue)


def _observer() -> BaseObserver:
    if sys.platform == "linux":
        from watchdog.observers.inotify import InotifyObserver

        # Folders made faster than they are watched are met twice; its warning shows its whole table of watches.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, "watchdog")
        return InotifyObserver(generate_full_events=True)  # so that what is moved in arrives as moved, not as created
    from watchdog.observers import Observer

    return Observer()


class _Handler(FileSystemEventHandler):
    def __init__(self, root: Path, notes: Notes) -> None:
        self._prefix = os.path.join(str(root), "")
        self._notes = notes

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.is_synthetic:
            return  # watchdog's own list of what a folder holds that came; the scan of that folder says more
        if isinstance(event, FileClosedEvent):
            self._note(event.src_path, Seen.CLOSED)
        elif isinstance(event, (FileCreatedEvent, FileModifiedEvent)):
            self._note(event.src_path, Seen.TOUCHED)
        elif isinstance(event, FileMovedEvent):
            self._note(event.dest_path, Seen.ARRIVED)
        elif isinstance(event, DirCreatedEvent):
            self._look(event.src_path)
        elif isinstance(event, DirMovedEvent):
            self._look(event.dest_path)

    def _note(self, path: bytes | str, seen: Seen) -> None:
        relative = self._relative(path)
        if relative:
            self._notes.noticed(relative, seen)

    def _look(self, path: bytes | str) -> None:
        relative = self._relative(path)
        if relative:
            self._notes.look_at(relative)

    def _relative(self, path: bytes | str) -> str:
        text = os.fsdecode(path) if path else ""
        if not text.startswith(self._prefix):
            return ""
        relative = text[len(self._prefix) :]
        return relative.replace(os.sep, "/") if os.sep != "/" else relative
