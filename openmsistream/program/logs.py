"""What a program says of itself: to standard error, and to a file when one is asked for."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO, get_args

from openmsistream.errors import FolderError, OpenMSIStreamError

_DEBUG = 7
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""From a level of logging on, the number that syslog has for it."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
"""How messages look: lines for people, or one JSON object a line for programs."""


def level_of(level: int | str) -> int:
    """The number of a logging level, from its name in any case or its number; ValueError for anything else."""
    if isinstance(level, str):
        number = logging.getLevelNamesMapping().get(level.strip().upper())
        level = int(level) if number is None else number
    if level < 0:
        raise ValueError(f"{level} is below every level")
    return level


def log_file(path: Path, program: str) -> Path:
    """The file for a `--logger_file_path`: itself, or a file of the program's name when it is a folder.

    A name without a dot is a folder, as it always was for this option.
    """
    return path / f"{program}.log" if path.is_dir() or "." not in path.name else path


@contextmanager
def logging_to(
    *,
    stream_level: int | str | None = logging.INFO,
    file: Path | None = None,
    file_level: int | str = logging.WARNING,
    form: Form = "text",
) -> Iterator[None]:
    """Log like a program while this lasts; afterwards logging is as it was. `stream_level` None: to the file alone.

    The file is made, with its folder, and added to. FolderError when it cannot be written.
    """
    handlers: list[logging.Handler] = []
    if stream_level is not None:
        handlers.append(_prepared(_StandardError(), level_of(stream_level), form, journal=is_journal(sys.stderr)))
    if file is not None:
        handlers.append(_prepared(_opened(file), level_of(file_level), form))
    root = logging.getLogger()
    before = root.level
    root.setLevel(min((handler.level for handler in handlers), default=before))
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class Lines(logging.Formatter):
    """`2026-11-21 12:41:16.123+01:00 WARNING message`: local time with its distance from UTC.

    Names of files come from other machines: control characters in a message are spelt out, and its further lines are
    indented, so that nobody can draw on the terminal or write a line that looks like the program's own.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = spelt_out(record.message).replace("\n", "\n    ")
        return super().formatMessage(record)


class JournalLines(Lines):
    """`<4>message`, for the journal of systemd: it notes the time itself and takes the level from the number (sd-daemon(3))."""

    def __init__(self) -> None:
        logging.Formatter.__init__(self, "%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return in_journal(super().format(record), record.levelno)


class JsonLines(logging.Formatter):
    """`{"time": "2026-11-21T11:41:16.123Z", "level": "WARNING", "logger": "...", "message": "..."}`, a line each.

    `exc` holds the traceback of an exception, if there is one. All of it is ASCII, so that no name can break a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            said["exc"] = self.formatException(record.exc_info)
        elif record.exc_text:  # of a process that works for this one
            said["exc"] = record.exc_text
        return json.dumps(said)


def spelt_out(text: str) -> str:
    """The text with its control characters spelt out, line feeds apart."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def in_journal(text: str, level: int) -> str:
    """Each line of the text with the level that the journal shows it at."""
    number = next((priority for at_least, priority in _PRIORITIES if level >= at_least), _DEBUG)
    return "\n".join(f"<{number}>{line}" for line in text.split("\n"))


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Does the journal of systemd read this stream? `JOURNAL_STREAM` names its device and inode, as systemd.exec(5) says."""
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream without a file behind it
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def say(message: str, form: Form, *, error: bool = False) -> None:
    """A program's last word: its summary to standard output, or the error that ended it to standard error.

    In JSON an exception that is being handled is shown with its traceback, unless it is one of ours.
    """
    stream = sys.stderr if error else sys.stdout
    if form == "json":
        level = logging.ERROR if error else logging.INFO
        caught = sys.exc_info()
        trace = None if caught[1] is None or isinstance(caught[1], OpenMSIStreamError) else caught
        record = logging.LogRecord("openmsistream", level, "", 0, message, None, trace)
        print(JsonLines().format(record), file=stream)
    else:
        text = f"error: {message}" if error else message
        print(in_journal(text, logging.ERROR if error else logging.INFO) if is_journal(stream) else text, file=stream)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment: a live display puts itself in its place while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _prepared(handler: logging.Handler, level: int, form: Form, *, journal: bool = False) -> logging.Handler:
    handler.setLevel(level)
    handler.setFormatter(JsonLines() if form == "json" else JournalLines() if journal else Lines())
    return handler


def _opened(file: Path) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # a name that is not valid Unicode must not be the end of the message that speaks of it
        return logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise FolderError(
            f"the log file {file} cannot be written: {error.strerror}", "choose another one with --logger_file_path"
        ) from error
