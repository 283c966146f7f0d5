"""What is done with a file and how that ended, as values: the work, its result for another topic, its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .file import File


@dataclass(frozen=True, slots=True)
class Result:
    """A record for another topic that came of a file."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


Work = Callable[[File], Result | None]
"""Somebody's code for one file. An exception means that it failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of somebody's code ended: `failure` is None when it returned, else one line that says why.

    `trace` is the traceback as text. `final`: trying again cannot help. `kind` tells failures apart where there are several.
    """

    result: Result | None = None
    failure: str | None = None
    trace: str = ""
    final: bool = False
    kind: str | None = None


class Caller(Protocol):
    """Runs the work on one file after another, in the thread that calls it. Never raises what the work raised."""

    def run(self, file: File) -> Outcome: ...

    def close(self) -> None:
        """Let go of it; also from another thread, while a run is going on."""
        ...
