"""What we add to a file's properties, what we do not let it change, and what does not go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from openmsistream.config.ini import Sections
from openmsistream.config.properties import BOOTSTRAP, ClientProperties, Property
from openmsistream.errors import ConfigError

Expand = Callable[[str, str], Property]
"""Gives the value and origin of a key of a section."""

PRODUCER_DEFAULTS = {
    "enable.idempotence": "true",  # a request that is sent again is stored once, and in order
    "acks": "all",
    "linger.ms": "5",  # fills batches of small files; 100 ms bring nothing more
    "batch.size": "1000000",  # what a topic takes when nobody has set it otherwise
    "max.in.flight.requests.per.connection": "5",  # the most that idempotence allows
    "queue.buffering.max.kbytes": "65536",  # librdkafka's 1 GB is no bound; our own window keeps far below this
    "queue.buffering.max.messages": "100000",
}
CONSUMER_DEFAULTS = {
    "auto.offset.reset": "earliest",  # a new reader gets what is there
    "queued.max.messages.kbytes": "16384",  # memory of a reader that falls behind
    "fetch.queue.backoff.ms": "10",  # librdkafka's second of waiting stalls a reader whose queue was full
    "session.timeout.ms": "10000",  # after kill -9 a restarted reader waits this long for its files, not 45 s
    "fetch.wait.max.ms": "100",  # how long fetch.min.bytes of a file may hold back the last chunk
}

PRODUCER_OURS = {
    "message.timeout.ms": ("0", "an outage of the broker is waited out, and no chunk is given up for it"),
    "partitioner": ("murmur2_random", "the program chooses the partition, so that all chunks of a file are in one"),
}
CONSUMER_OURS = {
    "enable.auto.commit": ("false", "an offset is committed when the files below it are safe on disk, not by time"),
    "enable.auto.offset.store": ("false", "an offset is stored when the files below it are safe on disk"),
    "isolation.level": ("read_committed", "results of a transaction that was given up must not be read"),
}

ALIASES = {
    "metadata.broker.list": BOOTSTRAP,
    "request.required.acks": "acks",
    "delivery.timeout.ms": "message.timeout.ms",
    "queue.buffering.max.ms": "linger.ms",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "message.send.max.retries": "retries",
    "auto.commit.enable": "enable.auto.commit",
}
"""librdkafka's other names for properties that have a rule here: whichever comes last would win."""

