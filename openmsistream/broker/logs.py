"""Reading what the broker says."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

STARTED = "Kafka Server started"
"""What Kafka logs once it answers clients; it listens some time before that."""


_GRADES: tuple[Literal["WARN"], Literal["ERROR"], Literal["FATAL"]] = ("WARN", "ERROR", "FATAL")
_BEGINS = re.compile(r"\d{4}-\d\d-\d\dT")
"""How each entry of the log begins; other lines belong to the one above them."""


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


@dataclass(frozen=True)
class Trouble:
    """A line that somebody should see, with what it says of its cause."""

    grade: Literal["WARN", "ERROR", "FATAL"]
    text: str


def troubles(lines: Iterable[str]) -> list[Trouble]:
    """Warnings and errors among the lines of a log, each with the exception that stands below it."""
    found: list[Trouble] = []
    follows = False
    for line in lines:
        if grade := _grade(line):
            found.append(Trouble(grade, line.partition(f" {grade} ")[2]))
        elif follows and not _BEGINS.match(line):
            found[-1] = Trouble(found[-1].grade, f"{found[-1].text} - {line}")
        follows = bool(grade)
    return found


def _grade(line: str) -> Literal["WARN", "ERROR", "FATAL"] | None:
    return next((grade for grade in _GRADES if f" {grade} " in line[:60]), None)


def reason(log_lines: list[str], console_lines: list[str]) -> str:
    """Why a start failed: the last error of the log, or else the last thing that Java printed."""
    errors = [index for index, line in enumerate(log_lines) if _grade(line) in ("ERROR", "FATAL")]
    if errors:
        said = log_lines[errors[-1]].split(": ", 1)[-1]
        causes = [line for line in log_lines[errors[-1] + 1 :] if not line.startswith("\tat ")]
        return " - ".join([said, *causes[:2]])
    spoken = [line for line in console_lines if line.strip()]
    return spoken[-1].strip() if spoken else "it said nothing"
