"""What producers, consumers and the admin client are made with, and what a file cannot change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openmsistream.config import Settings, Wire
from openmsistream.errors import ConfigError

Load = Callable[..., Settings]


def test_defaults_are_safe_and_bounded(read: Load) -> None:
    got = read("")
    assert got.producer.properties == {
        "bootstrap.servers": "lab:9092",
        "enable.idempotence": "true",
        "acks": "all",
        "message.timeout.ms": "0",
        "partitioner": "murmur2_random",
        "linger.ms": "5",
        "batch.size": "1000000",
        "max.in.flight.requests.per.connection": "5",
        "queue.buffering.max.kbytes": "65536",
        "queue.buffering.max.messages": "100000",
    }
    assert got.consumer.properties == {
        "bootstrap.servers": "lab:9092",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": "16384",
        "queued.min.messages": "2000",
        "fetch.queue.backoff.ms": "10",
        "session.timeout.ms": "10000",
        "fetch.wait.max.ms": "100",
    }
    assert got.warnings == ()


def test_broker_comes_first_and_the_client_section_over_it(read: Load) -> None:
    got = read("[broker]\nbootstrap.servers = a:1\nclient.id = all\n[producer]\nclient.id = mine\n")
    assert got.producer.properties["client.id"] == "mine"
    assert got.consumer.properties["client.id"] == "all"
    assert got.admin.properties == {"bootstrap.servers": "a:1", "client.id": "all"}


def test_each_value_knows_its_origin(read: Load) -> None:
    entries = read(
        "[broker]\nbootstrap.servers = $B\nmetadata.max.age.ms = 1\n[producer]\nlinger.ms = 9\n", B="a:1"
    ).producer.entries
    assert entries["bootstrap.servers"].origin == "file [broker] $B"
    assert entries["metadata.max.age.ms"].origin == "file [broker]"
    assert entries["linger.ms"].origin == "file [producer]"
    assert entries["batch.size"].origin == "default"
    assert entries["partitioner"].origin == "ours"


def test_everything_else_is_the_users(read: Load) -> None:
    oauth = (
        "sasl.mechanisms = OAUTHBEARER\nsasl.oauthbearer.method = oidc\nssl.key.password = /k\nfetch.min.bytes = 7\n"
    )
    properties = read(f"[consumer]\n{oauth}group.instance.id = one\n").consumer.properties
    expected = {
        "sasl.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "ssl.key.password": "/k",
        "fetch.min.bytes": "7",
        "group.instance.id": "one",
    }
    assert expected.items() <= properties.items()


def test_names_of_ours_do_not_reach_librdkafka(read: Load) -> None:
    got = read(
        "[broker]\nbootstrap.servers = a:1\nnode_id = n\n[producer]\nkey.serializer = StringSerializer\n"
        "value.serializer = DataFileChunkSerializer\n"
        "[consumer]\ngroup.id = g\nkey.deserializer = StringDeserializer\nvalue.deserializer = X\n"
    )
    for client in (got.producer, got.consumer, got.admin):
        assert not {key for key in client.properties if "serializer" in key or key in ("node_id", "group.id")}


@pytest.mark.parametrize(
    ("section", "key", "value", "kept"),
    [
        ("producer", "message.timeout.ms", "300000", "0"),
        ("producer", "delivery.timeout.ms", "300000", "0"),
        ("producer", "partitioner", "consistent_random", "murmur2_random"),
        ("consumer", "enable.auto.commit", "True", "false"),
        ("consumer", "auto.commit.enable", "true", "false"),
        ("consumer", "enable.auto.offset.store", "true", "false"),
        ("consumer", "isolation.level", "read_uncommitted", "read_committed"),
    ],
)
def test_what_files_depend_on_is_ours_with_a_warning_that_says_why(
    read: Load, section: str, key: str, value: str, kept: str
) -> None:
    got = read(f"[{section}]\n{key} = {value}\n")
    client = got.producer if section == "producer" else got.consumer
    (warning,) = got.warnings
    usual = warning.split(" = ")[0]
    assert client.properties[usual] == kept
    assert client.entries[usual].origin.startswith(f"ours, {value} of file [{section}]")
    assert f"= {value} (file [{section}]" in warning
    assert "is ignored: " in warning
    assert key == usual or key not in client.properties


def test_the_same_value_as_ours_is_no_reason_to_warn(read: Load) -> None:
    got = read(
        "[producer]\nmessage.timeout.ms = 0\n[consumer]\nenable.auto.commit = False\nisolation.level = READ_COMMITTED\n"
    )
    assert got.warnings == ()
    assert got.consumer.properties["enable.auto.commit"] == "false"
    assert got.producer.properties["message.timeout.ms"] == "0"


@pytest.mark.parametrize("section", ["broker", "producer"])
@pytest.mark.parametrize("key", ["acks", "request.required.acks"])
@pytest.mark.parametrize("value", ["0", "1", "2"])
def test_acks_below_all_switch_idempotence_off_with_a_warning(read: Load, section: str, key: str, value: str) -> None:
    broker = "[broker]\nbootstrap.servers = a:1\n" + ("[producer]\n" if section == "producer" else "")
    got = read(f"{broker}{key} = {value}\nenable.idempotence = true\n")
    assert got.producer.properties["acks"] == value
    assert got.producer.properties["enable.idempotence"] == "false"
    assert got.producer.entries["enable.idempotence"].origin == "ours, because of acks"
    (warning,) = got.warnings
    assert f"switched off by acks = {value} (file [{section}]" in warning
    assert "a chunk can be lost" in warning


@pytest.mark.parametrize("value", ["all", "ALL", "-1"])
def test_acks_of_all_keep_idempotence(read: Load, value: str) -> None:
    got = read(f"[producer]\nacks = {value}\n")
    assert got.producer.properties["enable.idempotence"] == "true"
    assert got.warnings == ()


@pytest.mark.parametrize(
    "line", ["max.in.flight = 10", "retries = 0", "message.send.max.retries = 0", "queuing.strategy = lifo"]
)
def test_a_file_that_worked_without_idempotence_goes_on_working(read: Load, line: str) -> None:
    got = read(f"[producer]\n{line}\n")
    assert got.producer.properties["enable.idempotence"] == "false"
    assert "a chunk can be stored twice" in got.warnings[0]


def test_idempotence_that_is_asked_for_is_not_switched_off_by_less_than_acks(read: Load) -> None:
    got = read("[producer]\nmax.in.flight = 10\nenable.idempotence = true\n")
    assert got.producer.properties["enable.idempotence"] == "true"
    assert got.warnings == ()


def test_idempotence_that_is_switched_off_stays_off(read: Load) -> None:
    got = read("[producer]\nenable.idempotence = False\nacks = 1\n")
    assert got.producer.properties["enable.idempotence"] == "False"


def test_a_property_of_one_role_in_broker_reaches_that_role_only(read: Load) -> None:
    got = read("[broker]\nbootstrap.servers = a:1\nacks = all\nfetch.wait.max.ms = 7\n")
    assert "fetch.wait.max.ms" not in got.producer.properties
    assert "acks" not in got.consumer.properties
    assert got.admin.properties == {"bootstrap.servers": "a:1"}


def test_topics_are_asked_for_with_the_access_of_a_client_when_broker_has_only_the_address(read: Load) -> None:
    got = read("[broker]\nbootstrap.servers = a:1\n[consumer]\nsecurity.protocol = SSL\nssl.ca.pem = x\nacks = 1\n")
    assert got.admin.properties == {"bootstrap.servers": "a:1", "security.protocol": "SSL", "ssl.ca.pem": "x"}


@pytest.mark.parametrize(("text", "number"), [("2000000", "2000000"), ("2000000.0", "2000000"), ("2e6", "2000000")])
def test_a_size_that_we_calculate_with_becomes_digits(read: Load, text: str, number: str) -> None:
    assert read(f"[producer]\nbatch.size = {text}\n").producer.properties["batch.size"] == number


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("big", "is not a number"), ("nan", "is not a number"), ("inf", "is not a number"), ("", "is not a number"),
        ("10 s", "is not a number"), ("-1", "is not a number of bytes"), ("1.5", "is not a whole number"),
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_refused_with_its_line(read: Load, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[producer]\nmessage.max.bytes = {text}\n")
    assert f", line 4: message.max.bytes = {text!r} (file [producer]) {why}" in caught.value.what
    assert caught.value.advice.startswith("write it in digits, such as message.max.bytes = 1")


def test_any_whole_number_becomes_digits_since_the_client_would_take_its_first_ones(read: Load) -> None:
    got = read("[consumer]\nsession.timeout.ms = 6e3\nfetch.min.bytes = 0x10\n").consumer.properties
    assert got["session.timeout.ms"] == "6000"
    assert got["fetch.min.bytes"] == "16"


def test_parts_of_a_millisecond_are_a_number_where_the_client_takes_them(read: Load) -> None:
    assert read("[producer]\nlinger.ms = 0.5\n").producer.properties["linger.ms"] == "0.5"


def test_a_switch_that_is_neither_on_nor_off_is_refused(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"socket.keepalive.enable = 'maybe' .* is neither true nor false"):
        read("[producer]\nsocket.keepalive.enable = maybe\n")


def test_a_certificate_that_is_not_there_is_named_with_its_line(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"line 4: ssl.ca.location = /nowhere .* there is no such file"):
        _ = read("[producer]\nssl.ca.location = /nowhere\n").producer.properties


def test_no_reset_is_an_error_as_it_says(read: Load) -> None:
    assert read("[consumer]\nauto.offset.reset = none\n").consumer.properties["auto.offset.reset"] == "error"


@pytest.mark.parametrize("line", ["", "group.id =", "group.id = create_new", "group.id = Create_New"])
def test_no_group_or_a_new_one_is_none(read: Load, line: str) -> None:
    assert read(f"[consumer]\n{line}\n").group_id is None


def test_a_group_that_is_named_is_kept(read: Load) -> None:
    assert read("[consumer]\ngroup.id = UCSB\n").group_id == "UCSB"


@pytest.mark.parametrize(
    ("line", "wire"),
    [
        ("", Wire.NATIVE),
        ("value.serializer = native", Wire.NATIVE),
        ("value.serializer = DataFileChunkSerializer", Wire.OPENMSISTREAM),
        ("value.serializer = StringSerializer", Wire.NATIVE),
    ],
)
def test_the_serializer_chooses_the_wire(read: Load, line: str, wire: Wire) -> None:
    assert read(f"[producer]\n{line}\n").wire is wire


def test_a_serializer_that_nobody_knows_is_refused(read: Load) -> None:
    with pytest.raises(ConfigError, match="'DataFileChunkSerialiser' is not known") as caught:
        read("[producer]\nvalue.serializer = DataFileChunkSerialiser\n")
    assert caught.value.advice == "did you mean DataFileChunkSerializer"


def test_a_broker_that_only_one_client_knows_serves_that_client_and_the_admin(read: Load) -> None:
    got = read("[broker]\n[producer]\nbootstrap.servers = a:1\nsasl.username = me\nretry.backoff.ms = 9\n")
    assert got.admin.properties == {"bootstrap.servers": "a:1", "sasl.username": "me"}
    with pytest.raises(ConfigError, match="names no broker for the consumer"):
        _ = got.consumer.properties


def test_another_name_of_the_broker_list_is_understood(read: Load) -> None:
    assert read("[broker]\nmetadata.broker.list = a:1\n").consumer.properties["bootstrap.servers"] == "a:1"


def test_our_session_timeout_is_not_in_the_way_of_the_new_protocol_of_groups(read: Load) -> None:
    got = read("[consumer]\ngroup.protocol = consumer\n").consumer.properties
    assert "session.timeout.ms" not in got
    assert got["group.protocol"] == "consumer"
