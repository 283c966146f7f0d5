"""A destination that does not answer is waited for: its outage is no file's fault, so no file fails by it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from openmsistream.processing.file import File

from .contract import DestinationError, Put, Unreachable

log = logging.getLogger(__name__)

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
_SAID_AGAIN = 300.0
"""Seconds after which an outage that lasts is spoken of again."""


class Outage:
    """Since when a destination does not answer: said once for all threads, and again from time to time."""

    def __init__(self, who: str, clock: Callable[[], float]) -> None:
        self._who = who
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._said = 0.0

    def met(self, error: DestinationError) -> None:
        """It has not answered."""
        with self._lock:
            now = self._clock()
            first, self._since = self._since is None, now if self._since is None else self._since
            if first or now - self._said >= _SAID_AGAIN:
                self._said = now
                log.warning("%s; files wait until it answers (since %.0f s)", error, now - self._since)

    def over(self) -> None:
        """It has answered; costs nothing when it always did."""
        if self._since is None:
            return
        with self._lock:
            if self._since is not None:
                log.warning("%s answers again, after %.0f s; the files go on", self._who, self._clock() - self._since)
                self._since = None


class WaitsOut:
    """`put` of a destination, tried until the destination answers. Everything else that goes wrong goes to the caller.

        put = WaitsOut(destination.put)
        process_files("topic", put)

    Used by several threads at a time. After `close` nobody waits any more.
    """

    def __init__(self, put: Callable[[File], Put], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._put = put
        self._closed = threading.Event()
        self._outage = Outage("it", clock)

    def __call__(self, file: File) -> Put:
        """Put the file. Raises DestinationError, Unreachable only after `close`."""
        wait = _FIRST_WAIT
        while True:
            try:
                put = self._put(file)
            except Unreachable as error:
                self._outage.met(error)
                if self._closed.wait(wait):
                    raise
                wait = min(_LONGEST_WAIT, 2 * wait)
            else:
                self._outage.over()
                return put

    def close(self) -> None:
        """Whoever waits is given the error; may be called more than once."""
        self._closed.set()
