"""What a destination is: a place that takes whole files and can tell which of them it holds already."""

from __future__ import annotations

import enum
from typing import Protocol

from openmsistream.errors import OpenMSIStreamError
from openmsistream.processing.file import File


class Put(enum.Enum):
    """How a `put` ended that did not fail."""

    SENT = "sent"
    ALREADY_THERE = "already there"
    """The same content stood there under the same name; nothing was sent."""


class DestinationError(OpenMSIStreamError):
    """A destination refused a file, did not answer, or cannot be used at all.

    `retriable`: the same may succeed later without anybody doing anything (no answer, "slow down", a full disk that is
    being emptied); otherwise the file is listed as failed at once.
    """

    exit_code = 11

    def __init__(self, what: str, advice: str = "", *, retriable: bool = False) -> None:
        super().__init__(what, advice)
        self.retriable = retriable


class Unreachable(DestinationError):
    """A destination does not answer at all. That says nothing of the file: see `outages.py`."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice, retriable=True)


class Destination(Protocol):
    """A place for whole files, each under its path. Used by several threads at a time, each with a file of its own.

    What every destination promises; `openmsistream.testing.destinations` has the tests for it:

    1. After `put` has returned the file is there, whole, under its path, and `exists` says so.
    2. A `put` that failed, or was interrupted, leaves what stood there before: never a part of a file under its name.
    3. A file with other content under the same path replaces what was there; the order is that of the calls.
    4. Nothing goes wrong when the same file is put again, or twice at a time.
    5. Every failure is a DestinationError.
    """

    def check(self) -> None:
        """Can files be put here? Asked once at the start; a DestinationError (or ConfigError) says why not."""
        ...

    def exists(self, file: File) -> bool:
        """Does it hold this very content under this file's path?"""
        ...

    def put(self, file: File) -> Put:
        """Store the file under its path, unless that very content stands there already."""
        ...

    def close(self) -> None:
        """Let go of connections; may be called more than once."""
        ...
