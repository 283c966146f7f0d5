"""How long a Girder server that is in trouble is waited for, also in the middle of a large file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .contract import DestinationError, Unreachable
from .outages import Outage

log = logging.getLogger(__name__)

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0

TRIES = 5
"""How often something is tried that the server fails to do: for 7.5 s in all. Whoever asked for it may ask again later."""


@dataclass
class Patience:
    """Waits between tries, each twice as long as the one before, until `end`. Shared by all threads.

    `through_outages`: an outage is no file's fault, so wait until the server can be reached again, however long it takes.
    """

    first_wait: float = FIRST_WAIT
    tries: int = TRIES
    through_outages: bool = False
    clock: Callable[[], float] = time.monotonic
    _ended: threading.Event = field(default_factory=threading.Event)
    outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        self.outage = Outage("Girder", self.clock)

    def for_doing(self, what: str) -> Tries:
        """The tries of one thing, which a message is to call so."""
        return Tries(self, what)

    def wait(self, tries: int) -> bool:
        """Wait after so many tries; False when nobody is to wait any longer."""
        return not self._ended.wait(min(LONGEST_WAIT, self.first_wait * 2.0 ** min(tries - 1, 10)))

    def end(self) -> None:
        """Let nobody wait any longer."""
        self._ended.set()

    def answered(self) -> None:
        """Something went well."""
        self.outage.over()


@dataclass
class Tries:
    """How often one thing failed, and how often the server could not be reached for it."""

    patience: Patience
    doing: str
    failed: int = 0
    unreached: int = 0

    @property
    def any(self) -> bool:
        """Has it failed before?"""
        return bool(self.failed or self.unreached)

    def wait_after(self, error: DestinationError) -> None:
        """Wait before another try. Raises the error when that is no use, or when it was tried enough."""
        outage = self.patience.through_outages and isinstance(error, Unreachable)
        self.failed += not outage
        self.unreached += outage
        if not error.retriable or self.failed >= self.patience.tries:
            raise error
        if outage:
            self.patience.outage.met(error)
        else:
            log.info("%s: %s; it is tried again", self.doing, error)
        if not self.patience.wait(self.unreached if outage else self.failed):
            raise error
