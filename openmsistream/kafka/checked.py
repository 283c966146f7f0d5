"""Properties that a configuration names and nobody knows: refused before a broker is asked for anything."""

from __future__ import annotations

import re
from collections.abc import Iterable

from confluent_kafka import KafkaException, Producer

from openmsistream.config import Settings
from openmsistream.config.rules import Unknown

from .errors import kafka_error


def check_names(settings: Settings) -> None:
    """Raise ConfigError for a property that neither our list nor the installed client knows.

    The client decides: a newer one has properties that our list has not. It is asked for each such name alone, so that no
    other value of the file is in the way of the answer.
    """
    check(settings.unknown)


def check(properties: Iterable[Unknown]) -> None:
    """Raise ConfigError for the first of these properties that the client does not know."""
    for unknown in properties:
        if not _takes(unknown.name):
            raise unknown.error


def _takes(name: str) -> bool:
    try:
        Producer({"bootstrap.servers": "", name: "", "log_level": "0"})
    except KafkaException as error:
        return re.search("No such configuration property|not supported", kafka_error(error).str()) is None
    except (TypeError, ValueError):
        return False  # a function, which no file can hold
    return True
