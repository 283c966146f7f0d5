"""What is known of one partition while it is ours: what is coming, being finished, set aside or done; and the tally of all."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from openmsistream.kafka.commits import Commit, Progress

from .incoming import Incoming

REMEMBERED = 4096
"""Finished generations of a partition that are remembered, to pass over chunks that a sender repeats."""

_RECENT = 50
"""Paths that a program gives back in the end, as OpenMSIStream does."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A generation that does not fit on the disk now."""

    first_offset: int
    size: int
    path: str


@dataclass
class Lane:
    """One partition that is ours. `sought`: those set aside that are being fetched again."""

    partition: int
    progress: Progress
    incoming: dict[str, Incoming] = field(default_factory=dict)
    finishing: dict[str, Incoming] = field(default_factory=dict)
    aside: dict[str, Aside] = field(default_factory=dict)
    finished: OrderedDict[str, None] = field(default_factory=OrderedDict)
    sought: set[str] = field(default_factory=set)
    committed: Commit | None = None

    def passes_over(self, offset: int) -> bool:
        """Was what stands here dealt with before, or will it be read again later?"""
        held = self.progress.held
        return self.progress.is_done(offset) or (held is not None and offset >= held)

    def done(self, generation: str, first_offset: int) -> None:
        """This generation needs nothing more."""
        self.incoming.pop(generation, None)
        self.finishing.pop(generation, None)
        self.aside.pop(generation, None)
        self.progress.finish(first_offset)
        self.finished[generation] = None
        if len(self.finished) > REMEMBERED:
            self.finished.popitem(last=False)


@dataclass
class Tally:
    """What was done since the start."""

    records: int = 0
    chunk_bytes: int = 0
    files: int = 0
    bytes: int = 0
    unchanged: int = 0
    quarantined: int = 0
    incomplete: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    recent: list[str] = field(default_factory=list)

    def finished(self, path: str, size: int) -> None:
        self.files += 1
        self.bytes += size
        self.failed.pop(path, None)
        self.recent.append(path)
        if len(self.recent) > _RECENT:
            del self.recent[0]
