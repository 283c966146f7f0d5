"""How many bytes of files may be in memory at once; what is more than that goes to disk."""

from __future__ import annotations

import ctypes
import io
import logging
import sys

from openmsistream.program.progress import size as size_in_words

log = logging.getLogger(__name__)

_SAID = 5
"""Files that are said one by one to have gone to disk; the next ones are like them."""


class Memory:
    """A budget of bytes. Used by the receiving thread alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._said = 0

    def takes(self, path: str, size: int) -> bool:
        """Is there room for a file of this size? Then it is taken until `give_back`."""
        if self.used + size > self.limit:
            self._say(path, size)
            return False
        self.used += size
        return True

    def add(self, size: int) -> None:
        """So much more is in memory, whatever the budget says."""
        self.used += size

    def give_back(self, size: int) -> None:
        self.used -= size

    def _say(self, path: str, size: int) -> None:
        self._said += 1
        level = logging.WARNING if self._said <= _SAID else logging.DEBUG
        log.log(
            level,
            "%s (%s) is kept on disk until its run has ended: %s of %s of memory are taken; "
            "--memory_limit sets how much may be",
            path, size_in_words(size), size_in_words(self.used), size_in_words(self.limit),
        )  # fmt: skip


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BLOCK = 64 << 20
_KEPT_IN_ALL = 256 << 20


def buffer_for(size: int) -> io.BytesIO:
    """A buffer for so many bytes, in one piece up to 64 MiB: one that grows leaves holes which nobody fills.

    Beyond that the system moves it without copying. It is as long as it was made: to be truncated to what has come.
    """
    made = io.BytesIO()
    if size:
        made.seek(min(size, _KEPT_BLOCK + 1) - 1)
        made.write(b"\0")
        made.seek(0)
    return made


def keep_pages() -> None:
    """Have the C library keep the memory that a file leaves, for the next one: blocks of 64 MiB, 256 MiB in all.

    By itself it gives each block above some size back to the system at once, and has to be given fresh pages for the next
    file: that was half of the time that 64 files of 32 MiB took in memory (docs/performance.md). Only glibc is asked.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_IN_ALL)
