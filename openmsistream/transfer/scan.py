"""A walk over a tree: every file that may be sent, with its state, in batches, whatever events did or did not say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from openmsistream.files.chunk import FileState
from openmsistream.files.names import STATE_FOLDER

from .selection import Selection

BATCH = 500


class Why(Enum):
    """What a scan is for."""

    INVENTORY = "the first look ever at this folder: what is older than it is known, not sent"
    ARRIVAL = "a folder was made, or moved here with all that is in it"
    CHECK = "whatever events did not tell"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a scan met: its path relative to the root and its state now."""

    path: str
    state: FileState


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that a scan met and that is not sent, and why."""

    path: str
    reason: str


def scan(
    root: Path, selection: Selection, start: str = "", stopped: Callable[[], bool] = lambda: False
) -> Iterator[list[Found | Skipped]]:
    """Walk the tree below `root`/`start` and give out what was met, in batches of at most BATCH.

    Folders that cannot be read and files that vanish are passed over; links to folders are not entered, since what
    they show inside the root is sent under its own name.
    """
    batch: list[Found | Skipped] = []
    folders = [start]
    while folders and not stopped():
        folder = folders.pop()
        for entry in _entries(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            met = _met(root, path, entry, selection)
            if isinstance(met, str):
                folders.append(met)
            elif met is not None:
                batch.append(met)
            if len(batch) >= BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def look_at(root: Path, selection: Selection, path: str) -> Found | Skipped | None:
    """What a scan says of the file at this path; None when there is none."""
    folder, _, name = path.rpartition("/")
    for entry in _entries(root / folder):
        if entry.name == name:
            met = _met(root, path, entry, selection)
            return None if isinstance(met, str) else met
    return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _met(root: Path, path: str, entry: os.DirEntry[str], selection: Selection) -> Found | Skipped | str | None:
    """A file, a skipped file, the path of a folder to enter, or nothing."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return path if selection.enters(path) else None
        reason = selection.reason_to_skip(path)
        if reason is not None:
            return Skipped(printable(path), reason)
        if entry.is_symlink():
            reason = link_problem(root, root / path)
            if reason is not None:
                return Skipped(path, reason)
        elif not entry.is_file(follow_symlinks=False):
            return None
        return Found(path, FileState.of(os.stat(entry.path)))  # not entry.stat(): Windows caches it, without inode
    except OSError:
        return None


def link_problem(root: Path, link: Path) -> str | None:
    """Why what this link shows is not sent; None when it shows a file inside the root."""
    try:
        target = Path(os.path.realpath(link, strict=True))
    except OSError:
        return "a link that leads nowhere"
    inside = Path(os.path.realpath(root))
    if inside not in target.parents:
        return "a link that leads outside the folder"
    if target.relative_to(inside).parts[0] == STATE_FOLDER:
        return f"a link into {STATE_FOLDER}/, which holds this program's own state"
    if target.is_dir():
        return "a link to a folder; what is in it is sent under its own name"
    if not target.is_file():
        return "a link to something that is not a file"
    return None


def printable(path: str) -> str:
    """A path that can be shown and stored even when the disk's bytes are not valid UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
