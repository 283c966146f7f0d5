"""Records that could not be used, on their way to the quarantine: said aloud a few times, written many at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from openmsistream.kafka.quarantine import quarantined
from openmsistream.kafka.record import Record
from openmsistream.ledger.received import QuarantinedRecord

log = logging.getLogger(__name__)

_BATCH = 200
_SAID_SINGLY = 20
_SAID_THEN = 1000
"""A topic full of garbage must not fill the log as well: after 20 records only every thousandth is said."""


class Rejected:
    """Collects records with their reasons and gives them to `keep`, which writes them durably."""

    def __init__(self, keep: Callable[[list[QuarantinedRecord]], None]) -> None:
        self._keep = keep
        self._waiting: list[QuarantinedRecord] = []
        self._count = 0

    def add(self, record: Record, reason: str) -> None:
        """This record cannot be used."""
        self._count += 1
        if self._count <= _SAID_SINGLY or self._count % _SAID_THEN == 0:
            log.warning(
                "record %d of partition %d cannot be used: %s (%d so far; see: openmsistream quarantine list)",
                record.offset, record.partition, reason, self._count,
            )  # fmt: skip
        self._waiting.append(quarantined(record, reason, time.time()))
        if len(self._waiting) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write what has been collected: before an offset beyond it is committed."""
        if self._waiting:
            self._keep(self._waiting)
            self._waiting = []
