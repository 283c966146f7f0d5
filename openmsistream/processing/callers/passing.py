"""What passes between a process that works for us and its parent: files one way, outcomes and messages the other.

Each frame is a kind, a length and that many bytes; the bytes of a file in memory follow its frame as they are. So there
is one copy of them on each side and none between: a socket was twice as fast as shared memory, which needs one more.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

from openmsistream.processing.file import File, Source
from openmsistream.processing.work import Outcome, Result

_HEAD = struct.Struct(">BQ")

_AT_ONCE = 1 << 16
"""Bytes up to which a file is put behind its frame for one call of the system, and that are read at once."""

_PIECE = 1 << 22
"""Bytes of a large file for one call of the system: none takes 2 GiB, and between pieces the sender looks about."""


class Kind(IntEnum):
    """What a frame says."""

    READY = 1
    """The work is made."""
    REFUSED = 2
    """The work cannot be made; an outcome says why."""
    FILE = 3
    LOG = 4
    """The attributes of a logging record."""
    OUTCOME = 5


class Closed(Exception):
    """The other side is gone."""


class ParentEnd:
    """The parent's end. While it waits, `turn` is called: it gives the seconds until its next call, or raises."""

    def __init__(self, end: socket.socket, turn: Callable[[], float]) -> None:
        self._end = end
        self._turn = turn
        self._had = bytearray()

    def send(self, file: File) -> None:
        """Raises Closed, and what `turn` raises."""
        data = file.read_bytes() if file.in_memory else None
        for piece in _pieces(Kind.FILE, _from_file(file, None if data is None else len(data)), data or b""):
            left = memoryview(piece)
            while left:
                left = left[self._patiently(self._end.send, left) :]

    def receive(self) -> tuple[Kind, Any]:
        """The next frame. Raises Closed, and what `turn` raises."""
        kind, length = _HEAD.unpack(self._take(_HEAD.size))
        return Kind(kind), pickle.loads(self._take(length))

    def hang_up(self) -> None:
        """Tell the other side that nothing comes any more; from any thread."""
        try:
            self._end.shutdown(socket.SHUT_WR)
        except OSError:  # the other side was faster
            pass

    @property
    def is_over(self) -> bool:
        """Has the other side gone? A process that was killed is known by that before the system has cleared it away."""
        try:
            return bool(select.select([self._end], [], [], 0)[0]) and not self._end.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def close(self) -> None:
        self._end.close()

    def _take(self, length: int) -> bytes:
        while len(self._had) < length:
            came: bytes = self._patiently(self._end.recv, _AT_ONCE)
            if not came:
                raise Closed
            self._had += came
        taken = bytes(self._had[:length])
        del self._had[:length]
        return taken

    def _patiently(self, act: Callable[[Any], Any], what: object) -> Any:
        while True:
            patience = self._turn()
            if patience != self._end.gettimeout():  # each change is a call of the system
                self._end.settimeout(patience)
            try:
                return act(what)
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed from error


class ChildEnd:
    """The child's end, which waits for as long as it takes."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(None)  # a script may have set another default for all sockets
        self._end = end
        self._reader = end.makefile("rb", buffering=_AT_ONCE)

    def send(self, kind: Kind, said: object) -> None:
        """Raises OSError when the parent is gone."""
        for piece in _pieces(kind, said):
            self._end.sendall(piece)

    def receive(self, folder: Path) -> File | None:
        """The next file, whose `on_disk` uses this folder; None when the parent wants no more."""
        head = self._reader.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        said = pickle.loads(self._reader.read(_HEAD.unpack(head)[1]))
        # a large file is read into its bytes object directly: BufferedReader makes no copy of more than it buffers
        length = said.pop("bytes")
        data = None if length is None else self._reader.read(length)
        if data is not None and len(data) < length:
            return None
        return HandedOver(folder, data, **said)


class HandedOver(File):
    """A file as the child has it; a copy on disk goes to a folder that the parent removes, however the child ends."""

    def __init__(self, folder: Path, data: bytes | None, *, source: tuple[Any, ...], **said: Any) -> None:
        super().__init__(source=Source(*source), data=data, **said)
        self._folder = folder

    def on_disk(self) -> Path:
        if self._place is None and self._copy is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._copy = tempfile.TemporaryDirectory(prefix="", dir=self._folder)
            (Path(self._copy.name) / self.name).write_bytes(self.read_bytes())
        return super().on_disk()


def from_outcome(outcome: Outcome) -> tuple[object, ...]:
    """An outcome as plain values, so that no class of the user's has to be known on the other side."""
    result = outcome.result
    plain = None if result is None else (result.key, result.value, result.headers)
    return plain, outcome.failure, outcome.trace, outcome.final, outcome.kind


def to_outcome(values: tuple[Any, ...]) -> Outcome:
    """The reverse of `from_outcome`."""
    plain, *others = values
    return Outcome(None if plain is None else Result(*plain), *others)


def _pieces(kind: Kind, said: object, more: bytes = b"") -> Iterator[bytes | memoryview]:
    body = pickle.dumps(said, protocol=pickle.HIGHEST_PROTOCOL)
    head = _HEAD.pack(kind, len(body)) + body
    if len(more) <= _AT_ONCE:
        yield head + more
        return
    yield head
    whole = memoryview(more)
    for at in range(0, len(whole), _PIECE):
        yield whole[at : at + _PIECE]


def _from_file(file: File, length: int | None) -> dict[str, Any]:
    source = file.source
    return {
        "path": file.path,
        "source": (source.topic, source.partition, source.offset, source.generation),
        "size": file.size,
        "digest": file.digest,
        "mtime_ns": file.mtime_ns,
        "chunks": file.chunks,
        "place": file.place,
        "bytes": length,
    }
