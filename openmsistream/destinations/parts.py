"""A large file as parts, each for a request of its own: how large they are, and how many are in memory at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from openmsistream.processing.file import File

from .reading import Reading

MIB = 1 << 20

PART_SIZE = 8 * MIB
"""What one request carries of a large file. Below 5 MiB S3 takes no part but the last."""

MOST_PARTS = 10_000
"""S3's limit. Files above 80 GB have larger parts for it."""


def part_size(size: int) -> int:
    """Bytes in each part but the last of a file of this size: whole MiB, so that a file fits into `MOST_PARTS`."""
    needed = -(-size // MOST_PARTS)
    return max(PART_SIZE, -(-needed // MIB) * MIB)


class Room:
    """Bytes that may be in memory at a time, whoever needs them.

    What is larger than all of it has it alone. Given back by the thread that is done with the bytes, which is not
    always the one that took them.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._changed = threading.Condition()
        self._turn = (
            threading.Lock()
        )  # one waits for room at a time, or who needs much would wait behind all who need little

    def take(self, wanted: int) -> int:
        """Wait until so much is free; gives what has to be given back."""
        taken = min(wanted, self.size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        return taken

    def give_back(self, taken: int) -> None:
        with self._changed:
            self._free += taken
            self._changed.notify_all()


def cut(file: File, room: Room) -> Iterator[tuple[bytes, int]]:
    """The parts of a file in their order, each with what it takes of the room; the receiver gives that back."""
    length = part_size(file.size)
    with Reading(file) as reading:
        for start in range(0, file.size, length):
            wanted = min(length, file.size - start)
            taken = room.take(wanted)
            try:
                data = reading.read(wanted)
            except BaseException:
                room.give_back(taken)
                raise
            yield data, taken
            del data  # or it would stay in memory while the next one is read


T = TypeVar("T")


class Senders:
    """Threads that send parts. Daemons, unlike an executor's: a server that stopped answering holds up no program's end."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have it done. The first time makes the threads; after `close` it is cancelled."""
        result: Future[T] = Future()
        with self._lock:
            if self._closed:
                _cancel(result)
                return result
            for number in range(0 if self._started else self._count):
                threading.Thread(target=self._send, name=f"part-{number}", daemon=True).start()
            self._started = True
            self._waiting.put((result, work))
        return result

    def close(self) -> None:
        """Cancel what was not begun, and let the threads end; may be called more than once."""
        with self._lock:
            self._closed = True
            try:
                while True:
                    next_one = self._waiting.get_nowait()
                    if next_one is not None:
                        _cancel(next_one[0])
            except queue.Empty:
                pass
            for _ in range(self._count):
                self._waiting.put(None)

    def _send(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            result, work = next_one
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(work())
                except BaseException as error:  # noqa: BLE001 - whoever asked for it is told
                    result.set_exception(error)
            del next_one, result, work  # or a part would stay in memory until the next one comes


def _cancel(result: Future[Any]) -> None:
    result.cancel()
    result.set_running_or_notify_cancel()  # or who waits for it would not be told
