"""[heartbeat] and [log]."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from openmsistream.config import Settings, load
from openmsistream.config.announcements import announcements
from openmsistream.errors import ConfigError

Read = Callable[..., Settings]

BROKER = "[broker]\nbootstrap.servers = a:1\nsasl.username = me\n"


def test_without_a_section_it_is_the_producer_but_for_what_is_good_for_files_only(read: Read) -> None:
    got = announcements(
        read(BROKER + "[producer]\nlinger.ms = 7\nacks = 1\ntransactional.id = x\nenable.idempotence = true\n"), "log"
    )
    found = got.client.properties
    assert (found["bootstrap.servers"], found["linger.ms"], found["acks"]) == ("a:1", "7", "1")
    assert found["enable.idempotence"] == "false"
    assert not {"transactional.id", "partitioner"} & found.keys()


def test_a_section_is_laid_over_broker_and_not_over_producer(read: Read) -> None:
    got = announcements(read(BROKER + "[producer]\nlinger.ms = 7\n[heartbeat]\ncompression.type = lz4\n"), "heartbeat")
    found = got.client.properties
    assert (found["sasl.username"], found["compression.type"], "linger.ms" in found) == ("me", "lz4", False)


def test_a_section_that_names_brokers_stands_alone(read: Read) -> None:
    found = announcements(read(BROKER + "[heartbeat]\nbootstrap.servers = b:2\n"), "heartbeat").client.properties
    assert (found["bootstrap.servers"], "sasl.username" in found) == ("b:2", False)


def test_brokers_in_default_are_not_those_of_the_section(read: Read) -> None:
    got = announcements(
        read("[DEFAULT]\nbootstrap.servers = a:1\n[broker]\nsasl.username = me\n[log]\nlinger.ms = 1\n"), "log"
    )
    assert got.client.properties["sasl.username"] == "me"


def test_what_is_ours_is_no_property_of_the_client(read: Read) -> None:
    text = BROKER + "[log]\nprefer.separate.producer = True\nmax.logs.per.message = 1000.0\nlog.level = 10\n"
    got = announcements(read(text), "log")
    assert (got.separate, got.most, got.level, got.unknown) == (True, 1000, logging.DEBUG, ())
    assert not {"prefer.separate.producer", "max.logs.per.message", "log.level"} & got.client.properties.keys()


def test_a_level_can_be_named(read: Read) -> None:
    assert announcements(read(BROKER + "[log]\nlog.level = warning\n"), "log").level == logging.WARNING
    assert announcements(read(BROKER), "log").level == logging.INFO


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("log.level = loud", "log.level = 'loud' in .log. cannot be used; write debug, info"),
        (
            "max.logs.per.message = 0",
            "max.logs.per.message = '0' in .log. cannot be used; write a whole number above zero",
        ),
        ("max.logs.per.message = many", "max.logs.per.message = 'many' in .log. cannot be used"),
        (
            "prefer.separate.producer = maybe",
            "prefer.separate.producer = 'maybe' in .log. cannot be used; write true or",
        ),
        ("linger.ms = soon", "linger.ms = 'soon' .* is not a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(read: Read, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        announcements(read(BROKER + f"[log]\n{line}\n"), "log")


def test_a_variable_of_a_section_that_is_not_used_may_be_missing(read: Read) -> None:
    settings = read(BROKER + "[heartbeat]\nsasl.password = $NOT_SET_HERE\n")
    assert settings.secrets == frozenset()
    with pytest.raises(ConfigError, match="NOT_SET_HERE"):
        announcements(settings, "heartbeat")


def test_a_property_that_is_in_no_list_is_told(read: Read) -> None:
    (unknown,) = announcements(read(BROKER + "[heartbeat]\nlinger = 5\n"), "heartbeat").unknown
    assert str(unknown.error).endswith("linger in [heartbeat] is no property of Kafka clients; did you mean linger.ms")


def test_the_secrets_of_all_sections_are_known(read: Read) -> None:
    settings = read(BROKER + "sasl.password = $PW\n[s3]\nsecret_key_id = abc\n", PW="hush")
    assert settings.secrets == {"hush", "abc"}


@pytest.mark.parametrize("name", ["heartbeat", "log"])
def test_the_packaged_configurations_for_one_purpose_can_be_used(name: str) -> None:
    settings = load(f"local_broker_test_{name}s", environ={"LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS": "a:1"})
    found = announcements(settings, name).client.properties
    assert (found["bootstrap.servers"], found["linger.ms"], found["compression.type"]) == ("a:1", "100", "lz4")
