"""[heartbeat] and [log]: how records about a program, rather than about files, are sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from openmsistream.config.properties import ClientProperties
from openmsistream.config.rules import Unknown
from openmsistream.config.settings import Settings
from openmsistream.errors import ConfigError

HEARTBEAT = "heartbeat"
LOG = "log"


@dataclass(frozen=True)
class Announcements:
    """How records about a program are sent. `separate`: by a producer that nothing else uses, also where it is like another."""

    client: ClientProperties
    separate: bool
    most: int | None
    """Log messages that are kept until they are sent; None when the file does not say."""
    level: int
    """The lowest level of log messages that are sent."""
    unknown: tuple[Unknown, ...]
    """Properties that are in no list of ours."""


def announcements(settings: Settings, section: str) -> Announcements:
    """The settings of [heartbeat] or [log]. Raises ConfigError for a value that is none."""
    assert settings.reading is not None
    values = settings.section(section)
    return Announcements(
        settings.reading.announcements(section),
        separate=_switch(settings, section, values),
        most=_most(settings, section, values),
        level=_level(settings, section, values),
        unknown=tuple(settings.reading.unknown(section)),
    )


def _switch(settings: Settings, section: str, values: Mapping[str, str]) -> bool:
    word = values.get("prefer.separate.producer", "false").strip().lower()
    if word in ("true", "1", "on", "yes"):
        return True
    if word in ("false", "0", "off", "no"):
        return False
    raise _wrong(settings, section, "prefer.separate.producer", values, "write true or false")


def _most(settings: Settings, section: str, values: Mapping[str, str]) -> int | None:
    name = "max.logs.per.message"
    if name not in values:
        return None
    try:
        number = float(values[name])
    except ValueError:
        number = 0.0
    if not (number.is_integer() and number >= 1):
        raise _wrong(settings, section, name, values, "write a whole number above zero, such as 1000")
    return int(number)


def _level(settings: Settings, section: str, values: Mapping[str, str]) -> int:
    name = "log.level"
    word = values.get(name, "info").strip()
    named = logging.getLevelNamesMapping().get(word.upper())
    if named is not None:
        return named
    if word.isdecimal():
        return int(word)
    raise _wrong(settings, section, name, values, "write debug, info, warning, error, critical, or a number")


def _wrong(settings: Settings, section: str, name: str, values: Mapping[str, str], advice: str) -> ConfigError:
    return ConfigError(f"{settings.path}: {name} = {values[name]!r} in [{section}] cannot be used", advice)
