"""The properties of Kafka clients by name: of which kind their values are, and what a name that nobody knows was meant to be."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("client_properties.json")

OURS = frozenset(
    {"key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "node_id", "group.id"}
)
"""Read by us: how records are written, who decrypts, and the group, which depends on the program as well."""

ELSEWHERE = {
    "max.request.size": "message.max.bytes",
    "buffer.memory": "queue.buffering.max.kbytes",
    "max.block.ms": "socket.timeout.ms",
    "request.timeout.ms": "socket.timeout.ms",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "compression": "compression.type",
    "max.in.flight.requests": "max.in.flight.requests.per.connection",
    "ssl.truststore.location": "ssl.ca.location",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "ssl.cafile": "ssl.ca.location",
    "ssl.certfile": "ssl.certificate.location",
    "ssl.keyfile": "ssl.key.location",
    "ssl.crlfile": "ssl.crl.location",
    "ssl.ciphers": "ssl.cipher.suites",
    "ssl.check.hostname": "ssl.endpoint.identification.algorithm",
    "sasl.plain.username": "sasl.username",
    "sasl.plain.password": "sasl.password",
    "sasl.user": "sasl.username",
    "sasl.jaas.config": "sasl.username and sasl.password",
    "username": "sasl.username",
    "password": "sasl.password",
    "brokers": "bootstrap.servers",
    "servers": "bootstrap.servers",
    "broker.list": "bootstrap.servers",
    "consumer.group.id": "group.id",
}
"""What the Java client, kafka-python and people call some properties that librdkafka calls otherwise."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one property: the type of its value, the words it may be, and its usual name if this is another."""

    type: str
    choices: tuple[str, ...] = ()
    alias: str = ""

    @property
    def is_whole_number(self) -> bool:
        return self.type == "integer"

    @property
    def is_number(self) -> bool:
        return self.type in ("integer", "float")

    @property
    def is_switch(self) -> bool:
        return self.type == "boolean"


@cache
def known() -> dict[str, Known]:
    """Every property that the client library had when the list was made, by name."""
    listed = json.loads(_LIST.read_text("utf-8"))
    return {
        name: Known(entry["type"], tuple(entry.get("choices", ())), entry.get("alias", ""))
        for name, entry in listed.items()
    }


def meant_by(name: str) -> str:
    """What a name that is not known was meant to be; empty when nothing is near."""
    dotted = name.replace("_", ".").replace("-", ".")
    if dotted in known() or dotted in OURS:
        return dotted
    if dotted in ELSEWHERE:
        return ELSEWHERE[dotted]
    near = difflib.get_close_matches(dotted, [*known(), *OURS, *ELSEWHERE], n=1, cutoff=0.75)
    return ELSEWHERE.get(near[0], near[0]) if near else ""


def same_as(name: str) -> Iterator[str]:
    """The other names of a property: the client speaks of one by the name that it likes best."""
    usual = known()[name].alias if name in known() else ""
    for other, entry in known().items():
        if other != name and (other == usual or entry.alias in (name, usual or name)):
            yield other
