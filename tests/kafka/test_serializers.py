"""What keys and values become, by the serializers that a configuration names, and what does not fit to these."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from openmsistream.config import Settings, load
from openmsistream.errors import ConfigError
from openmsistream.kafka.serializers import SerializationError, deserializers, serializers

PACKAGED = {"LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS": "h:1"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.config"


def configured(file: Path, producer: str = "", consumer: str = "", broker: str = "") -> Settings:
    file.write_text(
        f"[broker]\nbootstrap.servers = h:1\n{broker}\n[producer]\n{producer}\n[consumer]\n{consumer}\n", "utf-8"
    )
    return load(file)


@pytest.mark.parametrize("name", ["", "value.serializer = DataFileChunkSerializer", "value.serializer = native"])
def test_without_a_serializer_or_with_that_of_chunks_text_goes_out_as_utf_8_and_bytes_as_they_are(
    file: Path, name: str
) -> None:
    value = serializers(configured(file, name)).value
    assert [value(given) for given in ("Å {}", b"\x00\xff", bytearray(b"a"), memoryview(b"b"), "", b"", None)] == [
        b"\xc3\x85 {}", b"\x00\xff", b"a", b"b", b"", b"", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "sent"),
    [
        ("StringSerializer", "{\"a\": \"Å\"}", b'{"a": "\xc3\x85"}'),
        ("IntegerSerializer", -2, struct.pack(">i", -2)),
        ("DoubleSerializer", 1.5, struct.pack(">d", 1.5)),
        ("DoubleSerializer", 3, struct.pack(">d", 3.0)),
    ],
)  # fmt: skip
def test_a_serializer_that_is_named_is_used_and_read_back_by_its_twin(
    file: Path, name: str, given: object, sent: bytes
) -> None:
    twin = name.replace("Ser", "Deser")
    settings = configured(file, f"key.serializer = {name}", f"key.deserializer = {twin}")
    made = serializers(settings)
    assert made.key(given) == sent
    assert made.key(None) is None
    assert deserializers(settings).key(sent) == given
    assert deserializers(settings).key(None) is None
    assert made.value("others are not concerned") == b"others are not concerned"


def test_a_serializer_may_stand_in_the_section_that_is_for_all_clients(file: Path) -> None:
    assert serializers(configured(file, broker="value.serializer = IntegerSerializer")).value(1) == b"\0\0\0\1"


def test_the_packaged_configuration_for_reading_metadata_gives_text() -> None:
    settings = load("local_broker_test_metadata_rep_consumer", environ=PACKAGED)
    read = deserializers(settings)
    assert (read.key(b"k"), read.value('{"Å": 1}'.encode())) == ("k", '{"Å": 1}')


def test_without_a_deserializer_or_with_that_of_chunks_bytes_stay_bytes(file: Path) -> None:
    read = deserializers(configured(file, consumer="key.deserializer = DataFileChunkDeserializer"))
    assert (read.key(b"\xff"), read.value(b"\xff")) == (b"\xff", b"\xff")


@pytest.mark.parametrize(
    ("name", "given", "takes"),
    [
        ("StringSerializer", b"b", "text"),
        ("StringSerializer", "\udc80", "text"),
        ("IntegerSerializer", "1", "a whole number of 32 bits"),
        ("IntegerSerializer", 1.5, "a whole number of 32 bits"),
        ("IntegerSerializer", 1 << 31, "a whole number of 32 bits"),
        ("DoubleSerializer", "1.5", "a number"),
        pytest.param("DoubleSerializer", 10**400, "a number", id="huge"),
        ("DataFileChunkSerializer", {"a": 1}, "text or bytes"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_the_setting_and_the_value(
    file: Path, name: str, given: object, takes: str
) -> None:
    value = serializers(configured(file, f"value.serializer = {name}")).value
    with pytest.raises(SerializationError) as caught:
        value(given)
    assert caught.value.what.startswith("the value ")
    assert type(given).__name__ in caught.value.what
    assert f"cannot be sent with value.serializer = {name} ({file}): it takes {takes}" in caught.value.what
    assert caught.value.advice == f"give it as {takes}, or name another value.serializer in [producer]"
    assert not caught.value.retriable


def test_a_value_that_does_not_fit_where_no_serializer_is_named(file: Path) -> None:
    with pytest.raises(SerializationError) as caught:
        serializers(configured(file)).key(["a" * 1000])
    assert str(caught.value) == (
        f"the key ['{'a' * 58}... (list) cannot be sent without a key.serializer ({file}): it takes text or bytes; give it as "
        "text or bytes, or name another key.serializer in [producer]"
    )


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("String", b"\xff", "text in UTF-8"),
        ("Integer", b"1", "a whole number of 32 bits"),
        ("Double", b"", "a number of 64 bits"),
    ],
)
def test_bytes_that_are_something_else_are_told_with_the_setting(file: Path, name: str, data: bytes, form: str) -> None:
    read = deserializers(configured(file, consumer=f"value.deserializer = {name}Deserializer"))
    with pytest.raises(SerializationError) as caught:
        read.value(data)
    assert caught.value.what.startswith(
        f"the value {data!r} (bytes) is not {form}, as value.deserializer = {name}Deserializer ({file}) has it: "
    )
    assert caught.value.advice == "name the value.deserializer in [consumer] that fits to what is written"


def test_a_name_that_nobody_knows_is_refused_with_the_nearest(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        serializers(configured(file, "key.serializer = StringSerialiser"))
    assert str(caught.value) == f"{file}: key.serializer 'StringSerialiser' is not known; did you mean StringSerializer"
    with pytest.raises(
        ConfigError, match="leave it out, or write one of: StringDeserializer, IntegerDeserializer, Double"
    ):
        deserializers(configured(file, consumer="value.deserializer = zzz"))
