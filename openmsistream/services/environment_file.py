"""Variables and their values as the text of a file: as people write them, and as systemd reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from openmsistream.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = re.compile(r'(["\\$`])')


def is_name(text: str) -> bool:
    """Can a variable be called that on every system?"""
    return _NAME.fullmatch(text) is not None


def read(file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a file that a person wrote: NAME=VALUE lines, as `docker run --env-file` takes them.

    Empty lines and those that begin with "#" are nothing; NAME alone takes the value of `environ`. A value may stand in
    quotes, which are not part of it, and "export" before it. ConfigError names the line, and never shows what stands there.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", "give the path of a file with NAME=VALUE lines"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text", "save it as UTF-8") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not name or name.startswith("#"):
            continue
        if not is_name(name.strip()):
            raise ConfigError(f"{file}, line {number}: not NAME=VALUE", "correct that line")
        if equals:
            found[name.strip()] = _without_quotes(value.strip())
        elif name in environ:
            found[name] = environ[name]
    return found


def written(values: Mapping[str, str]) -> str:
    """The text that systemd's EnvironmentFile= turns into these values again, whatever is in them."""
    return "".join(f'{name}="{_ESCAPED.sub(_backslash, value)}"\n' for name, value in sorted(values.items()))


def read_back(text: str) -> dict[str, str]:
    """The values of a text that `written` made."""
    found = re.findall(r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for name, value in found}


def _backslash(found: re.Match[str]) -> str:
    return "\\" + found[1]


def _without_quotes(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