NOT_OF_LIBRDKAFKA = frozenset(
    {"key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "node_id", "group.id"}
)
"""Read by us: how records are written, who decrypts, and the group, which depends on the program as well."""

_PRODUCERS_ONLY = PRODUCER_DEFAULTS.keys() | PRODUCER_OURS.keys()
_CONSUMERS_ONLY = CONSUMER_DEFAULTS.keys() | CONSUMER_OURS.keys()

_NUMBERS_WE_READ = ("batch.size", "message.max.bytes")
_CONNECTION = (
    "bootstrap.",
    "security.",
    "sasl.",
    "ssl.",
    "enable.sasl.",
    "enable.ssl.",
    "socket.",
    "client.",
    "broker.",
)


@dataclass
class Reading:
    """One configuration file being turned into the properties of clients; gathers warnings on the way."""

    path: Path
    sections: Sections
    expand: Expand
    warnings: list[str] = field(default_factory=list)

    def merged(self, *names: str) -> dict[str, Property]:
        """The values of these sections under their usual names; a later section wins."""
        found = {}
        for name in names:
            for key in self.sections.get(name, {}):
                value = self.expand(name, key)
                usual = ALIASES.get(key, key)
                found[usual] = value if usual == key else Property(value.value, f"{value.origin} as {key}")
        return found

    def producer(self) -> ClientProperties:
        """What producers are made with: [broker], then [producer]."""
        found = without(self.merged("broker", "producer"), NOT_OF_LIBRDKAFKA | _CONSUMERS_ONLY)
        found = self._ruled({**_defaults(PRODUCER_DEFAULTS), **found}, PRODUCER_OURS)
        for key in _NUMBERS_WE_READ:
            if key in found:
                found[key] = Property(str(self._whole_number(key, found[key])), found[key].origin)
        return ClientProperties("producer", self.path, self._idempotence_fits(found))

    def consumer(self) -> ClientProperties:
        """What consumers are made with: [broker], then [consumer]; the group is not among it."""
        found = without(self.merged("broker", "consumer"), NOT_OF_LIBRDKAFKA | _PRODUCERS_ONLY)
        found = self._ruled({**_defaults(CONSUMER_DEFAULTS), **found}, CONSUMER_OURS)
        reset = found["auto.offset.reset"]
        if reset.value.lower() == "none":  # Kafka's word; librdkafka's for the same is "error"
            found["auto.offset.reset"] = Property("error", f"{reset.origin}, none")
        return ClientProperties("consumer", self.path, found)

    def admin(self) -> ClientProperties:
        """What topics are asked for and made with: [broker]; without an address there, how another client connects."""
        unwanted = NOT_OF_LIBRDKAFKA | _PRODUCERS_ONLY | _CONSUMERS_ONLY
        found = without(self.merged("broker"), unwanted)
        for section in ("producer", "consumer"):
            if BOOTSTRAP not in found:
                other = self.merged("broker", section)
                found |= {key: value for key, value in other.items() if key.startswith(_CONNECTION)}
        return ClientProperties("admin client", self.path, found)

    def _ruled(self, found: Mapping[str, Property], ours: Mapping[str, tuple[str, str]]) -> dict[str, Property]:
        ruled = dict(found)
        for key, (value, reason) in ours.items():
            theirs = found.get(key)
            if theirs is None:
                ruled[key] = Property(value, "ours")
            elif _plain(theirs.value) == _plain(value):
                ruled[key] = Property(value, theirs.origin)
            else:
                ruled[key] = Property(value, f"ours, {theirs.value} of {theirs.origin} is ignored: {reason}")
                self.warnings.append(f"{key} = {theirs.value} ({theirs.origin}) is ignored: {reason}")
        return ruled

    def _idempotence_fits(self, found: dict[str, Property]) -> dict[str, Property]:
        """librdkafka refuses a producer whose other properties contradict idempotence; then the user's go first."""
        asked = found["enable.idempotence"]
        against = list(_against_idempotence(found))
        if asked.origin != "default":  # asked for in words: only acks is stronger, the rest is librdkafka's to refuse
            against = [key for key in against if key == "acks"]
        if not against or _plain(asked.value) == "false":
            return found
        told = " and ".join(f"{key} = {found[key].value} ({found[key].origin})" for key in against)
        risk = "a chunk can be lost" if "acks" in against else "a chunk can be stored twice"
        self.warnings.append(f"idempotence is switched off by {told}: {risk} when a broker fails")
        return {**found, "enable.idempotence": Property("false", f"ours, because of {', '.join(against)}")}

    def _whole_number(self, key: str, value: Property) -> int:
        """A size that we calculate with; "2000000.0" and "2e6" are whole numbers too."""
        number = _number(value.value)
        if number is None or number < 0 or not number.is_integer():
            raise ConfigError(
                f"{self.path}: {key} = {value.value!r} ({value.origin}) is not a number of bytes",
                f"write it in digits, such as {key} = 1000000",
            )
        return int(number)


def without(found: Mapping[str, Property], unwanted: frozenset[str]) -> dict[str, Property]:
    """These properties but for the unwanted ones, such as those of another kind of client that [broker] holds."""
    return {key: value for key, value in found.items() if key not in unwanted}


def _defaults(values: Mapping[str, str]) -> dict[str, Property]:
    return {key: Property(value, "default") for key, value in values.items()}


def _against_idempotence(found: Mapping[str, Property]) -> Iterator[str]:
    if _plain(found["acks"].value) not in ("all", "-1"):
        yield "acks"
    if _number(found["max.in.flight.requests.per.connection"].value, 0) > 5:
        yield "max.in.flight.requests.per.connection"
    if "retries" in found and _number(found["retries"].value, 1) < 1:
        yield "retries"
    if "queuing.strategy" in found and _plain(found["queuing.strategy"].value) != "fifo":
        yield "queuing.strategy"


def _plain(value: str) -> str:
    """A value as librdkafka compares it: without regard to case, and with its other words for true and false."""
    word = value.strip().lower()
    return {"t": "true", "1": "true", "on": "true", "f": "false", "0": "false", "off": "false"}.get(word, word)


@overload
def _number(text: str) -> float | None: ...
@overload
def _number(text: str, otherwise: float) -> float: ...
def _number(text: str, otherwise: float | None = None) -> float | None:
    try:
        return float(text)
    except ValueError:
        return otherwise
