"""Kafka's errors in our words: what happened, at which address, what to do now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from confluent_kafka import KafkaError, KafkaException

from openmsistream.config.known import known, same_as
from openmsistream.errors import AccessRefused, BrokerUnreachable, ConfigError, OpenMSIStreamError, TopicError

Kind = type[OpenMSIStreamError]

_NONE: Mapping[str, str] = MappingProxyType({})
_MECHANISM = {"sasl.mechanism", "sasl.mechanisms"}

_LOGIN = "check user, password and certificate in the configuration"
_TOPIC_RIGHTS = (
    "ask whoever runs the broker for rights on this topic: Describe and Read to receive, Describe and Write to send"
)
_GROUP_RIGHTS = "ask whoever runs the broker for the right Read on this group, or name another with --consumer_group_id"
_CLUSTER_RIGHTS = (
    "ask whoever runs the broker for this right; to send, brokers before Kafka 3 want IdempotentWrite on the cluster"
)
_NETWORK = "check bootstrap.servers, the network, and that the broker runs"
_TOPIC = "check the topic's name and its settings on the broker"
_SMALLER = "use a smaller --chunk_size, or raise max.message.bytes of the topic"
_DAMAGED = (
    "look at the broker's disks and its log; to go on without these records, set the group's offset behind them with "
    "Kafka's kafka-consumer-groups --reset-offsets"
)
_ONE_INSTANCE = (
    "another reader has come under the same name; give each reader of the group a group.instance.id of its own, "
    "or leave it out"
)
_AS_OTHERS = "use the same partition.assignment.strategy and group.protocol in all readers of the group"

_MEANING: dict[int, tuple[Kind, str]] = {
    KafkaError._AUTHENTICATION: (AccessRefused, _LOGIN),
    KafkaError._SSL: (AccessRefused, _LOGIN),
    KafkaError.SASL_AUTHENTICATION_FAILED: (AccessRefused, _LOGIN),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (AccessRefused, _TOPIC_RIGHTS),
    KafkaError.GROUP_AUTHORIZATION_FAILED: (AccessRefused, _GROUP_RIGHTS),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (AccessRefused, _CLUSTER_RIGHTS),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (AccessRefused, _CLUSTER_RIGHTS),
    KafkaError._TRANSPORT: (BrokerUnreachable, _NETWORK),
    KafkaError._ALL_BROKERS_DOWN: (BrokerUnreachable, _NETWORK),
    KafkaError._TIMED_OUT: (BrokerUnreachable, _NETWORK),
    KafkaError._RESOLVE: (BrokerUnreachable, _NETWORK),
    KafkaError.REQUEST_TIMED_OUT: (BrokerUnreachable, _NETWORK),
    KafkaError._WAIT_COORD: (BrokerUnreachable, _NETWORK),
    KafkaError.MSG_SIZE_TOO_LARGE: (TopicError, _SMALLER),
    KafkaError.RECORD_LIST_TOO_LARGE: (TopicError, _SMALLER),
    KafkaError.UNKNOWN_TOPIC_OR_PART: (TopicError, _TOPIC),
    KafkaError._UNKNOWN_TOPIC: (TopicError, _TOPIC),
    KafkaError._UNKNOWN_PARTITION: (TopicError, _TOPIC),
    KafkaError.TOPIC_EXCEPTION: (TopicError, _TOPIC),
    KafkaError.POLICY_VIOLATION: (TopicError, _TOPIC),
    KafkaError.INVALID_REPLICATION_FACTOR: (TopicError, _TOPIC),
    KafkaError.INVALID_PARTITIONS: (TopicError, _TOPIC),
    KafkaError._BAD_MSG: (TopicError, _DAMAGED),
    KafkaError._BAD_COMPRESSION: (TopicError, _DAMAGED),
    KafkaError.INVALID_MSG: (TopicError, _DAMAGED),
    KafkaError.FENCED_INSTANCE_ID: (ConfigError, _ONE_INSTANCE),
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (ConfigError, _AS_OTHERS),
    KafkaError.INVALID_SESSION_TIMEOUT: (
        ConfigError,
        "choose a session.timeout.ms between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
    ),
}


def kafka_error(exception: KafkaException) -> KafkaError:
    """The error that an exception of the client carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)
    return error


def translate(error: KafkaError, doing: str, bootstrap: str) -> OpenMSIStreamError:
    """Our error for Kafka's, met while `doing` something at the brokers `bootstrap`."""
    code = error.code()
    if code == KafkaError._FATAL and "group.instance.id" in error.str():
        code = KafkaError.FENCED_INSTANCE_ID  # the client has given up, and says why in words only
    kind, advice = _MEANING.get(code, (OpenMSIStreamError, ""))
    outcome = "was refused" if kind is AccessRefused else "did not work"
    return kind(f"{doing} at {bootstrap} {outcome}: {words(error)}", advice)


def bad_property(exception: KafkaException, where: str, properties: Mapping[str, str] = _NONE) -> ConfigError:
    """The client did not take the configuration that it was given: `properties`, which stand in `where`."""
    told = re.sub(r"^Failed to create [a-z ]+: ", "", words(kafka_error(exception)))
    if "No provider for SASL mechanism GSSAPI" in told and not properties.keys() & _MECHANISM:
        return ConfigError(
            f"the settings in {where} ask for SASL and name no mechanism",
            "set sasl.mechanism to what the broker takes: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
        )
    named = re.search(r'property "([^"]+)"', told)
    if named is None or named[1] not in known():
        return ConfigError(f"the settings in {where} were refused: {told}", "correct them there")
    name = named[1]
    choices = known()[name].choices
    for other in same_as(name):  # the client has a favourite among the names of a property, perhaps not the user's
        if other in properties:
            told = told.replace(f'"{name}"', f'"{other}"')
    advice = f"write one of: {', '.join(choices)}" if choices else "correct the value there"
    return ConfigError(f"the settings in {where} were refused: {told}", advice)


def words(error: KafkaError) -> str:
    """The client's words without its marks of who says so, as a part of a sentence."""
    said = re.sub(r"^(\w+ response error|Fatal error|Fetch from broker \d+ failed): ", "", error.str())
    return re.sub(r"^(Broker|Local): ", "", said.partition(": Fatal ")[0]).strip().rstrip(".")
