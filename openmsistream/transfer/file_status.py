"""What a program is doing with a file: a word for its state, and a sentence that says why."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from openmsistream.errors import FolderError, UsageError
from openmsistream.ledger import live
from openmsistream.ledger.database import is_in_use, reading, stream_in_use
from openmsistream.ledger.live import Live, LiveFile
from openmsistream.ledger.location import state_folder
from openmsistream.program.progress import duration, size

DIRECTIONS = ("upload", "download", "process")

DONE = frozenset({"sent", "delivered", "processed", "known", "skipped", "gone", "replaced"})
"""States of which nothing more is to come, and nothing is wrong."""

_AGO = 3600.0
"""Seconds after which the time is told instead of how long ago it was."""


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file of one folder. `since` is the Unix time that `why` speaks of, if there is one.

    `attempts` and `detail` (the traceback of the last one) are told where somebody's code runs on files.
    """

    path: str
    state: str
    why: str
    size: int | None = None
    since: float | None = None
    chunks: int | None = None
    chunks_in_all: int | None = None
    attempts: int | None = None
    detail: str | None = None


@dataclass
class Totals:
    """Files and bytes in each state. `wants` is asked with a state whether the file itself is to be told."""

    wants: Callable[[str], bool]
    files: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, state: str, size: int | None, files: int = 1) -> None:
        self.files[state] = self.files.get(state, 0) + files
        self.bytes[state] = self.bytes.get(state, 0) + (size or 0)


@dataclass(frozen=True)
class Program:
    """The program of one ledger: whether it is at work, and what it last said of itself."""

    direction: str
    root: Path
    ledger: Path
    topic: str
    stream: int | None
    running: bool
    said: Live | None

    @property
    def at_work(self) -> dict[str, LiveFile]:
        """The files that it is at work on, as far as it says; none when it is not running."""
        return {file.path: file for file in self.said.at_work} if self.said is not None and self.is_heard else {}

    @property
    def is_heard(self) -> bool:
        """Is it at work, and is its last word not that of an earlier run?"""
        return self.running and self.said is not None and self.said.ended is None

    def setting(self, name: str) -> object:
        """What it was started with; None when that is not known."""
        return None if self.said is None else self.said.settings.get(name)

    @property
    def regex(self) -> re.Pattern[str] | None:
        pattern = self.setting("regex")
        return re.compile(pattern) if isinstance(pattern, str) else None


def programs_of(root: Path, state_dir: Path | None) -> list[Program]:
    """The programs that have worked on a folder, one for each topic and direction. Raises an OpenMSIStreamError."""
    if root.is_file():
        raise FolderError(f"{root} is a file, not a folder", "name the folder that a program works on, then the file")
    if not root.is_dir():
        raise FolderError(f"there is no folder {root}", "name the folder that a program sends from or writes to")
    place = state_folder(root, state_dir)
    ledgers = [(kind, ledger) for kind in DIRECTIONS for ledger in sorted(place.glob(f"{kind}-*.sqlite"))]
    if not ledgers:
        raise UsageError(
            f"no program has worked on {root} yet (there is no ledger in {place})",
            "name the folder of an upload, download or processing program, and its --state_dir if it was given one",
        )
    return [_program(root, kind, ledger) for kind, ledger in ledgers]


def _program(root: Path, direction: str, ledger: Path) -> Program:
    running = is_in_use(ledger)
    with reading(ledger) as connection:
        stream, topic = stream_in_use(connection) or (None, ledger.stem.removeprefix(f"{direction}-"))
    return Program(direction, root, ledger, topic, stream, running, live.read(ledger))


def path_in(root: Path, named: str) -> str:
    """The path relative to the root, with slashes, of what somebody names: below the root, or as seen from here.

    Raises FolderError for a place outside.
    """
    given, root_now = Path(named), root.resolve()
    if not given.is_absolute() and not (root / given).exists():
        seen_from_here = Path.cwd() / given
        inside = root_now in seen_from_here.resolve().parents or seen_from_here.resolve() == root_now
        given = seen_from_here if inside and seen_from_here.exists() else given
    whole = given if given.is_absolute() else root_now / given
    try:
        relative = Path(os.path.normpath(whole)).relative_to(root_now)
    except ValueError:
        try:
            relative = whole.resolve().relative_to(root_now)
        except ValueError:
            raise FolderError(f"{named} is not in the folder {root}", "name a path below it") from None
    return "" if relative == Path() else relative.as_posix()


def chunks(file: LiveFile) -> str:
    """How far a file is, in words: `7 of 12 chunks, 3.7 MB of 6.3 MB`."""
    of = f" of {file.chunks_in_all}" if file.chunks_in_all is not None else ""
    whole = f" of {size(file.size)}" if file.size is not None else ""
    return f"{file.chunks}{of} chunks, {size(file.bytes)}{whole}"


def at(time: float) -> str:
    """A time in words, as clocks here show it."""
    return "at " + datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M:%S")


def ago(time: float, now: float) -> str:
    """How long ago a time was; the time itself when that was long ago."""
    return f"{duration(max(0.0, now - time))} ago" if now - time < _AGO else at(time)
