"""Values that are kept in environment variables: text that begins with "$"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from openmsistream.config.ini import Entry
from openmsistream.config.places import user_state_dir
from openmsistream.errors import ConfigError

LOCAL_BROKER = "OPENMSISTREAM_LOCAL_BROKER"
"""Address of the embedded broker; when it is not set, the note that the running broker keeps is read instead."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


def variable(text: str) -> str | None:
    """The name of the variable that a value begins with; None when it is plain text."""
    found = _VARIABLE.match(text)
    return (found[1] or found[2]) if found else None


def expand(key: str, entry: Entry, path: Path, environ: Mapping[str, str]) -> str:
    """The value of an entry: itself, or when it begins with "$" the text with its variables replaced, once.

    ConfigError names the variable that is not set, and where in which file it is asked for. Later variables of
    the same value that are not set stay as they are written, and so does a "$" that is not the first character.
    """
    if not entry.text.startswith("$"):
        return entry.text
    where = f"{path}{f', line {entry.line}' if entry.line else ''}, [{entry.section}] {key}"
    name = variable(entry.text)
    if not name:
        raise ConfigError(
            f"{where}: the value begins with $ and names no environment variable",
            "put the text itself into an environment variable, and write $ and its name here",
        )
    known = environ
    if name == LOCAL_BROKER and name not in environ:
        known = {**environ, name: _local_broker(environ)}
    if name not in known:
        raise ConfigError(
            f"{where}: the environment variable {name} is not set", f"set {name} before the program is started"
        )
    return _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), entry.text)


def _local_broker(environ: Mapping[str, str]) -> str:
    """The address that the embedded broker of this user wrote down when it was ready."""
    try:
        address = (user_state_dir(environ) / "broker" / "address").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        address = ""
    if not address:
        raise ConfigError("no broker of this machine is running", "start it with: openmsistream broker start")
    return address
