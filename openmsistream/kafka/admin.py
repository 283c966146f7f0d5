"""Asking the cluster: which topics there are, what one is like, and making one."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable, OpenMSIStreamError, TopicError

from .connection import Connection
from .errors import bad_property, kafka_error, translate

TIMEOUT = 10.0
"""Seconds within which a broker has to answer at the start of a program."""

_ADVICE = "check bootstrap.servers, the network, and that the broker runs"


@dataclass(frozen=True, slots=True)
class Topic:
    """What the cluster says of a topic. Sizes in bytes, times in ms; -1 means without limit."""

    name: str
    topic_id: str
    cluster_id: str
    partitions: int
    replication: int
    max_message_bytes: int
    retention_ms: int
    retention_bytes: int
    cleanup_policy: str


@dataclass(frozen=True, slots=True)
class TopicWish:
    """What a topic shall be like when it has to be made; None leaves it to the broker."""

    partitions: int | None = None
    replication: int | None = None
    retention_ms: int | None = None


class Admin:
    """A connection for questions about topics."""

    def __init__(self, properties: Mapping[str, str], where: str = "the config", advice: str = _ADVICE) -> None:
        self._advice = advice
        self.bootstrap = properties.get("bootstrap.servers", "")
        self.connection = Connection(self.bootstrap)
        try:
            self._client = AdminClient(self.connection.config(properties))
        except KafkaException as error:
            raise bad_property(error, where) from error

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """For the brokers of a configuration. Raises ConfigError."""
        advice = "start it with: openmsistream broker start" if settings.path.stem == "local" else _ADVICE
        return cls(settings.admin.properties, str(settings.path), advice)

    def topic_names(self, timeout: float = TIMEOUT) -> list[str]:
        """The names of all topics but Kafka's own. Raises BrokerUnreachable."""
        try:
            topics = self._client.list_topics(timeout=timeout).topics
        except KafkaException as error:
            raise self._translated(error, "asking for the topics") from error
        return sorted(name for name in topics if not name.startswith("__"))

    def topic(self, name: str, timeout: float = TIMEOUT) -> Topic | None:
        """What the topic is like; None when there is none of this name. Raises BrokerUnreachable and its kin."""
        try:
            cluster = self._answer(self._client.describe_cluster(request_timeout=timeout), timeout)
            future = self._client.describe_topics(TopicCollection([name]), request_timeout=timeout)[name]
            found = self._answer(future, timeout)
            resource = ConfigResource(ResourceType.TOPIC, name)
            settings = self._answer(
                self._client.describe_configs([resource], request_timeout=timeout)[resource], timeout
            )
        except KafkaException as error:
            if kafka_error(error).code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                return None
            if kafka_error(error).code() == KafkaError.TOPIC_EXCEPTION:
                raise _bad_name(name) from error
            raise self._translated(error, f"asking for the topic {name!r}") from error
        return Topic(
            name=name,
            topic_id=str(found.topic_id) if found.topic_id is not None else name,
            cluster_id=str(cluster.cluster_id or ""),
            partitions=len(found.partitions),
            replication=min((len(p.replicas) for p in found.partitions), default=1),
            max_message_bytes=_number(settings, "max.message.bytes", 1_048_588),
            retention_ms=_number(settings, "retention.ms", -1),
            retention_bytes=_number(settings, "retention.bytes", -1),
            cleanup_policy=settings["cleanup.policy"].value if "cleanup.policy" in settings else "delete",
        )

    def create(self, name: str, wish: TopicWish, timeout: float = TIMEOUT) -> bool:
        """Make a topic; False when somebody else has just made it. Raises TopicError when it may not or cannot be made."""
        config = {} if wish.retention_ms is None else {"retention.ms": str(wish.retention_ms)}
        new = NewTopic(
            name,
            num_partitions=-1 if wish.partitions is None else wish.partitions,
            replication_factor=-1 if wish.replication is None else wish.replication,
            config=config,
        )
        try:
            self._answer(self._client.create_topics([new], request_timeout=timeout)[name], timeout)
        except KafkaException as error:
            code = kafka_error(error).code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if code == KafkaError.TOPIC_EXCEPTION:
                raise _bad_name(name) from error
            failure = self._translated(error, f"making the topic {name!r}")
            if isinstance(failure, BrokerUnreachable):
                raise failure from error
            raise TopicError(
                f"the topic {name!r} does not exist and could not be made: {kafka_error(error).str()}",
                "ask whoever runs the broker to make it, or name one that exists with --topic_name",
            ) from error
        return True

    def _answer(self, future: Future[Any], timeout: float) -> Any:
        try:
            return future.result(timeout + 1)
        except TimeoutError as error:
            raise self._unreachable() from error

    def _translated(self, error: KafkaException, doing: str) -> OpenMSIStreamError:
        failure = translate(kafka_error(error), doing, self.bootstrap)
        return self._unreachable() if isinstance(failure, BrokerUnreachable) else failure

    def _unreachable(self) -> BrokerUnreachable:
        cause = self.connection.last_cause
        return BrokerUnreachable(
            f"no broker answered at {self.bootstrap}" + (f" ({cause})" if cause else ""),
            self._advice,
        )


def topic_names(bootstrap: str, timeout: float = TIMEOUT) -> list[str]:
    """The topics of an unprotected broker, such as the embedded one."""
    return Admin({"bootstrap.servers": bootstrap}).topic_names(timeout)


def _number(settings: Mapping[str, object], name: str, default: int) -> int:
    entry = settings.get(name)
    value = getattr(entry, "value", None)
    return default if value is None else int(value)


def _bad_name(name: str) -> TopicError:
    return TopicError(
        f"{name!r} cannot be the name of a topic",
        "use at most 249 of the letters a-z, A-Z, 0-9 and . _ -",
    )
