"""What is known of one partition while it is ours, what is finished lately, and the tally of all."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from openmsistream.kafka.commits import Commit, Progress

REMEMBERED = 16_384
"""Finished generations that are remembered, to pass over chunks that a sender repeats."""

_RECENT = 50
"""Paths that a program gives back in the end, as OpenMSIStream does."""

_MOST_FAILED = 1000
"""Failed files whose reasons are kept in memory; all of them stand in the ledger."""


@dataclass
class Lane:
    """One partition that is ours. `end` is where its log ended when it became ours."""

    partition: int
    progress: Progress
    committed: Commit | None = None
    end: int = 0
    said_full: bool = False

    @property
    def at_end(self) -> bool:
        """Has all been read that stood in it when it became ours?"""
        return self.progress.held is None and self.progress.position >= self.end

    def passes_over(self, offset: int) -> bool:
        """Was what stands here dealt with before, or will it be read again later?"""
        held = self.progress.held
        return self.progress.is_done(offset) or (held is not None and offset >= held)


class Lately:
    """The generations that were finished last: delivered, or not to be tried again."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, tuple[int, bool]] = OrderedDict()

    def note(self, generation: str, last_sent: int, *, delivered: bool) -> None:
        """This generation needs nothing more; its last record was sent at `last_sent`, in ms."""
        self._ended[generation] = last_sent, delivered
        self._ended.move_to_end(generation)
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def forget(self, generation: str) -> None:
        self._ended.pop(generation, None)

    def __contains__(self, generation: str) -> bool:
        return generation in self._ended

    def given_up_at(self, generation: str) -> int | None:
        """The time in ms at which the last record was sent of one that ended otherwise than delivered."""
        last_sent, delivered = self._ended.get(generation, (0, True))
        return None if delivered else last_sent


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

    def taken_back(self, size: int) -> None:
        """One that was finished is not, after all."""
        self.files -= 1
        self.bytes -= size

    def has_failed(self, path: str, reason: str) -> None:
        self.failed[path] = reason
        if len(self.failed) > _MOST_FAILED:
            del self.failed[next(iter(self.failed))]
