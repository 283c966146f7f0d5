"""One program at a time: a lock on a file that the system gives back when its holder dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from openmsistream.errors import BrokerProcessError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def is_locked(_path: Path) -> bool:
        """Whether a Java program holds its lock on that file; never told here, where Kafka says it itself."""
        return False
else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_locked(path: Path) -> bool:
        """Whether a Java program holds its lock on that file, also one that runs in another container."""
        try:
            with path.open("r+b") as file:
                fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # not there yet, or not ours to look at: Kafka itself will say so
        return False


@contextmanager
def exclusive(path: Path, *, timeout: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold the lock at `path`; wait up to `timeout` seconds for another holder, then BrokerProcessError.

    The file stays: deleting it would let two programs hold locks on two files of one name.
    """
    deadline = time.monotonic() + timeout
    with path.open("ab") as file:
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise BrokerProcessError(
                    f"another program has been busy with the broker in {path.parent} for {timeout:.0f} s",
                    "wait for it, or look which program holds that folder's file 'lock'",
                )
            sleep(0.05)
        yield  # closing the file gives the lock back
