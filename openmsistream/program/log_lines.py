"""The log messages of late, kept in bounded memory until somebody takes them, without the secrets that are known."""

from __future__ import annotations

import json
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 65_536
"""Messages that are kept until they are taken, as OpenMSIStream has it."""

_MOST_LETTERS = 8_000_000
"""Letters that are kept: a broker that is away for a night must not fill the memory with what could not be sent."""

_LONGEST = 10_000
"""Letters of one message; a longer one, such as a deep traceback, is cut."""

_AT_ONCE = 800_000
"""Bytes that are given at once, counted as JSON: a record may have 1 MB where nobody has set it otherwise."""


class LogLines(logging.Handler):
    """Keeps what is logged, oldest first, as bare texts. `take` gives some of it, and says how much had to be dropped."""

    def __init__(self, level: int = logging.INFO, most: int = MOST, hide: Callable[[str], str] = str) -> None:
        super().__init__(level)
        self._most = most
        self._hide = hide
        self._lines: deque[str] = deque()
        self._letters = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, which holds this handler's lock."""
        try:
            text = _text(record)
        except Exception:  # noqa: BLE001  as every handler does it: a message that cannot be made is logging's to report
            self.handleError(record)
            return
        self._keep(text)

    def note(self, text: str) -> None:
        """Keep a message that was not logged."""
        self.acquire()
        try:
            self._keep(text)
        finally:
            self.release()

    def _keep(self, text: str) -> None:
        text = self._hide(text)
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]} ..."
        self._lines.append(text)
        self._letters += len(text)
        while len(self._lines) > self._most or self._letters > _MOST_LETTERS:
            self._dropped += 1
            self._letters -= len(self._lines.popleft())

    def take(self) -> list[str]:
        """The oldest messages, as many as fit one record; empty when there are none."""
        self.acquire()
        try:
            taken = [f"({self._dropped} earlier messages were dropped)"] if self._dropped else []
            self._dropped = room = 0
            while self._lines and (room := room + len(json.dumps(self._lines[0])) + 2) <= _AT_ONCE:
                text = self._lines.popleft()
                self._letters -= len(text)
                taken.append(text)
            return taken
        finally:
            self.release()


@contextmanager
def listening(lines: LogLines) -> Iterator[LogLines]:
    """Keep what is logged meanwhile, warnings of Python included; afterwards logging is as it was."""
    root = logging.getLogger()
    before = root.level
    if all(handler.level for handler in root.handlers):  # one without a level of its own would show more than it did
        root.setLevel(min(before, lines.level))
    root.addHandler(lines)
    shown_by = warnings.showwarning
    logging.captureWarnings(True)
    try:
        yield lines
    finally:
        if warnings.showwarning is not shown_by:  # else they were captured before
            logging.captureWarnings(False)
        root.removeHandler(lines)
        root.setLevel(before)


def _text(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    elif record.exc_text:  # of a process that works for this one
        text = f"{text}\n{record.exc_text}"
    return text
