"""A real Kafka that asks who you are: TLS, certificates of clients, passwords and rights, each on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from certificates import Authority
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from openmsistream.broker import launch, ports, temporary

PASSWORD = "correct-horse"
HOST = "127.0.0.1"
LISTENERS = {"TLS": "SSL", "OTHERHOST": "SSL", "MUTUAL": "SSL", "SCRAM": "SASL_SSL", "WORDS": "SASL_PLAINTEXT"}
"""Name and protocol of each listener beside the open one: TLS alone, TLS with the certificate of another host, TLS that
asks for the client's certificate, passwords inside TLS, and passwords without it."""


@dataclass(frozen=True)
class Secured:
    """The broker and what its clients need. "owner" may do everything, "guest" nothing but what a test allows."""

    address: str
    listeners: Mapping[str, int]
    trusted: Authority
    stranger: Authority
    host: str = HOST
    """Where the listeners are; the open one stays on this machine."""

    def at(self, listener: str) -> str:
        return f"{self.host}:{self.listeners[listener]}"

    # the lines of a [broker] section

    def tls(self, listener: str = "TLS", authority: Authority | None = None) -> dict[str, str]:
        trusted = (authority or self.trusted).file
        return {
            "bootstrap.servers": self.at(listener), "security.protocol": "SSL", "ssl.ca.location": str(trusted),
        }  # fmt: skip

    def mutual(self, client: Path) -> dict[str, str]:
        return {**self.tls("MUTUAL"), "ssl.certificate.location": str(client), "ssl.key.location": str(client)}

    def scram(self, user: str = "owner", password: str = PASSWORD) -> dict[str, str]:
        return {**self.tls("SCRAM"), "security.protocol": "SASL_SSL", **_login("SCRAM-SHA-512", user, password)}

    def words(self, user: str = "guest", password: str = PASSWORD, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        return {
            "bootstrap.servers": self.at("WORDS"), "security.protocol": "SASL_PLAINTEXT",
            **_login(mechanism, user, password),
        }  # fmt: skip

    # what a test prepares

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address})

    def allow(self, kind: ResourceType, name: str, *operations: AclOperation, user: str = "guest") -> None:
        """Give a user rights."""
        rights = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
            for operation in operations
        ]
        for future in self.admin.create_acls(rights).values():
            future.result(15)

    def take_back(self, topic: str) -> None:
        """Take all rights on a topic away."""
        rights = AclBindingFilter(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY
        )
        for future in self.admin.delete_acls([rights]).values():
            future.result(15)


def _login(mechanism: str, user: str, password: str) -> dict[str, str]:
    return {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password}


@contextmanager
def secured_broker(place: Path, host: str = HOST) -> Iterator[Secured]:
    """Start it, with certificates and users of its own; its listeners are at this address of the machine."""
    trusted, stranger = Authority.make("authority", place), Authority.make("stranger", place)
    listeners: dict[str, int] = {}
    while len(listeners) < len(LISTENERS):
        port = ports.unused(host)
        if port not in listeners.values():
            listeners[list(LISTENERS)[len(listeners)]] = port
    usual = launch.server_properties

    def properties(settings: object, port: int, *args: object, **kwargs: object) -> str:
        written = usual(settings, port, *args, **kwargs)  # type: ignore[arg-type]
        # of two lines for one key Java takes the later
        return written + _more_properties(port, host, listeners, trusted)

    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:  # for the start only: other brokers are started in the same run
            patch.setattr(launch, "server_properties", properties)
            broker = running.enter_context(temporary(place / "broker", say=print))
        made = Secured(broker.address, listeners, trusted, stranger, host)
        _make_users(made, "owner", "guest")
        yield made


def _more_properties(port: int, host: str, listeners: Mapping[str, int], trusted: Authority) -> str:
    mine, other = trusted.sign("server", host=host), trusted.sign("elsewhere", host="kafka.example.org")
    plain, named = f"PLAINTEXT://{HOST}:{port}", ",".join(f"{name}://{host}:{at}" for name, at in listeners.items())
    controller = ports.unused(HOST, besides=[port])
    properties = {
        "listeners": f"{plain},{named},CONTROLLER://{HOST}:{controller}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "advertised.listeners": f"{plain},{named}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        + ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": mine.as_posix(),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": trusted.file.as_posix(),
        "listener.name.otherhost.ssl.keystore.location": other.as_posix(),
        "listener.name.mutual.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # who comes in without a name is the test itself, or has come through TLS alone
        "super.users": "User:ANONYMOUS;User:owner;User:CN=instrument",
        **{
            f"listener.name.{name}.scram-sha-512.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            for name in ("scram", "words")
        },
    }  # fmt: skip
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _make_users(broker: Secured, *names: str) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    wanted = [UserScramCredentialUpsertion(name, info, PASSWORD.encode()) for name in names]
    for future in broker.admin.alter_user_scram_credentials(wanted).values():  # type: ignore[arg-type]
        future.result(15)
    for _ in range(50):  # a user is known to the broker a moment after the controller has taken it
        try:
            AdminClient({**broker.scram()}).list_topics(timeout=2)
            return
        except KafkaException:
            continue
    raise AssertionError("the users did not appear")
