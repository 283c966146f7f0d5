"""What a topic lost before it was read: said loudly, once for all partitions, with times and names."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from openmsistream.kafka.record import Record
from openmsistream.kafka.resuming import Resumption
from openmsistream.ledger.gone import forget_places, last_sent, retire_before
from openmsistream.program.times import in_words

log = logging.getLogger(__name__)

_NAMED = 10
"""Files that a message names; all of them stand in the ledger."""


class Losses:
    """Says what one reader of one topic cannot read any more, and from which time on there are records again."""

    def __init__(self, topic: str, ledger: Path, known: sqlite3.Connection, stream: int) -> None:
        self._topic = topic
        self._ledger = ledger
        self._known = known
        self._stream = stream
        self._goes_on: set[int] = set()

    def note(self, resumed: Mapping[int, Resumption]) -> int:
        """Say and write down what is gone in these partitions; gives how many files cannot be completed."""
        for partition, found in resumed.items():
            if found.cut:
                self._say_cut(partition, found)
        unread = {partition: found.unread for partition, found in resumed.items() if found.unread}
        unfinished = [
            path
            for partition, found in resumed.items()
            if not found.cut
            for path in retire_before(self._ledger, self._stream, partition, found.start)
        ]
        self._goes_on |= unread.keys()
        if unread:
            self._say_unread(unread)
        count = max(len(unfinished), sum(found.given_up for found in resumed.values()))
        if count:
            log.error(
                "%d files that were being received cannot be completed, their first chunks were deleted: %s; "
                "send them again", count, _some(unfinished, count),
            )  # fmt: skip
        return count

    def look_at(self, record: Record) -> None:
        """The first record after a gap tells until when the gap lasts."""
        if record.partition in self._goes_on:
            self._goes_on.discard(record.partition)
            when = in_words(record.timestamp_ms, _second)
            log.warning("partition %d goes on with what was sent at %s and later", record.partition, when)

    def _say_unread(self, unread: Mapping[int, int]) -> None:
        times = [time for p in unread if (time := last_sent(self._known, self._stream, p)) is not None]
        since = f", all of them sent after {in_words(round(min(times) * 1000), _second)}" if times else ""
        each = ", ".join(f"{count} in partition {partition}" for partition, count in sorted(unread.items()))
        log.error(
            "LOST: topic %s has deleted %d records before this reader read them (%s)%s; send those files again, and "
            "have the topic keep records for longer (retention.ms, retention.bytes) than a reader may be away",
            self._topic, sum(unread.values()), each, since,
        )  # fmt: skip

    def _say_cut(self, partition: int, found: Resumption) -> None:
        log.error(
            "the broker has lost the end of partition %d of topic %s: it ends before what was read already; it is read "
            "again from its oldest record, and what is there already is not written again; look at the broker's disks",
            partition, self._topic,
        )  # fmt: skip
        forget_places(self._ledger, self._stream, partition)


def _some(paths: list[str], count: int) -> str:
    """The first of the paths, and how many there are beside them: of one that was never begun no path is known."""
    named = paths[:_NAMED]
    more = count - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _second(time: datetime) -> str:
    return time.isoformat(" ", "seconds")
