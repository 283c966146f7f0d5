"""When a file is ready to be sent: closed by its writer, or quiet for long enough. Pure: the time is passed in.

The rules are those of docs/settled.md: the first close sends at once, each further version of the same path waits for a
longer quiet time up to a bound, and what cannot be seen to be closed has to be quiet for the lag time.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

from openmsistream.files.chunk import FileState

LAG = 3.0
"""Seconds of quiet after which a file whose close cannot be seen counts as settled; OpenMSIStream's default."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Quiet that the second version of a path waits for, in seconds, doubled for each further one up to the bound."""

MEMORY = 4 * LONGEST_PAUSE
"""Seconds after which a path that has been left alone starts afresh."""

MOST_REMEMBERED = 20_000
"""Paths whose versions are counted at once (about 8 MB). Of more, as in a tree that is sent for the first time, the ones
sent longest ago start afresh."""

MOST_WAITING = 50_000
"""Paths that are waited for at once; beyond it the next scan finds them (about 20 MB)."""


class Seen(Enum):
    """What was noticed of a path."""

    CLOSED = "closed after writing"
    ARRIVED = "moved to its name"
    TOUCHED = "created or written to"
    FOUND = "found by a scan"


@dataclass(slots=True)
class _Waiting:
    due: float
    queued: float  # its entry in the queue; not later than `due`
    state: FileState | None  # as a scan found it, where no event tells of changes


@dataclass(slots=True)
class _History:
    versions: int
    sent: float


@dataclass
class Settler:
    """Which paths are waited for, and until when. `lag` replaces every other rule when `lag_for_all` is set."""

    lag: float = LAG
    lag_for_all: bool = False
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _history: OrderedDict[str, _History] = field(default_factory=OrderedDict)
    _queue: list[tuple[float, str]] = field(default_factory=list)
    _swept: float = 0.0

    @property
    def full(self) -> bool:
        return len(self._waiting) >= MOST_WAITING

    def __len__(self) -> int:
        return len(self._waiting)

    def note(
        self, path: str, seen: Seen, now: float, quiet_since: float | None = None, state: FileState | None = None
    ) -> None:
        """Something was noticed of a path at `now`. A scan gives the file's state, and may know since when it is quiet."""
        old = self._waiting.get(path)
        if seen is Seen.FOUND and old is not None:
            changed, old.state = old.state not in (None, state), state
            if not changed:
                return  # what was noticed before is newer or as good
        since = now if quiet_since is None else quiet_since
        due = since + self._pause(path, closed=seen in (Seen.CLOSED, Seen.ARRIVED))
        if old is not None and old.queued <= due:
            old.state = state
            old.due = due  # its entry is moved when its turn comes: a path that is written to all the time has one
            return
        self._waiting[path] = _Waiting(due, due, state)
        heapq.heappush(self._queue, (due, path))

    def _pause(self, path: str, *, closed: bool) -> float:
        history = self._history.get(path)
        again = 0.0 if history is None else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (history.versions - 1))
        if self.lag_for_all:
            return max(self.lag, again)
        return again if closed else max(self.lag, again)

    def due(self, now: float) -> list[str]:
        """The paths that have settled by now; they are waited for no longer."""
        ready = []
        while (soonest := self.next_due()) is not None and soonest <= now:
            _, path = heapq.heappop(self._queue)
            del self._waiting[path]
            ready.append(path)
        self._sweep(now)
        return ready

    def next_due(self) -> float | None:
        """When `due` will next have something, None when nothing is waited for."""
        while self._queue:
            queued, path = self._queue[0]
            waiting = self._waiting.get(path)
            if waiting is None or waiting.queued != queued:
                heapq.heappop(self._queue)  # replaced by an earlier entry
            elif waiting.due > queued:
                waiting.queued = waiting.due
                heapq.heapreplace(self._queue, (waiting.due, path))
            else:
                return queued
        return None

    def waits_until(self, path: str) -> float | None:
        """When this path will count as settled if nothing more happens to it."""
        waiting = self._waiting.get(path)
        return None if waiting is None else waiting.due

    def soonest(self, most: int) -> list[tuple[str, float]]:
        """Some of the paths that are waited for, the next ones among them, and when they settle. Any thread may ask."""
        found = []
        for _, path in self._queue[: 2 * most]:  # the front of a heap holds the least
            waiting = self._waiting.get(path)
            if waiting is not None:
                found.append((path, waiting.due))
        return sorted(set(found), key=lambda one: one[1])[:most]

    def sent(self, path: str, now: float) -> None:
        """A version of this path was begun to be sent."""
        history = self._history.pop(path, None)
        versions = 1 if history is None or now - history.sent > MEMORY else history.versions + 1
        self._history[path] = _History(min(versions, 12), now)  # 0.5 s doubled 12 times is far beyond the bound
        if len(self._history) > MOST_REMEMBERED:
            self._history.popitem(last=False)  # the one sent longest ago, since each is put at the end

    def _sweep(self, now: float) -> None:
        if now - self._swept < MEMORY / 4:
            return
        self._swept = now
        for path in [p for p, h in self._history.items() if now - h.sent > MEMORY]:
            del self._history[path]
