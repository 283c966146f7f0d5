"""Values that are kept in environment variables, or in files that they name: text that begins with "$"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config import container
from openmsistream.config.ini import Entry, Sections
from openmsistream.config.lookup import PACKAGED
from openmsistream.config.places import user_state_dir
from openmsistream.errors import ConfigError

LOCAL_BROKER = "OPENMSISTREAM_LOCAL_BROKER"
"""Address of the embedded broker; when it is not set, the note that the running broker keeps is read instead."""

FILE = "_FILE"
"""NAME_FILE names a file whose text is the value of NAME: how engines hand secrets to a container."""

_NEEDED = frozenset({"bootstrap.servers", "sasl.username", "sasl.password"})
"""Without these nobody gets anywhere: an empty variable, as in a list that is not filled in yet, is as good as none."""

_FOR_ONE_PURPOSE = frozenset({"heartbeat", "log", "s3"})
"""Sections that most programs do not need: of what is missing in them it is said where they are."""

_EARLIER = " before the program is started"

Wanted = tuple[str, Entry]
"""A key, and its value as it is written."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a variable, and the file that it was read from when there is one."""

    text: str = field(repr=False)
    file: Path | None = None


def variable(text: str) -> str | None:
    """The name of the variable that a value begins with; None when it is plain text."""
    found = _VARIABLE.match(text)
    return (found[1] or found[2]) if found else None


def origin(text: str, environ: Mapping[str, str]) -> str:
    """Where a value that begins with a variable is from: `$NAME`, or `$NAME from FILE`."""
    name = variable(text) or ""
    file = _named_file(name, environ)
    return f"${name}" if file is None or environ.get(name) else f"${name} from {file}"


def expand(key: str, entry: Entry, path: Path, environ: Mapping[str, str]) -> str:
    """The value of an entry: itself, or when it begins with "$" the text with its variables replaced, once.

    ConfigError names the variable that is not set, and where in which file it is asked for, or the file that NAME_FILE
    names and that cannot be read. Later variables of the same value that are not set stay as they are written, and so
    does a "$" that is not the first character.
    """
    if not entry.text.startswith("$"):
        return entry.text
    name = variable(entry.text)
    if not name:
        raise ConfigError(
            f"{path}{_line(entry)}, [{entry.section}] {key}: the value begins with $ and names no environment variable",
            "put the text itself into an environment variable, and write $ and its name here",
        )
    if _is_missing(key, entry, environ):
        raise not_set(path, [(key, entry)], environ)

    def text(named: re.Match[str]) -> str:
        found = value_of(named[1] or named[2], environ)
        return named[0] if found is None else found.text

    return _VARIABLE.sub(text, entry.text)


def value_of(name: str, environ: Mapping[str, str]) -> Found | None:
    """The value of a variable, or the text of the file that NAME_FILE names; None when neither is set.

    The newline at the end of a file's text is not part of the value. Raises ConfigError when both are set, and for a file
    that cannot be read.
    """
    file = _named_file(name, environ)
    text = environ.get(name)
    if file is not None:
        if text:
            raise ConfigError(
                f"both {name} and {name}{FILE} are set", f"keep one of them: {name}{FILE} names a file with the value"
            )
        return Found(_text(name, file), file)
    if not text and name == LOCAL_BROKER:
        return Found(_local_broker(environ))
    return None if text is None else Found(text)


def missing(sections: Sections, names: Sequence[str], environ: Mapping[str, str]) -> list[Wanted]:
    """The entries of these sections whose variables are not set, each variable once."""
    found: dict[str | None, Wanted] = {}
    for name in names:
        for key, entry in sections.get(name, {}).items():
            if _is_missing(key, entry, environ):
                found.setdefault(variable(entry.text), (key, entry))
    return list(found.values())


def not_set(path: Path, wanted: Sequence[Wanted], environ: Mapping[str, str]) -> ConfigError:
    """The error that names all these variables, and where the file at `path` asks for them."""
    (key, entry), *others = wanted
    names = [variable(entry.text) or "" for _, entry in wanted]
    first = "name a configuration of your own with --config, or " if path.parent == PACKAGED else ""
    how = ""
    if container.inside(environ):
        how = (
            f" in the file that --env-file names; {'NAME' if others else names[0]}{FILE} may name a file that holds it"
        )
    if not others:
        state = "is empty" if names[0] in environ else "is not set"
        what = f"{path}{_line(entry)}, [{entry.section}] {key}: the environment variable {names[0]} {state}"
        return ConfigError(what, f"{first}set {names[0]}{how or _EARLIER}")
    listed = ", ".join(_listed(name, entry, environ) for name, (_, entry) in zip(names, wanted, strict=True))
    what = f"{path} needs environment variables that are not set: {listed}"
    return ConfigError(what, f"{first}set them{how or _EARLIER}")


def in_quotation_marks(sections: Sections, names: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Warnings for credentials in quotation marks, which a shell would take away and `docker run --env-file` does not."""
    found = {}
    for name in names:
        for key, entry in sections.get(name, {}).items():
            named = variable(entry.text) if key in _NEEDED and container.inside(environ) else None
            text = environ.get(named, "") if named else ""
            if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
                found[named] = f"the value of {named} has quotation marks around it, and they count as part of it"
    return list(found.values())


def _line(entry: Entry) -> str:
    return f", line {entry.line}" if entry.line else ""


def _listed(name: str, entry: Entry, environ: Mapping[str, str]) -> str:
    facts = [f"line {entry.line}"] if entry.line else []
    facts += [f"[{entry.section}]"] if entry.section in _FOR_ONE_PURPOSE or not entry.line else []
    facts += ["empty"] if name in environ else []
    return f"{name} ({', '.join(facts)})"


def _is_missing(key: str, entry: Entry, environ: Mapping[str, str]) -> bool:
    name = variable(entry.text)
    if not name:
        return False
    found = value_of(name, environ)
    return found is None or (not found.text and key in _NEEDED and _VARIABLE.fullmatch(entry.text) is not None)


def _named_file(name: str, environ: Mapping[str, str]) -> Path | None:
    named = environ.get(name + FILE)
    return Path(named) if named else None


def _text(name: str, file: Path) -> str:
    what = f"{name}{FILE} names {file}, which"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{what} is not there", f"put the value of {name} into that file, or name another") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{what} is a folder", f"name a file that holds the value of {name}") from error
    except OSError as error:
        advice = container.advice(file, error) or "give the user that the program runs as the right to"
        raise ConfigError(f"{what} cannot be read: {error.strerror}", advice) from error
    except UnicodeDecodeError:
        raise ConfigError(f"{what} is not UTF-8 text", f"put the value of {name} into it as text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _local_broker(environ: Mapping[str, str]) -> str:
    """The address that the embedded broker of this user wrote down when it was ready."""
    try:
        address = (user_state_dir(environ) / "broker" / "address").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        address = ""
    if not address:
        if container.inside(environ):  # the broker of this machine is outside, where no note can be seen
            raise ConfigError(f"{LOCAL_BROKER} is not set", f"set it to HOST:PORT of a broker: -e {LOCAL_BROKER}=...")
        raise ConfigError("no broker of this machine is running", "start it with: openmsistream broker start")
    return address
