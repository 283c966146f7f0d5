"""Where to go on in a partition: where the group left it, or elsewhere when the topic no longer holds that place. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .commits import Commit, Progress


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds: the offset of its oldest record, and the offset that the next one will get."""

    oldest: int
    end: int


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where to go on, with which progress, and what cannot be read any more.

    `unread` records were deleted before they were read, and so was the beginning of `given_up` unfinished files. `cut`:
    the log ends before the place that was reached, so its end was lost and other records stand, or will stand, under
    offsets that were read before.
    """

    start: int
    progress: Progress
    unread: int = 0
    given_up: int = 0
    cut: bool = False


def resume(commit: Commit, extent: Extent) -> Resumption:
    """Where to go on after what was committed, in a partition that holds `extent`.

    A log that was cut is read from its oldest record: nobody can tell which of those below the place that was reached
    are new. What was delivered is known by its generation, and not written again.
    """
    progress = Progress.of(commit)
    if progress.position > extent.end:
        return Resumption(extent.oldest, Progress(extent.oldest), cut=True)
    if commit.offset >= extent.oldest:
        return Resumption(commit.offset, progress)
    position = max(progress.position, extent.oldest)
    still_there = frozenset(offset for offset in progress.open if offset >= extent.oldest)
    return Resumption(
        min(still_there, default=position),
        Progress(position, still_there),
        unread=max(0, extent.oldest - progress.position),
        given_up=len(progress.open) - len(still_there),
    )
