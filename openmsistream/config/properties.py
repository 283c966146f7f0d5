"""The properties that a Kafka client is made with, each with its origin; secrets do not show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config.secret import mask
from openmsistream.errors import ConfigError

BOOTSTRAP = "bootstrap.servers"

_FILES = frozenset(
    {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location"}
)
"""Properties that name a file; the client's own word for a missing one is an error of OpenSSL's reading."""


@dataclass(frozen=True, slots=True)
class Property:
    """One value, and in words where it comes from: a section of the file, our default, or a rule of ours."""

    value: str = field(repr=False)  # whether it is a secret is told by its key
    origin: str
    line: int = 0  # of the file, where it is from there


@dataclass(frozen=True, repr=False)
class ClientProperties:
    """What one kind of client (producer, consumer, admin) is made with, in librdkafka's names."""

    client: str
    path: Path
    entries: Mapping[str, Property]

    @property
    def properties(self) -> dict[str, str]:
        """The properties as librdkafka takes them, secrets in clear.

        ConfigError when they name no broker, or a file (of a certificate, say) that is not there.
        """
        found = {key: entry.value for key, entry in self.entries.items()}
        if not found.get(BOOTSTRAP):
            raise no_broker(self.path, f" for the {self.client}")
        for key in _FILES & found.keys():
            if found[key] and found[key] != "probe" and not Path(found[key]).exists():  # a CA may be a folder of files
                where, origin = place(self.path, self.entries[key]), self.entries[key].origin
                raise ConfigError(
                    f"{where}: {key} = {found[key]} ({origin}): there is no such file",
                    "correct the path; one that does not begin at the root is looked for in the working folder",
                )
        return found

    @property
    def shown(self) -> dict[str, str]:
        """The properties with their secrets masked."""
        return {key: mask(key, entry.value) for key, entry in sorted(self.entries.items())}

    def __repr__(self) -> str:
        return f"ClientProperties({self.client}, {self.shown})"


def place(path: Path, value: Property) -> str:
    """Where a value is written: the file, and the line when it is known."""
    return f"{path}, line {value.line}" if value.line else str(path)


def no_broker(path: Path, whom: str = "") -> ConfigError:
    """The error for a configuration that does not say where Kafka is."""
    return ConfigError(f"{path} names no broker{whom}", f"write {BOOTSTRAP} = HOST:PORT in its [broker] section")
