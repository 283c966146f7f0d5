"""Asking the cluster: which topics there are, what one is like, and making one."""

from __future__ import annotations

import time
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

from openmsistream.config import Settings, container
from openmsistream.errors import BrokerUnreachable, OpenMSIStreamError, TopicError

from .certificates import why_refused
from .checked import check_names
from .connection import Connection
from .errors import bad_property, kafka_error, translate, words

TIMEOUT = 9.0
"""Seconds within which a broker has to answer at the start of a program: with the time to say so ten."""

_TURN = 0.02

_ADVICE = "check bootstrap.servers, the network, and that the broker runs"


@dataclass(frozen=True, slots=True)
class Topic:
    """What the cluster says of a topic. Sizes in bytes, times in ms; -1 means without limit.

    `knows_settings` is False where this user may not ask for the topic's settings: then sizes, times and policy are those
    of a topic for which nobody has set any. `rights` are the operations that this user may do, in Kafka's words (READ,
    WRITE, ...); None when the cluster does not tell.
    """

    name: str
    topic_id: str
    cluster_id: str
    partitions: int
    replication: int
    max_message_bytes: int
    retention_ms: int
    retention_bytes: int
    cleanup_policy: str
    knows_settings: bool = True
    rights: frozenset[str] | None = None


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
        self._properties = properties
        self.bootstrap = properties.get("bootstrap.servers", "")
        self.connection = Connection(self.bootstrap, silent=True)
        try:
            self._client = AdminClient(self.connection.config(properties))
        except KafkaException as error:
            raise bad_property(error, where, properties) from error

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """For the brokers of a configuration. Raises ConfigError, also for a property of producers or consumers that is none."""
        check_names(settings)
        advice = "start it with: openmsistream broker start" if settings.path.stem == "local" else _ADVICE
        return cls(settings.admin.properties, str(settings.path), advice)

    def topic_names(self, timeout: float = TIMEOUT) -> list[str]:
        """The names of all topics but Kafka's own. Raises BrokerUnreachable."""
        deadline = time.monotonic() + timeout
        try:
            cluster = self._client.describe_cluster(request_timeout=timeout)
            self._answer(cluster, deadline)  # hears why there is no answer, as list_topics does not
            topics = self._client.list_topics(timeout=max(0.1, deadline - time.monotonic())).topics
        except KafkaException as error:
            raise self._translated(error, "asking for the topics") from error
        return sorted(name for name in topics if not name.startswith("__"))

    def topic(self, name: str, timeout: float = TIMEOUT) -> Topic | None:
        """What the topic is like; None when there is none of this name. Raises BrokerUnreachable and its kin."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        deadline = time.monotonic() + timeout
        try:
            about_cluster = self._client.describe_cluster(request_timeout=timeout)
            about_topic = self._client.describe_topics(
                TopicCollection([name]), include_authorized_operations=True, request_timeout=timeout
            )[name]
            about_settings = self._client.describe_configs([resource], request_timeout=timeout)[resource]
            cluster = self._answer(about_cluster, deadline)
            found = self._answer(about_topic, deadline)
        except KafkaException as error:
            if kafka_error(error).code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                return None
            if kafka_error(error).code() == KafkaError.TOPIC_EXCEPTION:
                raise _bad_name(name) from error
            raise self._translated(error, f"asking for the topic {name!r}") from error
        settings = self._settings(name, about_settings, deadline)
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
            knows_settings=bool(settings),
            rights=frozenset(o.name for o in found.authorized_operations) if found.authorized_operations else None,
        )

    def _settings(self, name: str, asked: Future[Any], deadline: float) -> Mapping[str, Any]:
        """The topic's settings; none where this user has no right to ask: to read and write needs no such right."""
        try:
            return self._answer(asked, deadline)  # type: ignore[no-any-return]
        except KafkaException as error:
            code = kafka_error(error).code()
            if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
                return {}
            raise self._translated(error, f"asking for the settings of topic {name!r}") from error

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
            self._answer(self._client.create_topics([new], request_timeout=timeout)[name], time.monotonic() + timeout)
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
                f"the topic {name!r} does not exist and could not be made: {words(kafka_error(error))}",
                "ask whoever runs the broker to make it, or name one that exists with --topic_name",
            ) from error
        return True

    def _answer(self, future: Future[Any], deadline: float) -> Any:
        """What a question was answered with. Raises the reason as soon as it is clear that there will be no answer."""
        while not future.done():
            self._client.poll(_TURN)  # or the client's errors are never heard
            cause = self.connection.cause
            if cause is not None or time.monotonic() > deadline:
                raise self._unreachable()
        answer = future.result()
        self.connection.answered()
        return answer

    def _translated(self, error: KafkaException, doing: str) -> OpenMSIStreamError:
        failure = translate(kafka_error(error), doing, self.bootstrap)
        return self._unreachable() if isinstance(failure, BrokerUnreachable) else failure

    def _unreachable(self) -> OpenMSIStreamError:
        connection = self.connection
        if (cause := connection.cause) is not None and cause.kind is not BrokerUnreachable:
            why = why_refused(self.bootstrap, self._properties) if cause.is_certificate_of_broker else ""
            told = f"{cause.what} ({why})" if why else cause.what
            return cause.kind(f"the broker at {self.bootstrap} cannot be used: {told}", cause.advice)
        told = f" ({connection.last_cause})" if connection.last_cause else ""
        advice = connection.advice or container.when_it_is_itself(self.bootstrap) or self._advice
        return BrokerUnreachable(f"no broker answered at {self.bootstrap}{told}", advice)


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
