"""What we add to a file's properties, what we do not let it change, and what does not go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

from openmsistream.config.ini import Sections
from openmsistream.config.known import OURS, known, meant_by
from openmsistream.config.properties import BOOTSTRAP, ClientProperties, Property, place
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
    "queued.min.messages": "2000",  # of small files 100,000 took 200 MB: librdkafka counts their bytes, not what each costs
    "fetch.queue.backoff.ms": "10",  # librdkafka's second of waiting stalls a reader whose queue was full
    "session.timeout.ms": "10000",  # after kill -9 a restarted reader waits this long for its files, not 45 s
    "fetch.wait.max.ms": "100",  # how long fetch.min.bytes of a file may hold back the last chunk
}

PRODUCER_OURS = {
    "message.timeout.ms": ("0", "an outage of the broker is waited out, and no chunk is given up for it"),
    "partitioner": ("murmur2_random", "the program chooses the partition, so that all chunks of a file are in one"),
}
ANNOUNCEMENT_DEFAULTS = {
    "enable.idempotence": "false",  # a heartbeat that is there twice does no harm
    "message.timeout.ms": "0",  # what waits for a broker is little, and arrives after an outage
    "queue.buffering.max.messages": "1000",
    "queue.buffering.max.kbytes": "16384",
}
"""For records about a program, which nobody waits for."""

ANNOUNCEMENT_KEYS = frozenset({"prefer.separate.producer", "max.logs.per.message", "log.level"})
"""What [heartbeat] and [log] hold beside properties of the client."""

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

_PRODUCERS_ONLY = PRODUCER_DEFAULTS.keys() | PRODUCER_OURS.keys()
_FOR_FILES = ANNOUNCEMENT_DEFAULTS.keys() | PRODUCER_OURS.keys() | {"enable.gapless.guarantee"}
_CONSUMERS_ONLY = CONSUMER_DEFAULTS.keys() | CONSUMER_OURS.keys()

_SIZES = frozenset({"batch.size", "message.max.bytes"})
"""We calculate with these, and so the client would not see that one is below zero."""

_WORD_OR_NUMBER = frozenset({"acks", "request.required.acks"})

_PROTOCOL = "security.protocol"
_CLIENTS = ("broker", "producer", "consumer")
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


@dataclass(frozen=True, slots=True)
class Unknown:
    """A property that is not in our list, and the error to be raised when the client does not know it either."""

    name: str
    error: ConfigError


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
                value = self._checked(key, self.expand(name, key))
                usual = ALIASES.get(key, key)
                found[usual] = value if usual == key else replace(value, origin=f"{value.origin} as {key}")
        return found

    def unknown(self, *sections: str) -> Iterator[Unknown]:
        """The properties of clients in these sections (none: in those of all programs) whose names are in no list of ours."""
        for section in sections or _CLIENTS:
            for key, entry in self.sections.get(section, {}).items():
                if (
                    key in known()
                    or key in OURS | ANNOUNCEMENT_KEYS
                    or (entry.section != section and section != "broker")
                ):
                    continue  # what stands in [DEFAULT] is looked at once
                meant = meant_by(key)
                where = f"{self.path}, line {entry.line}" if entry.line else str(self.path)
                yield Unknown(
                    key,
                    ConfigError(
                        f"{where}: {key} in [{entry.section}] is no property of Kafka clients",
                        f"did you mean {meant}" if meant else "correct its name, or take the line out",
                    ),
                )

    def producer(self) -> ClientProperties:
        """What producers are made with: [broker], then [producer]."""
        if theirs := self.merged("broker", "producer").get("transactional.id"):
            reason = "programs that need one name it themselves, so that no two have the same"
            self.warnings.append(f"transactional.id = {theirs.value} ({theirs.origin}) is ignored: {reason}")
        found = self._ruled({**_defaults(PRODUCER_DEFAULTS), **self.producer_entries()}, PRODUCER_OURS)
        return ClientProperties("producer", self.path, self._idempotence_fits(found))

    def producer_entries(self) -> dict[str, Property]:
        """What the file says of producers."""
        return without(self.merged("broker", "producer"), OURS | _CONSUMERS_ONLY | {"transactional.id"})

    def announcements(self, section: str) -> ClientProperties:
        """What the producer of records about a program is made with: [broker], then [heartbeat] or [log].

        A section that names brokers stands alone. Without one it is [broker] and [producer], but for what is only good
        for files. Raises ConfigError.
        """
        written = {ALIASES.get(key, key) for key, e in self.sections.get(section, {}).items() if e.section == section}
        unwanted = OURS | _CONSUMERS_ONLY | ANNOUNCEMENT_KEYS | {"transactional.id"}
        if BOOTSTRAP in written:
            found = self.merged(section)
        elif written:
            found = self.merged("broker", section)
        else:
            found, unwanted = self.merged("broker", "producer"), unwanted | _FOR_FILES
        return ClientProperties(
            f"producer of [{section}]", self.path, {**_defaults(ANNOUNCEMENT_DEFAULTS), **without(found, unwanted)}
        )

    def consumer(self) -> ClientProperties:
        """What consumers are made with: [broker], then [consumer]; the group is not among it."""
        found = without(self.merged("broker", "consumer"), OURS | _PRODUCERS_ONLY)
        defaults = _defaults(CONSUMER_DEFAULTS)
        if "group.protocol" in found and plain(found["group.protocol"].value) == "consumer":
            del defaults["session.timeout.ms"]  # the brokers' then, and the client refuses it
        found = self._ruled({**defaults, **found}, CONSUMER_OURS)
        reset = found["auto.offset.reset"]
        if reset.value.lower() == "none":  # Kafka's word; librdkafka's for the same is "error"
            found["auto.offset.reset"] = Property("error", f"{reset.origin}, none")
        return ClientProperties("consumer", self.path, found)

    def admin(self) -> ClientProperties:
        """What topics are asked for and made with: [broker]; what is not there of address and access, from another client."""
        unwanted = OURS | _PRODUCERS_ONLY | _CONSUMERS_ONLY
        found = without(self.merged("broker"), unwanted)
        for section in ("producer", "consumer"):
            other = self.merged("broker", section)
            if BOOTSTRAP not in found or (_PROTOCOL not in found and _PROTOCOL in other):
                found |= {key: value for key, value in other.items() if key.startswith(_CONNECTION)}
        return ClientProperties("admin client", self.path, found)

    def _ruled(self, found: Mapping[str, Property], ours: Mapping[str, tuple[str, str]]) -> dict[str, Property]:
        ruled = dict(found)
        for key, (value, reason) in ours.items():
            theirs = found.get(key)
            if theirs is None:
                ruled[key] = Property(value, "ours")
            elif plain(theirs.value) == plain(value):
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
        if not against or plain(asked.value) == "false":
            return found
        told = " and ".join(f"{key} = {found[key].value} ({found[key].origin})" for key in against)
        risk = "a chunk can be lost" if "acks" in against else "a chunk can be stored twice"
        self.warnings.append(f"idempotence is switched off by {told}: {risk} when a broker fails")
        return {**found, "enable.idempotence": Property("false", f"ours, because of {', '.join(against)}")}

    def _checked(self, key: str, value: Property) -> Property:
        """Numbers and switches, before the client sees them: it takes "10 s" for 10, and "2e6" for 2.

        "2000000.0" and "2e6" are whole numbers too: OpenMSIStream made a number of everything that looks like one.
        """
        kind = known().get(key)
        if kind is None or key in _WORD_OR_NUMBER:
            return value
        if kind.is_switch and plain(value.value) not in ("true", "false"):
            raise self._refused(key, value, "is neither true nor false", f"write {key} = true or {key} = false")
        if not kind.is_number:
            return value
        number = as_number(value.value)
        if number is None or not math.isfinite(number):
            raise self._refused(key, value, "is not a number", f"write it in digits, such as {key} = 1000")
        if kind.is_whole_number and not number.is_integer():
            raise self._refused(key, value, "is not a whole number", f"write it in digits, such as {key} = 1000")
        if key in _SIZES and number < 0:
            raise self._refused(key, value, "is not a number of bytes", f"write it in digits, such as {key} = 1000000")
        return replace(value, value=str(int(number))) if kind.is_whole_number else value

    def _refused(self, key: str, value: Property, why: str, advice: str) -> ConfigError:
        return ConfigError(f"{place(self.path, value)}: {key} = {value.value!r} ({value.origin}) {why}", advice)


def without(found: Mapping[str, Property], unwanted: frozenset[str]) -> dict[str, Property]:
    """These properties but for the unwanted ones, such as those of another kind of client that [broker] holds."""
    return {key: value for key, value in found.items() if key not in unwanted}


def _defaults(values: Mapping[str, str]) -> dict[str, Property]:
    return {key: Property(value, "default") for key, value in values.items()}


def _against_idempotence(found: Mapping[str, Property]) -> Iterator[str]:
    if plain(found["acks"].value) not in ("all", "-1"):
        yield "acks"
    if as_number(found["max.in.flight.requests.per.connection"].value, 0) > 5:
        yield "max.in.flight.requests.per.connection"
    if "retries" in found and as_number(found["retries"].value, 1) < 1:
        yield "retries"
    if "queuing.strategy" in found and plain(found["queuing.strategy"].value) != "fifo":
        yield "queuing.strategy"


def plain(value: str) -> str:
    """A value as librdkafka compares it: without regard to case, and with its other words for true and false."""
    word = value.strip().lower()
    return {"t": "true", "1": "true", "on": "true", "f": "false", "0": "false", "off": "false"}.get(word, word)


@overload
def as_number(text: str) -> float | None: ...
@overload
def as_number(text: str, otherwise: float) -> float: ...
def as_number(text: str, otherwise: float | None = None) -> float | None:
    """A number as librdkafka reads it; `otherwise` when it is none."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(int(text, 16)) if text.lower().startswith("0x") else otherwise
    except ValueError:
        return otherwise
