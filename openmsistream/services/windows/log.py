"""What a Windows service says: a file of bounded size that goes round, its last lines, its last error."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

LARGEST = 10_000_000
"""Bytes of one file; the one before it is kept too."""

_TRY_AGAIN = 60.0
"""Seconds until the file is moved away again after somebody had it open, which Windows does not allow."""

_END = 1_000_000
"""Bytes at the end of a file in which the last lines are looked for."""

_ERROR = re.compile(r"^(?:error: |\S+ \S+ (?:ERROR|CRITICAL)\s+)(?P<text>.*)$")
_LOOK_EVERY = 0.5


class RoundFile:
    """A file that lines are added to. Full, it becomes NAME.1 (the one before goes), and a new one is begun."""

    def __init__(self, file: Path, largest: int = LARGEST, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._largest = largest
        self._clock = clock
        self._not_before = float("-inf")
        self._out: BinaryIO | None = open(file, "ab")

    def add(self, line: bytes) -> None:
        """Add a line as it is. A full disk loses lines, never more than that."""
        try:
            if self._out is None:
                self._out = open(self._file, "ab")
            self._out.write(line if line.endswith(b"\n") else line + b"\n")
            self._out.flush()
            if self._out.tell() >= self._largest and self._clock() >= self._not_before:
                self._turn()
        except OSError:
            return

    def say(self, level: str, text: str) -> None:
        """Add a line of our own, as programs write theirs."""
        now = datetime.fromtimestamp(time.time()).astimezone().isoformat(" ", "milliseconds")
        self.add(f"{now} {level:<7} {text}".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None

    def _turn(self) -> None:
        self.close()
        try:
            os.replace(self._file, older(self._file))
        except OSError:
            self._not_before = self._clock() + _TRY_AGAIN
        self._out = open(self._file, "ab")


def older(file: Path) -> Path:
    """Where the lines before those in the file are."""
    return file.with_name(f"{file.name}.1")


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines, from the file before as well; none when there is no file."""
    lines = _end_of(file)
    if len(lines) < count:
        lines = _end_of(older(file)) + lines
    return lines[-count:] if count > 0 else []


def following(file: Path, wait: Callable[[float], object] = time.sleep) -> Iterator[str]:
    """The lines that come from now on; never ends by itself. The file is not held open, so that it can be moved away."""
    at, kept = _size(file), b""
    while True:
        wait(_LOOK_EVERY)
        if _size(file) < at:  # a new one was begun
            at, kept = 0, b""
        data = _read_from(file, at)
        at += len(data)
        *whole, kept = (kept + data).split(b"\n")
        yield from (_text(line) for line in whole)


def last_error(file: Path) -> str:
    """The last error that was said, without its time; empty when there is none."""
    for line in reversed(last_lines(file, 10_000)):
        if found := _ERROR.match(line):
            return found["text"]
    return ""


def _end_of(file: Path) -> list[str]:
    at = max(0, _size(file) - _END)
    lines = _read_from(file, at).split(b"\n")
    if at:
        lines = lines[1:]  # it begins somewhere in a line
    if lines and not lines[-1]:
        lines.pop()
    return [_text(line) for line in lines]


def _read_from(file: Path, at: int) -> bytes:
    try:
        with open(file, "rb") as read:
            read.seek(at)
            return read.read()
    except OSError:
        return b""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
