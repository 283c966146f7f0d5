"""The very first start on a folder and topic: since when files count as new, by the clock of the folder's file system."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from openmsistream.files.chunk import FileState
from openmsistream.ledger.database import fact
from openmsistream.ledger.sent import FIRST_START, INVENTORY, SentLedger

from .takeover import StateOf, take_over_once


def new_since(ledger: SentLedger, root: Path, topic: str, state_of: StateOf) -> int:
    """The time in ns of the very first start: what is older when it is first met was there before, and is only noted.

    Where OpenMSIStream was at work before, what has come since its last upload is as new as what comes now.
    """
    until = take_over_once(ledger, root, topic, state_of)
    now = _file_system_time(root)
    with ledger.transaction() as connection:
        return int(fact(connection, FIRST_START, str(min(now, int(until * 1e9)) if until else now)))


def all_noted(ledger: SentLedger) -> bool:
    """Has all that was there before been noted?"""
    with ledger.transaction() as connection:
        return fact(connection, INVENTORY, "begun") == "done"


def _file_system_time(root: Path) -> int:
    """The present time in ns by the clock of the root's file system, or by ours when nothing can be written there."""
    probe = root / f".oms-{secrets.token_hex(8)}"
    try:
        probe.touch(exist_ok=False)
        try:
            return FileState.of(probe.stat()).ctime_ns
        finally:
            probe.unlink()
    except OSError:
        return time.time_ns()
