"""Which names of files are safe and possible: the door through which every path from the wire has to pass."""

from __future__ import annotations

import os
import re
import sys

MAX_PATH_BYTES = 4096
"""Linux's PATH_MAX; longer ones could not be opened there anyway."""

PART_PREFIX = ".oms-"
"""Names of parts that are being written begin like this; nothing from the wire or the disk may look like one."""

STATE_FOLDER = "LOGS"
"""The folder below a root in which ledgers and logs live; never sent, never written from the wire."""

_WINDOWS_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$")
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


class BadName(ValueError):
    """This name cannot or must not be used here; the text says why."""


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a relative POSIX path that stays below its root.

    Raises BadName for anything else: empty, absolute, `..`, NUL, over-long, not encodable, or our own state.
    """
    if not path:
        raise BadName("the name is empty")
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadName("the name is not valid UTF-8") from None
    if length > MAX_PATH_BYTES:
        raise BadName(f"the name is {length} bytes long, at most {MAX_PATH_BYTES} are allowed")
    if "\0" in path:
        raise BadName("the name contains a NUL character")
    if path.startswith("/"):
        raise BadName("the name is an absolute path")
    parts = tuple(path.split("/"))
    for part in parts:
        if part in ("", ".", ".."):
            raise BadName(f"the name has the component {part!r}, which could lead outside the folder")
        if part.startswith(PART_PREFIX):
            raise BadName(f"names beginning with {PART_PREFIX!r} are kept for parts that are being received")
    if parts[0] == STATE_FOLDER:
        raise BadName(f"{STATE_FOLDER}/ holds this program's own state")
    return parts


def local_parts(path: str, *, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """Like `parts_of`, and the local system can hold each component; raises BadName with the reason."""
    parts = parts_of(path)
    for part in parts:
        _check_windows(part) if windows else _check_posix(part)
    if (windows or sys.platform == "darwin") and parts[0].upper() == STATE_FOLDER:
        raise BadName(f"{parts[0]}/ is the folder of this program's own state on a system that ignores case")
    return parts


def _check_posix(part: str) -> None:
    length = len(os.fsencode(part))
    if length > 255:
        raise BadName(f"{part[:40]!r}... is {length} bytes long, this system takes 255 in one name")


def _check_windows(part: str) -> None:
    found = _WINDOWS_FORBIDDEN.search(part)
    if found:
        raise BadName(f"{part!r} contains {found.group()!r}, which Windows does not allow in names")
    if part[-1] in ". ":
        raise BadName(f"{part!r} ends with a dot or space, which Windows drops")
    if _WINDOWS_RESERVED.match(part):
        raise BadName(f"{part!r} is a reserved name on Windows")
    if len(part.encode("utf-16-le")) // 2 > 255:
        raise BadName(f"{part[:40]!r}... is over 255 characters long")
