"""What happens in a tree, as the system tells it: events become notes of paths, and doubts become scans.

Events are a hint that makes things fast; the scan is what makes them sure. Whatever an event cannot say exactly (a new
folder, too many at once, a queue that ran over) asks for a scan.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
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


class Notes(Protocol):
    """Who is told. Called from the watcher's thread."""

    def noticed(self, path: str, seen: Seen) -> None: ...

    def look_at(self, folder: str) -> None:
        """Scan this relative folder."""
        ...


def watch(root: Path, notes: Notes) -> Callable[[], None]:
    """Begin to watch a tree; gives the function that ends it.

    Raises OSError when the system cannot watch it, for example because its limit of watches is reached.
    """
    logging.getLogger("watchdog").setLevel(logging.INFO)  # below it, a line for each event, those of our ledger too
    observer = _observer()
    observer.schedule(_Handler(root, notes), str(root), recursive=True, event_filter=_WANTED)
    observer.start()

    def stop() -> None:
        observer.stop()
        observer.join(5.0)

    return stop


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
