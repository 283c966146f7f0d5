"""The ledger of a reader, written by its threads in turns."""

from __future__ import annotations

import threading

from openmsistream.ledger.received import IncompleteFile, QuarantinedRecord, ReceivedFile, ReceivedLedger


class Rows:
    """Writes rows into a ledger; `turn` is held by whoever is at it."""

    def __init__(self, ledger: ReceivedLedger) -> None:
        self.ledger = ledger
        self.turn = threading.Lock()

    def record(self, rows: list[ReceivedFile]) -> None:
        """How files have ended."""
        if rows:
            with self.turn:
                self.ledger.write(rows)

    def take_back(self, row: ReceivedFile) -> None:
        """A file has failed after all."""
        with self.turn:
            self.ledger.take_back(row)

    def incomplete(self, rows: list[IncompleteFile]) -> None:
        """What is unfinished, or given up."""
        if rows:
            with self.turn:
                self.ledger.note_incomplete(rows)

    def forget_incomplete(self, generation: str) -> None:
        with self.turn:
            self.ledger.forget_incomplete(generation)

    def quarantine(self, records: list[QuarantinedRecord]) -> None:
        with self.turn:
            self.ledger.quarantine(records)
