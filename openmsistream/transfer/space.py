"""Room on the target disk: reserved when a file begins, so that what is begun can be finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from enum import Enum

MARGIN = 64 << 20
"""Bytes that are left free, for the ledger and for whatever else lives on this disk."""

_SMALL_DISK_KEEPS = 16
"""On a disk that is smaller than the margin itself, as a container may be given one, it is this part of the disk."""

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
            self._left = self._free() - self._margin() - sum(promised())
            self._asked = now
        if size <= self._left:
            self._left -= size
            return Fit.NOW
        return Fit.NEVER if size > self._total() - self._margin() else Fit.LATER

    def would_fit(self, size: int, promised: Callable[[], Iterable[int]]) -> bool:
        """Would a file of this size fit now? Reserves nothing."""
        return self._free() - self._margin() - sum(promised()) >= size

    def lacking(self, size: int) -> str:
        """What a file that does not fit needs, in words."""
        unit, name = (1e9, "GB") if size >= 10**7 else (1e6, "MB")
        return f"it needs {size / unit:.2f} {name}, {max(0, self._left) / unit:.2f} {name} are free"

    def _margin(self) -> int:
        total = self._total()
        return MARGIN if total > MARGIN else total // _SMALL_DISK_KEEPS
