"""How far a partition has been read and what of it is still needed: which offset is safe, and what a commit says.

A commit's offset is the safe offset: the first record of the oldest generation that is unfinished. Its metadata says the
rest in text, so that the next owner, on any machine, re-reads from there and skips what is done:

    1 <position - safe> <first offset of each other unfinished generation - safe> ...

in base 36, with the topic's id and a slash before it: offsets of a topic that was deleted mean nothing in one that was
made again under its name. Kafka's broker takes 4096 bytes less a few; MAX_METADATA stays below.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

MAX_METADATA = 4000
"""Bytes; 4000 pass with a broker's default `offset.metadata.max.bytes`, 4096 do not (tried)."""

MAX_OPEN = 280
"""Generations of one partition that may be unfinished at once: of 4000 bytes each has 14, for a space and the 13 digits
that any 63-bit number has in base 36."""

_FORM = "1"
_WORDS = re.compile(r"1( [0-9a-z]{1,13})+")
_ID = re.compile(r"[A-Za-z0-9_+/-]{22}")  # 128 bits in base 64; the client writes "+" and "/", Kafka itself "-" and "_"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed for one partition."""

    offset: int
    metadata: str


def stamped(commit: Commit, topic_id: str) -> Commit:
    """The commit as it is sent to the broker: with the id of the topic that its offsets belong to."""
    return Commit(commit.offset, f"{topic_id}/{commit.metadata}")


def unstamped(commit: Commit, topic_id: str) -> Commit | None:
    """A commit as it came from the broker, for this topic; None when it was made for another one of the same name.

    Metadata in a form that is not ours, or none, is taken with its offset.
    """
    stamp, slash, metadata = commit.metadata.rpartition("/")
    if not slash or not _ID.fullmatch(stamp):
        return commit
    return Commit(commit.offset, metadata) if stamp == topic_id else None


class Progress:
    """One partition's progress. Offsets below `position` were seen; `open` are first offsets of what is unfinished.

    `held` is where reading shall begin again later: from there on nothing new was begun.
    """

    def __init__(self, position: int, unfinished: frozenset[int] = frozenset()) -> None:
        self.position = position
        self.open = set(unfinished)
        self.held: int | None = None
        self._begun: set[int] = set()
        self._unclaimed = deque(sorted(unfinished))  # named by a commit, not met again yet

    @classmethod
    def of(cls, commit: Commit) -> Progress:
        """The progress that a commit tells of; metadata in a form that is not ours counts for nothing."""
        if not _WORDS.fullmatch(commit.metadata):
            return cls(commit.offset)
        position, *others = (commit.offset + int(word, 36) for word in commit.metadata.split(" ")[1:])
        unfinished = frozenset({commit.offset, *others}) if position > commit.offset else frozenset()
        return cls(position, unfinished)

    def is_done(self, offset: int) -> bool:
        """Was the generation that begins at this offset, or that has a chunk there, dealt with before?

        True below the position unless a generation that is still unfinished begins here.
        """
        return offset < self.position and offset not in self.open

    def saw(self, offset: int) -> None:
        """The record at this offset has been looked at, and a generation that it begins was begun."""
        while self._unclaimed and self._unclaimed[0] <= offset:
            unclaimed = self._unclaimed.popleft()
            if unclaimed not in self._begun:
                self.open.discard(unclaimed)  # retention took its first record: nothing to wait for
        if offset >= self.position and self.held is None:
            self.position = offset + 1

    def begin(self, offset: int) -> None:
        """A generation whose first record stands here is being put together, or was set aside."""
        self.open.add(offset)
        self._begun.add(offset)

    def finish(self, offset: int) -> None:
        """The generation that begins here is delivered, failed, retired or abandoned."""
        self.open.discard(offset)
        self._begun.discard(offset)

    @property
    def full(self) -> bool:
        """May nothing new be begun, because a commit could not name it? What is named already may be."""
        return len(self.open) >= MAX_OPEN

    def hold(self, offset: int) -> None:
        """Begin nothing from this offset on; reading will come back to it."""
        if self.held is None:
            self.held = offset
            self.position = min(self.position, offset)

    def resume(self) -> int:
        """The hold is over: the offset from which to read again."""
        assert self.held is not None
        offset, self.held = self.held, None
        return offset

    @property
    def safe(self) -> int:
        """The lowest offset that is still needed."""
        return min(self.open, default=self.position)

    def commit(self) -> Commit:
        """What to commit now."""
        safe = self.safe
        if safe >= self.position:
            return Commit(self.position, "")
        others = sorted(offset - safe for offset in self.open if offset != safe)
        metadata = " ".join((_FORM, _base36(self.position - safe), *map(_base36, others)))
        assert len(metadata) <= MAX_METADATA, "more is unfinished than a commit can name"
        return Commit(safe, metadata)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
