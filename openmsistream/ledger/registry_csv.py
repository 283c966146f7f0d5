"""The CSV files that OpenMSIStream keeps of an upload: how they are called, and their rows as values and as text.

A cell is the `repr` of a value, rows are CSV with `;`, the last one has no newline. On Windows the first line is `sep=;`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

COMPLETED_HEADER = "filename;rel_filepath;n_chunks;started;completed"
IN_PROGRESS_HEADER = (
    "filename;rel_filepath;n_chunks;n_chunks_delivered;n_chunks_to_send;started;chunks_delivered;chunks_to_send"
)
FIRST_LINE = "sep=;\n" if sys.platform == "win32" else ""
"""Tells Excel on Windows how columns are separated."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = re.compile(r"\w{3} (?P<month>\w{3}) (\d\d), (\d{4}) at (\d\d):(\d\d):(\d\d)", re.ASCII)

_ESCAPE = re.compile(r"\\([\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t"}

_ONE_PRODUCER = r"_p[0-9a-f]{6,16}(_\d+(_\d+)?)?"
"""After the topic in the name of one producer's file: an address in memory, and a time when such a file was there already.

Six digits at least, so that the file of a topic `data_p1` is not taken for one of a topic `data`.
"""


@dataclass(frozen=True, slots=True)
class Completed:
    """One upload that came to its end. `path` is relative to the root; times are Unix times, whole seconds in a file."""

    path: str
    chunks: int
    started: float
    completed: float


@dataclass(frozen=True, slots=True)
class InProgress:
    """One upload on its way: `delivered` of its chunks, counted from the front, have been acknowledged."""

    path: str
    chunks: int
    delivered: int
    started: float


class BadRow(ValueError):
    """This line is no row of such a file; the text says why."""


def completed_name(topic: str) -> str:
    return f"uploaded_to_{topic}.csv"


def in_progress_name(topic: str) -> str:
    return f"upload_to_{topic}_in_progress.csv"


def completed_files(folder: Path, topic: str) -> list[Path]:
    """The files that list what was uploaded to this topic, and to no other whose name only begins like it."""
    name = re.compile(rf"uploaded_to_{re.escape(topic)}({_ONE_PRODUCER})?\.csv")
    try:
        return sorted(file for file in folder.iterdir() if name.fullmatch(file.name) and file.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


# -- text to values ----------------------------------------------------------------------------------------


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """The rows of such a file as text, with their line numbers; what is not UTF-8 makes a bad row of its own line only."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as text:
        for number, line in enumerate(text, 1):
            line = line.rstrip("\r\n")
            if line and not line.startswith(("sep=", "filename;")):
                yield number, line


def completed_of(line: str) -> Completed:
    """The upload that a row of `uploaded_to_<topic>.csv` tells of. Raises BadRow."""
    _, path, chunks, started, completed = _cells(line, 5)
    return Completed(_path(path), _number(chunks), _unix_time(_text(started)), _unix_time(_text(completed)))


def path_in_progress(line: str) -> str:
    """The path in a row of `upload_to_<topic>_in_progress.csv`. Raises BadRow."""
    return _path(_cells(line, 8)[1])


def readings_of(path: str) -> Iterator[str]:
    """The path, and what it may have been when OpenMSIStream escaped it once more at each of its starts."""
    yield path
    while (shorter := _unescaped(path)) != path:
        yield shorter
        path = shorter


def _cells(line: str, count: int) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=";", strict=True))
    except (csv.Error, StopIteration) as error:
        raise BadRow(f"it cannot be read as CSV ({error})") from None
    if len(cells) != count:
        raise BadRow(f"it has {len(cells)} columns instead of {count}")
    return cells


def _text(cell: str) -> str:
    """The string that was written by `repr`."""
    if len(cell) < 2 or cell[0] not in "'\"" or cell[-1] != cell[0]:
        raise BadRow(f"{cell[:60]!r} is not a text in quotes")
    text = _unescaped(cell[1:-1])
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{cell[:60]!r} is not valid UTF-8") from None
    return text


def _unescaped(text: str) -> str:
    """Undo what `repr` does to the characters of a string; a backslash that it would not have written stays."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(found: re.Match[str]) -> str:
    kind = found[1]
    if kind[0] in "xuU":
        number = int(kind[1:], 16)
        return chr(number) if number <= sys.maxunicode else found[0]
    return _SIMPLE.get(kind, kind)


def _path(cell: str) -> str:
    text = _text(cell)
    return re.sub(r"\\+", "/", text) if sys.platform == "win32" else text


def _number(cell: str) -> int:
    if re.fullmatch(r"\d{1,18}", cell, re.ASCII) is None:
        raise BadRow(f"{cell[:60]!r} is not a number")
    return int(cell)


@lru_cache(maxsize=256)
def _unix_time(text: str) -> float:
    """Unix time of a local time such as `Mon Apr 06, 2026 at 17:32:08`, whatever language the system speaks.

    An hour that came twice, when summer time ended, is taken to be the first.
    """
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        day, year, hour, minute, second = (int(found[group]) for group in range(2, 7))
        return datetime(year, _MONTHS.index(found["month"]) + 1, day, hour, minute, second).timestamp()
    except (ValueError, OverflowError, OSError):  # Windows raises OSError for years before 1970
        raise BadRow(f"{text[:60]!r} is not a time such as 'Mon Apr 06, 2026 at 17:32:08'") from None


# -- values to text ----------------------------------------------------------------------------------------


def completed_rows(uploads: Iterable[Completed]) -> list[str]:
    """Rows of `uploaded_to_<topic>.csv`, without line ends."""
    return [
        row_of([*names_of(upload.path), str(upload.chunks), local_time(upload.started), local_time(upload.completed)])
        for upload in uploads
    ]


def in_progress_rows(uploads: Iterable[InProgress]) -> list[str]:
    """Rows of `upload_to_<topic>_in_progress.csv`, without line ends."""
    return [
        row_of([
            *names_of(upload.path), str(upload.chunks), str(upload.delivered), str(upload.chunks - upload.delivered),
            local_time(upload.started), _numbers(1, upload.delivered), _numbers(upload.delivered + 1, upload.chunks),
        ])
        for upload in uploads
    ]  # fmt: skip


def row_of(cells: list[str]) -> str:
    if not any(mark in cell for cell in cells for mark in ';"\r\n'):
        return ";".join(cells)
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(cells)
    return text.getvalue()


def names_of(path: str) -> tuple[str, str]:
    relative = path.replace("/", "\\") if sys.platform == "win32" else path
    return repr(path.rpartition("/")[2]), repr(relative)


@lru_cache(maxsize=256)
def _local_second(second: int) -> str:
    """In English, whatever language the system speaks."""
    at = datetime.fromtimestamp(second)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"'{day} {month} {at.day:02}, {at.year:04} at {at:%H:%M:%S}'"


def local_time(unix_time: float) -> str:
    return _local_second(int(unix_time))


def _numbers(first: int, last: int) -> str:
    """The `repr` of a set of chunk numbers."""
    return "{" + ", ".join(map(str, range(first, last + 1))) + "}" if first <= last else "set()"
