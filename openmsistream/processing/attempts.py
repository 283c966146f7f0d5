"""Which files somebody's code is at, written down before each call, so that one that kills the program is found out."""

from __future__ import annotations

import struct
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from openmsistream.errors import LedgerError
from openmsistream.files.names import MAX_PATH_BYTES

_MAGIC = b"openmsistream attempts 1\n"
_HEAD = struct.Struct(">HHI")
"""Of a slot: the bytes of the generation, those of the path, and the CRC-32 of both. Zeros: nothing is running."""

_LONGEST_GENERATION = 512
_SLOT = 8192
assert _HEAD.size + _LONGEST_GENERATION + MAX_PATH_BYTES <= _SLOT
_IDLE = bytes(_HEAD.size)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One version of a file that somebody's code was given."""

    generation: str
    path: str


class Attempts:
    """One small file with a place for each worker; `left` tells at the next start what was running when a program died.

    A note is one write to an open file: it outlives the program, however that ends, but not a power cut, after which
    nobody would know that a function was to blame. Making this object forgets what was left: ask `left` before.
    The file belongs to one program at a time, as the ledger beside it does.
    """

    def __init__(self, path: Path, slots: int) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            # all of it is written at once, so that a full disk is met here rather than at a note
            path.write_bytes(_MAGIC.ljust(_SLOT, b"\0") + bytes(slots * _SLOT))
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise _cannot(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def begin(self, slot: int, generation: str, path: str) -> None:
        """Note that this worker is about to call somebody's code. LedgerError when that cannot be written."""
        first, second = generation.encode(), path.encode()
        self._write(slot, _HEAD.pack(len(first), len(second), zlib.crc32(first + second)) + first + second)

    def end(self, slot: int) -> None:
        """Note that this worker is at nothing."""
        self._write(slot, _IDLE)

    def clear(self) -> None:
        """Forget all, because the program stops in good order: what still runs then is not to blame.

        What workers note after that is not written.
        """
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot(self._path, error) from error

    def close(self) -> None:
        """Let go of the file as it stands."""
        with self._lock:
            self._file.close()

    def _write(self, slot: int, note: bytes) -> None:
        if len(note) > _SLOT:
            raise ValueError(f"a note of {len(note)} bytes does not fit into a slot of {_SLOT}")
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.seek((slot + 1) * _SLOT)
                self._file.write(note)
            except OSError as error:
                raise _cannot(self._path, error) from error

    @staticmethod
    def left(path: Path) -> tuple[Attempt, ...]:
        """What was running when the program that wrote this file died; nothing of it when it stopped in good order.

        A note that was torn, and a file that is none of ours, say nothing.
        """
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _cannot(path, error) from error
        if not found.startswith(_MAGIC):
            return ()
        notes = (_read(found[at : at + _SLOT]) for at in range(_SLOT, len(found), _SLOT))
        return tuple(note for note in notes if note is not None)


def _read(slot: bytes) -> Attempt | None:
    if len(slot) < _HEAD.size:
        return None
    generation, path, sum_ = _HEAD.unpack_from(slot)
    text = slot[_HEAD.size : _HEAD.size + generation + path]
    if not path or len(text) < generation + path or zlib.crc32(text) != sum_:
        return None
    try:
        return Attempt(text[:generation].decode(), text[generation:].decode())
    except UnicodeDecodeError:
        return None


def _cannot(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"the list of running attempts {path} cannot be used: {error.strerror or error}",
        "make room or see to the rights of its folder, then start this program again",
    )
