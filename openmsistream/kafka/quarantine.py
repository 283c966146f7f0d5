"""Records that cannot be used: kept in the ledger with topic, partition, offset and reason, so that the stream goes on."""

from __future__ import annotations

from openmsistream.ledger.received import QUARANTINE_VALUE_BYTES, QuarantinedRecord

from .record import Record


def quarantined(record: Record, reason: str, now: float) -> QuarantinedRecord:
    """The entry for a record; `now` is Unix time. Of a long value the beginning: entries wait in memory for a while."""
    headers = [
        (name, "" if value is None else value.decode("utf-8", "replace")) for name, value in record.headers or ()
    ]
    return QuarantinedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        reason=reason,
        key=record.key,
        value=None if record.value is None else record.value[:QUARANTINE_VALUE_BYTES],
        value_bytes=None if record.value is None else len(record.value),
        headers=headers,
        noted=now,
    )
