"""Units that OpenMSIStream 1 installed: told by what they start, and what to type so that they become services of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from openmsistream.errors import UsageError
from openmsistream.services.command_lines import INSTALL
from openmsistream.services.target import target

UNITS = (Path("/etc/systemd/system"), Path("/etc/systemd/user"), Path("/usr/lib/systemd/system"))

_STARTS = re.compile(r"^ExecStart\s*=.*?(\S+_service_executable\.py)\s*$", re.MULTILINE)


def executable_of(text: str) -> Path | None:
    """The Python file that a unit of OpenMSIStream 1 starts; None for any other unit."""
    found = _STARTS.search(text)
    return Path(found[1]) if found else None


def is_old(unit: Path) -> bool:
    """Did OpenMSIStream 1 write this unit?"""
    return executable_of(_text(unit)) is not None


def said_of(name: str, folders: Sequence[Path] = UNITS) -> str:
    """What to do with a unit of this name that OpenMSIStream 1 installed; empty when there is none."""
    for folder in folders:
        executable = executable_of(_text(folder / f"{name}.service"))
        if executable is not None:
            return advice(name, _installed_as(name, executable.parent))
    return ""


def advice(name: str, words: Sequence[str]) -> str:
    """How a unit becomes ours: `words` are those that it was installed with, as far as they are known."""
    spec, *args = words or ["TARGET", "ARGUMENTS"]
    try:
        target(spec)
    except UsageError:
        spec = "TARGET"
    typed = shlex.join(["sudo", INSTALL, spec, *args, "--service_name", name, "--replace", "--start"])
    return f"install it anew in its place, with the values of its variables by --env or --env-file: {typed}"


def _installed_as(name: str, folder: Path) -> list[str]:
    """The words that OpenMSIStream 1 kept for its own `reinstall`, one a line."""
    return [line for line in _text(folder / f"{name}_install_args.txt").splitlines() if line]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
