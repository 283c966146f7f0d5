"""Who takes whole files from the receiving thread and tells how each ended: what they have to be able to do."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from openmsistream.ledger.received import ReceivedFile

from .disk import Target
from .incoming import AtWork, Incoming


class Ending(Enum):
    """How the finishing of a file ended."""

    DELIVERED = "delivered"
    UNCHANGED = "already there"
    SUPERSEDED = "replaced by a newer version"
    FAILED = "failed"
    LATER = "to be fetched again"


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one file; `reason` says why when it failed.

    The rest is told where somebody's code has run: after how many attempts, what kind of failure, its traceback, and what
    came of the file for another topic.
    """

    incoming: Incoming
    ending: Ending
    reason: str = ""
    attempts: int = 0
    kind: str | None = None
    detail: str | None = None
    result: object | None = None


class Ended:
    """How files have ended, from the threads of a stage to the receiving one. `_changed` is held to add to `_results`."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._changed = threading.Condition()
        self._results: list[Finished] = []

    def results(self) -> list[Finished]:
        """What has ended since the last call."""
        if not self._results:
            return []
        with self._changed:
            taken, self._results = self._results, []
        return taken

    def wait_for_result(self, timeout: float) -> bool:
        """Wait until something has ended; False when nothing does within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._results) or self.error is not None, timeout)


class Stage(Protocol):
    """Takes whole files, gives back how each ended. `close` it; `error` is set when it cannot go on."""

    error: BaseException | None

    @property
    def full(self) -> bool:
        """Is there so much to do that nothing more should be read for now?"""
        ...

    @property
    def busy(self) -> bool:
        """Is something going on whose end should be noticed at once?"""
        ...

    def submit(self, incoming: Incoming) -> None:
        """Take this file."""
        ...

    def results(self) -> list[Finished]:
        """What has ended since the last call."""
        ...

    def wait_for_result(self, timeout: float) -> bool:
        """Wait until something has ended; False when nothing does within `timeout` seconds."""
        ...

    def drain(self, timeout: float) -> bool:
        """The reader stops: wait until all that can still end has ended; False when that takes longer."""
        ...

    def hand_over(self, timeout: float) -> bool:
        """Partitions are given up: wait for what ends soon by itself; False when that takes longer."""
        ...

    def still_runs(self, incoming: Incoming) -> bool:
        """Its partitions are gone: is it being worked on, and may they come back? What has not begun is dropped."""
        ...

    def write_back(self, incoming: Incoming, target: Target) -> None:
        """More of a large file has come."""
        ...

    def at_work(self, incoming: Incoming) -> AtWork:
        """What is being done with this file; may be asked by any thread."""
        ...

    def kept(self, row: ReceivedFile) -> Incoming | None:
        """A file that failed, from where it is kept, to be submitted once more; None when it is not."""
        ...

    def close(self) -> None:
        """End after what is being done now."""
        ...
