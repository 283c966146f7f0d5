"""Kafka's errors in our words: what happened, at which address, what to do now."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from openmsistream.errors import AccessRefused, BrokerUnreachable, ConfigError, OpenMSIStreamError, TopicError

_REFUSED = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._SSL,
}
_UNREACHABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError._WAIT_COORD,
}
_TOPIC = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
}


def kafka_error(exception: KafkaException) -> KafkaError:
    """The error that an exception of the client carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)
    return error


def translate(error: KafkaError, doing: str, bootstrap: str) -> OpenMSIStreamError:
    """Our error for Kafka's, met while `doing` something at the brokers `bootstrap`."""
    text = f"{doing} at {bootstrap} did not work: {error.str()}"
    if error.code() in _REFUSED:
        return AccessRefused(text, "check user, password, certificate and the rights of this user")
    if error.code() in _UNREACHABLE:
        return BrokerUnreachable(text, "check bootstrap.servers, the network, and that the broker runs")
    if error.code() in _TOPIC:
        return TopicError(text, "check the topic's name and its settings on the broker")
    return OpenMSIStreamError(text)


def bad_property(exception: KafkaException, where: str) -> ConfigError:
    """The client did not take the configuration that it was given."""
    return ConfigError(f"the settings in {where} were refused: {kafka_error(exception).str()}", "correct them there")
