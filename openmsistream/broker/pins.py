"""The files that make up the pinned Kafka, with the SHA-256 of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Jar:
    """One file of Kafka: what to ask the Maven repository for, and what must come."""

    coordinate: str
    """group:artifact:version"""
    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Pins:
    """One version of Kafka, in full."""

    version: str
    jars: tuple[Jar, ...]

    @property
    def size(self) -> int:
        """Bytes of all jars together."""
        return sum(jar.size for jar in self.jars)


@cache
def load_pins() -> Pins:
    """The Kafka that this version of openmsistream was tested with."""
    table = json.loads(files(__package__).joinpath("pins.json").read_text(encoding="utf-8"))
    return Pins(table["kafka"], tuple(Jar(**jar) for jar in table["jars"]))
