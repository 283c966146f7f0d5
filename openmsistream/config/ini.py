"""The text of a configuration file as sections of keys and values, all of them text."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import ConfigError

DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it is written, and the section and line where it is written."""

    text: str = field(repr=False)  # it may be a password
    section: str
    line: int = 0


Sections = Mapping[str, Mapping[str, Entry]]


def read(path: Path) -> Sections:
    """The sections of a file. What stands in [DEFAULT] is part of every section that does not say otherwise.

    Keys are in lower case; values are as written, "%" and leading zeros included. ConfigError names the line where
    the file is not INI text, and never shows what stands there.
    """
    # interpolation would give "%" a meaning; another default section keeps what is written there apart
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        text = _text(path)
        parser.read_string(text)
    except configparser.Error as error:
        raise _refused(path, error) from None  # the chained error would show the line, which may hold a password
    lines = _lines(text)
    written = {
        name: {key: Entry(value, name, lines.get((name, key), 0)) for key, value in parser.items(name)}
        for name in parser.sections()
    }
    everywhere = written.pop(DEFAULT, {})
    return {name: {**everywhere, **entries} for name, entries in written.items()}


def _lines(text: str) -> dict[tuple[str, str], int]:
    """On which line each key of each section stands; configparser does not tell."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := configparser.ConfigParser.SECTCRE.match(line):
            section = match["header"]
        elif match := configparser.ConfigParser.OPTCRE.match(line):
            found.setdefault((section, match["option"].rstrip().lower()), number)
    return found


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        what = f"the configuration file {path} cannot be read: {error.strerror}"
        raise ConfigError(what, container.advice(path, error)) from error
    try:
        return raw.decode("utf-8-sig")  # some editors put a byte order mark before the first section
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text", "save the file as UTF-8") from None


def _refused(path: Path, error: configparser.Error) -> ConfigError:
    match error:
        case configparser.DuplicateOptionError():
            what = f"{path}, line {error.lineno}: {error.option!r} is set twice in [{error.section}]"
            return ConfigError(what, "keep one of the two lines")
        case configparser.DuplicateSectionError():
            what = f"{path}, line {error.lineno}: a second section [{error.section}]"
            return ConfigError(what, "put the lines of both into one section")
        case configparser.MissingSectionHeaderError():
            what = f"{path}, line {error.lineno}: this stands before the first section"
            return ConfigError(what, "begin the file with a section such as [broker]")
        case configparser.ParsingError(errors=[(line, _), *_]):
            return ConfigError(f"{path}, line {line}: neither a section nor key = value", "correct that line")
        case _:
            return ConfigError(f"{path} is not a configuration file", "see docs/config.md for how to write one")
