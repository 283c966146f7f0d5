"""What is known to be incomplete: unfinished since when, given up with what is missing, or without its first chunks."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable

from openmsistream.files.chunk import Chunk
from openmsistream.kafka.record import Record
from openmsistream.ledger.received import IncompleteFile

from .incoming import Incoming
from .lanes import REMEMBERED, Tally
from .rows import Rows

log = logging.getLogger(__name__)

GONE = "(no longer in the topic)"


class Incomplete:
    """The incomplete generations of one topic: in the ledger, so that a restart does not begin its patience anew."""

    def __init__(self, written: Rows, tally: Tally) -> None:
        self._written = written
        self._tally = tally
        self._rows = {row.generation: row for row in written.ledger.incomplete()}
        self._headless: OrderedDict[str, None] = OrderedDict()

    def get(self, generation: str) -> IncompleteFile | None:
        return self._rows.get(generation)

    def is_retired(self, generation: str, offset: int) -> bool:
        """Was it given up before this offset?"""
        row = self._rows.get(generation)
        return row is not None and row.retired and row.first_offset < offset

    def note(self, unfinished: Iterable[Incoming]) -> None:
        """Write down what is unfinished now."""
        rows = [_row(incoming, retired=False) for incoming in unfinished]
        self._written.incomplete(rows)
        self._rows.update((row.generation, row) for row in rows)

    def retire(self, incoming: Incoming) -> None:
        """It is waited for no longer: its first chunk, sent again, must not make it the newest of its path."""
        row = _row(incoming, retired=True)
        self._rows[row.generation] = row
        if len(self._rows) > REMEMBERED:
            del self._rows[next(iter(self._rows))]
        self._written.incomplete([row])

    def silent(self, incoming: Incoming) -> None:
        """Nothing of it has come for long."""
        self._tally.incomplete += 1
        log.warning("%s is given up: %s missing", incoming.path, incoming.reassembly.missing())

    def delivered(self, generation: str) -> None:
        """It is complete; its row goes with the writing of what was received."""
        self._rows.pop(generation, None)

    def abandoned(self, generation: str) -> None:
        """Its sender gave it up."""
        if generation in self._rows:
            self._written.forget_incomplete(generation)

    def headless(self, record: Record, chunk: Chunk) -> None:
        """The first chunks of this generation are gone from the topic (or were never in it): it can never be complete."""
        if chunk.generation in self._headless:
            return
        self._headless[chunk.generation] = None
        if len(self._headless) > REMEMBERED:
            self._headless.popitem(last=False)
        self.gone(record.partition, record.offset, chunk.generation, chunk.path, f"chunks 0-{chunk.index - 1}")

    def gone(self, partition: int, offset: int, generation: str, path: str, what: str) -> None:
        """What is missing of it is no longer in the topic."""
        self._tally.incomplete += 1
        row = IncompleteFile(partition, offset, generation, path, offset, time.time(), True, f"{what} {GONE}")
        log.warning("%s cannot be completed: %s missing", path, row.missing)
        self._written.incomplete([row])


def _row(incoming: Incoming, *, retired: bool) -> IncompleteFile:
    return IncompleteFile(
        incoming.partition, incoming.first_offset, incoming.generation, incoming.path, incoming.last_offset,
        incoming.last_news, retired, incoming.reassembly.missing(),
    )  # fmt: skip
