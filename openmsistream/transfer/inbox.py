"""What reaches the uploader's loop from its other threads: notes of paths, files found, the topic. All bounded."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from openmsistream.kafka.admin import Topic

from .scan import Found, Skipped, Why
from .settle import Seen

MOST_NOTES = 20_000
MOST_FOLDERS = 1_000
MOST_BATCHES = 10
"""Batches of a scan that may wait; the scan stands still when the loop does not keep up."""


@dataclass(frozen=True)
class Batch:
    """Some of what a scan met; `last` when there is no more."""

    items: list[Found | Skipped]
    why: Why
    last: bool = False


@dataclass
class Post:
    """What has come since the last look."""

    notes: dict[str, Seen] = field(default_factory=dict)
    found: list[Batch] = field(default_factory=list)
    topic: Topic | None = None


class Inbox:
    """One box for the loop to wait on. The loop takes; every other thread puts."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        self._to_scan = threading.Condition(lock)  # apart: no note of a file has to wake the scanner
        self._room = threading.Condition(lock)
        self._post = Post()
        self._woken = False
        self._closed = False
        self._folders: deque[tuple[str, Why]] = deque()  # to be scanned

    def noticed(self, path: str, seen: Seen) -> None:
        """The watcher saw something. Of several things the one that settles the path stays."""
        with self._changed:
            notes = self._post.notes
            if path not in notes and len(notes) >= MOST_NOTES:
                self._ask_for("", Why.CHECK)
            elif path not in notes or seen is not Seen.TOUCHED or notes[path] is Seen.TOUCHED:
                notes[path] = seen
            else:
                notes[path] = Seen.TOUCHED  # written to again after a close: open once more
            self._changed.notify_all()

    def look_at(self, folder: str, why: Why = Why.ARRIVAL) -> None:
        """Have this folder scanned; "" is the whole tree."""
        with self._changed:
            self._ask_for(folder, why)

    def _ask_for(self, folder: str, why: Why) -> None:
        if (folder, why) in self._folders:
            return
        if len(self._folders) > MOST_FOLDERS:
            first_look = [asked for asked in self._folders if asked[1] is Why.INVENTORY]
            self._folders = deque([*first_look, ("", Why.CHECK)])
        else:
            self._folders.append((folder, why))
        self._to_scan.notify_all()

    def next_folder(self, timeout: float) -> tuple[str, Why] | None:
        """For the scanner: the next folder to look at and why, None when there is none within `timeout` seconds."""
        with self._changed:
            self._to_scan.wait_for(lambda: self._folders or self._closed, timeout)
            return self._folders.popleft() if self._folders and not self._closed else None

    def found(self, batch: Batch) -> None:
        """The scanner met these; waits while the loop has enough to do."""
        with self._changed:
            self._room.wait_for(lambda: len(self._post.found) < MOST_BATCHES or self._closed)
            self._post.found.append(batch)
            self._changed.notify_all()

    def topic_is(self, topic: Topic) -> None:
        """What the cluster says of the topic now."""
        with self._changed:
            self._post.topic = topic
            self._changed.notify_all()

    def wake(self) -> None:
        """Make the loop look around."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more: nobody waits any more."""
        with self._changed:
            self._closed = True
            for waiting in (self._changed, self._to_scan, self._room):
                waiting.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waiting(self) -> bool:
        """Is there anything that the loop should look at before it goes on sending?"""
        return bool(self._post.notes)

    def take(self, timeout: float, batches: bool = True) -> Post:
        """What has come, after waiting for it at most `timeout` seconds; batches of a scan only when asked for."""

        def something() -> bool:
            post = self._post
            return bool(self._woken or post.notes or post.topic is not None or (batches and post.found))

        with self._changed:
            self._changed.wait_for(something, timeout)
            self._woken = False
            taken, self._post = self._post, Post()
            if not batches:
                self._post.found, taken.found = taken.found, []
            elif taken.found:
                self._room.notify_all()
        return taken
