"""A configuration file by name, as typed settings: the properties of each kind of client, the wire and the group."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config import ini, lookup
from openmsistream.config.environment import expand, in_quotation_marks, missing, not_set, origin
from openmsistream.config.properties import BOOTSTRAP, ClientProperties, Property, no_broker
from openmsistream.config.rules import Reading, Unknown
from openmsistream.config.secret import HIDDEN, mask
from openmsistream.config.transactional import transactional
from openmsistream.config.wire import Wire, wire_of
from openmsistream.errors import ConfigError

CLIENTS = ("broker", "producer", "consumer")
SECTIONS = (*CLIENTS, "heartbeat", "log", "s3")
ENCRYPTION = "kafkacrypto"
NEW_GROUP = "create_new"
"""In place of a group's name: a group of this installation's own."""


@dataclass(frozen=True)
class Settings:
    """What a configuration file asks for."""

    name: str
    path: Path
    wire: Wire
    """The form in which chunks are written; both are read."""
    group_id: str | None
    """The group that the file names; None when it names none or asks for a new one."""
    producer: ClientProperties
    consumer: ClientProperties
    admin: ClientProperties
    sections: Mapping[str, Mapping[str, str]] = field(repr=False)
    """All sections as written, $ENV included and secrets in clear."""
    warnings: tuple[str, ...] = ()
    """What a program says once at its start."""
    unknown: tuple[Unknown, ...] = ()
    """Properties that we do not know; whether they exist is the client's to say, since a newer one has more of them."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    reading: Reading | None = field(default=None, repr=False)
    """The file as it was read, for sections that few programs need."""

    def section(self, name: str) -> dict[str, str]:
        """One section with its $ENV values; empty when the file has none. ConfigError for a variable that is not set.

        Sections for one purpose only ([s3], [heartbeat], [log]) are expanded here, when somebody needs them.
        """
        entries = {key: ini.Entry(text, name) for key, text in self.sections.get(name, {}).items()}
        if wanted := missing({name: entries}, [name], self.environ):
            raise not_set(self.path, wanted, self.environ)
        return {key: expand(key, entry, self.path, self.environ) for key, entry in entries.items()}

    @property
    def transactional(self) -> ClientProperties:
        """What the producer of results is made with, but for its transactional id."""
        assert self.reading is not None
        return transactional(self.reading)

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must not be shown, in clear: to be hidden in texts that leave this machine."""
        pairs = [
            (key, entry.value) for client in (self.producer, self.consumer) for key, entry in client.entries.items()
        ]
        for name in self.sections:
            try:
                pairs += self.section(name).items()
            except ConfigError:  # a variable that is not set, of a section that this program does not need
                continue
        return frozenset(value for key, value in pairs if value and mask(key, value) == HIDDEN)


def load(name: str | Path, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a configuration by name or path.

    `name` is a path, or a name to be found in $OPENMSISTREAM_CONFIG_FILE_DIR or among the packaged files ("local",
    "test", ...). Raises ConfigError when there is none, when it is not INI text, when a variable that it needs is not
    set, when it names no broker, or when it asks for encryption, which is not there yet.
    """
    path = lookup.find(name, environ)
    sections = ini.read(path)
    _refuse_encryption(path, sections)
    if missing(sections, CLIENTS, environ):  # all at once, those of other sections too: whoever fills in a list goes on
        raise not_set(path, missing(sections, SECTIONS, environ), environ)

    def value(section: str, key: str) -> Property:
        entry = sections[section][key]
        written = f"file [{entry.section}]"
        text = expand(key, entry, path, environ)
        return Property(text, written if text == entry.text else f"{written} {origin(entry.text, environ)}", entry.line)

    reading = Reading(path, sections, value)
    clients = (reading.producer(), reading.consumer(), reading.admin())
    if not any(BOOTSTRAP in client.entries for client in clients):
        raise no_broker(path)
    group = reading.merged("broker", "consumer").get("group.id")
    serializer = reading.merged("broker", "producer").get("value.serializer")
    return Settings(
        name=str(name),
        path=path,
        wire=wire_of(serializer.value if serializer else None, path),
        group_id=group.value if group and group.value.lower() not in ("", NEW_GROUP) else None,
        producer=clients[0],
        consumer=clients[1],
        admin=clients[2],
        sections={name: {key: entry.text for key, entry in found.items()} for name, found in sections.items()},
        warnings=(*_misspelt(path, sections), *in_quotation_marks(sections, CLIENTS, environ), *reading.warnings),
        unknown=tuple(reading.unknown()),
        environ=environ,
        reading=reading,
    )


def _refuse_encryption(path: Path, sections: ini.Sections) -> None:
    """Never plaintext where encryption was asked for, however the section's name is spelt."""
    for name in sections:
        letters = "".join(filter(str.isalnum, name.lower()))
        if difflib.SequenceMatcher(None, letters, ENCRYPTION).ratio() > 0.8:
            raise ConfigError(
                f"{path} asks for encryption by its section [{name}], which this version cannot do yet",
                "nothing was sent; without that section files travel as plain text, protected by TLS only where"
                " security.protocol says so",
            )


def _misspelt(path: Path, sections: ini.Sections) -> list[str]:
    warnings = []
    for name in sections:
        if name not in SECTIONS and (near := difflib.get_close_matches(name.lower(), SECTIONS, n=1, cutoff=0.75)):
            warnings.append(f"section [{name}] of {path} is not known and is not used; did you mean [{near[0]}]")
    return warnings
