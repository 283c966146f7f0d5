"""Which of two generations of a path is the newer, by where they stand in the topic. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a generation stands: its first record, and the times in ms at which its first and its last one were sent.

    `mtime_ns` is the file's time when the generation is in the msgpack form and tells it; None otherwise.
    """

    partition: int
    first_offset: int
    timestamp_ms: int
    last_timestamp_ms: int
    mtime_ns: int | None = None


def is_newer(this: Place, that: Place) -> bool:
    """Is this generation newer than that one?

    Newer is the one whose first record stands later; between partitions the time of sending decides. Where the records of
    two generations in the msgpack form are interleaved, as several of OpenMSIStream's producers may send them, the file's
    own time decides first, as it does for OpenMSIStream's readers.
    """
    if _interleaved(this, that) and None not in (this.mtime_ns, that.mtime_ns) and this.mtime_ns != that.mtime_ns:
        return _mtime(this) > _mtime(that)
    if this.partition == that.partition:
        return this.first_offset > that.first_offset
    if this.timestamp_ms == that.timestamp_ms:
        return _mtime(this) > _mtime(that)
    return this.timestamp_ms > that.timestamp_ms


def _interleaved(this: Place, that: Place) -> bool:
    return this.timestamp_ms < that.last_timestamp_ms and that.timestamp_ms < this.last_timestamp_ms


def _mtime(place: Place) -> int:
    return -1 if place.mtime_ns is None else place.mtime_ns
