"""Reading what the broker says."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

STARTED = "Kafka Server started"
"""What Kafka logs once it answers clients; it listens some time before that."""


class LogReader:
    """The lines that are added to a log from some place on, also when a new file takes its place."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset
        self._rest = b""

    def new_lines(self) -> list[str]:
        """Whole lines since the last call."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # rolled over: the file under this name is a new one
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log; empty when there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, count)]
    except FileNotFoundError:
        return []


def follow(path: Path, lives: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Lines as they are added, until `lives` says no."""
    reader = LogReader(path, path.stat().st_size if path.exists() else 0)
    while True:
        going_on = lives()
        yield from reader.new_lines()
        if not going_on:
            return
        sleep(0.3)


def reason(log_lines: list[str], console_lines: list[str]) -> str:
    """Why a start failed: the last error of the log, or else the last thing that Java printed."""
    errors = [index for index, line in enumerate(log_lines) if " ERROR " in line[:60] or " FATAL " in line[:60]]
    if errors:
        said = log_lines[errors[-1]].split(": ", 1)[-1]
        causes = [line for line in log_lines[errors[-1] + 1 :] if not line.startswith("\tat ")]
        return " - ".join([said, *causes[:2]])
    spoken = [line for line in console_lines if line.strip()]
    return spoken[-1].strip() if spoken else "it said nothing"
