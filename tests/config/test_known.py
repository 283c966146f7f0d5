"""Names of properties: those that are known, those that are misspelt, and those that other clients use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openmsistream.config import Settings
from openmsistream.config.known import known, meant_by, same_as
from openmsistream.config.rules import CONSUMER_DEFAULTS, CONSUMER_OURS, PRODUCER_DEFAULTS, PRODUCER_OURS
from openmsistream.config.show import as_dict, as_lines

Load = Callable[..., Settings]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("boostrap.servers", "bootstrap.servers"),
        ("bootstrap_servers", "bootstrap.servers"),
        ("sasl.pasword", "sasl.password"),
        ("linger.mss", "linger.ms"),
        ("security_protocol", "security.protocol"),
        ("ssl.truststore.location", "ssl.ca.location"),
        ("sasl_plain_password", "sasl.password"),
        ("max.request.size", "message.max.bytes"),
        ("valu.serializer", "value.serializer"),
        ("sasl.jaas.config", "sasl.username and sasl.password"),
        ("colour", ""),
    ],
)
def test_what_a_name_was_meant_to_be(written: str, meant: str) -> None:
    assert meant_by(written) == meant


def test_every_property_that_we_set_is_known() -> None:
    assert {*PRODUCER_DEFAULTS, *PRODUCER_OURS, *CONSUMER_DEFAULTS, *CONSUMER_OURS} <= known().keys()


def test_other_names_of_a_property_are_found_in_both_directions() -> None:
    assert "linger.ms" in same_as("queue.buffering.max.ms")
    assert "queue.buffering.max.ms" in same_as("linger.ms")
    assert "linger.ms" not in same_as("linger.ms")


def test_an_unknown_name_is_told_with_its_line_and_what_was_meant(read: Load) -> None:
    (unknown,) = read("[producer]\n; a remark = 1\nlinger.mss = 5\n").unknown
    assert unknown.name == "linger.mss"
    assert "mine.config, line 5: linger.mss in [producer] is no property of Kafka clients" in unknown.error.what
    assert unknown.error.advice == "did you mean linger.ms"


def test_a_name_that_is_near_to_none_is_told_without_a_guess(read: Load) -> None:
    (unknown,) = read("[producer]\ncolour = red\n").unknown
    assert unknown.error.advice == "correct its name, or take the line out"


def test_names_in_sections_that_are_not_of_clients_are_theirs(read: Load) -> None:
    assert read("[s3]\nbucket = b\n[anything]\nlinger.mss = 5\n").unknown == ()


def test_showing_a_configuration_tells_of_names_that_nobody_knows(read: Load) -> None:
    settings = read("[producer]\nlinger.mss = 5\n")
    assert any(line.startswith("unknown ") and line.endswith("did you mean linger.ms") for line in as_lines(settings))
    assert as_dict(settings)["unknown"] == [str(settings.unknown[0].error)]
