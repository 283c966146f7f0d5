"""Room on the target disk: reserved when a file begins, so that what is begun can be finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from enum import Enum

MARGIN = 64 << 20
"""Bytes that are left free, for the ledger and for whatever else lives on this disk."""

_FRESH_FOR = 1.0


class Fit(Enum):
    """Whether a file may begin."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class Space:
    """What is free less what is promised. `free` and `total` ask the disk, in bytes."""

    def __init__(
        self, free: Callable[[], int], total: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = free
        self._total = total
        self._clock = clock
        self._asked = float("-inf")
        self._left = 0

    def fit(self, size: int, promised: Callable[[], Iterable[int]]) -> Fit:
        """May a file of this size begin, given the bytes still to come of the files that have begun?"""
        now = self._clock()
        if now - self._asked > _FRESH_FOR or size > self._left:
            self._left = self._free() - MARGIN - sum(promised())
            self._asked = now
        if size <= self._left:
            self._left -= size
            return Fit.NOW
        return Fit.NEVER if size > self._total() - MARGIN else Fit.LATER

    def would_fit(self, size: int, promised: Callable[[], Iterable[int]]) -> bool:
        """Would a file of this size fit now? Reserves nothing."""
        return self._free() - MARGIN - sum(promised()) >= size

    def lacking(self, size: int) -> str:
        """What a file that does not fit needs, in words."""
        return f"it needs {size / 1e9:.2f} GB, {max(0, self._left) / 1e9:.2f} GB are free"
