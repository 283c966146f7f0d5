"""Which files of a tree are sent: what is skipped, and in words why."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from openmsistream.files.names import STATE_FOLDER, BadName, parts_of

SKIPPED_PATTERNS = (
    "*.log",  # what programs say of themselves; `catalog.csv`, `my_logs/data.csv` and `blog.txt` are no logs
    "~$*", ".~lock.*", "*.lock", "*.lck",  # locks of office programs, LibreOffice, NetCDF and HDF5 writers
    "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download", "*.swp", "*~",  # unfinished
    "Thumbs.db", "desktop.ini",  # what file browsers leave behind
)  # fmt: skip
"""Names that are not sent unless `--upload_regex` is given; compared without regard to case."""


class Selection:
    """The rule for one root. `regex`, when given, is matched from the start of the relative path and replaces the patterns."""

    def __init__(self, regex: re.Pattern[str] | None = None) -> None:
        self._regex = regex
        self._patterns = [(pattern, pattern.lower()) for pattern in SKIPPED_PATTERNS]
        # Of a million names nearly all match none of the patterns: that is told by their ends, ten times as fast.
        lower = [pattern for _, pattern in self._patterns]
        self._ends = tuple(pattern[1:] for pattern in lower if pattern.startswith("*"))
        self._beginnings = tuple(pattern.rstrip("*") for pattern in lower if not pattern.startswith("*"))

    def reason_to_skip(self, path: str) -> str | None:
        """Why the file at this relative POSIX path is not sent; None when it is."""
        try:
            parts = parts_of(path)
        except BadName as bad:
            return str(bad)
        if path.startswith(".") or "/." in path:
            return f"hidden ({next(part for part in parts if part.startswith('.'))})"
        if self._regex is not None:
            return None if self._regex.match(path) else f"does not match --upload_regex {self._regex.pattern}"
        name = parts[-1].lower()
        if not name.endswith(self._ends) and not name.startswith(self._beginnings):
            return None
        for shown, pattern in self._patterns:
            if fnmatchcase(name, pattern):
                return f"name matches {shown}"
        return None

    def enters(self, folder: str) -> bool:
        """May there be files to send below this relative folder?"""
        parts = folder.split("/")
        return parts[0] != STATE_FOLDER and not any(part.startswith(".") for part in parts)
