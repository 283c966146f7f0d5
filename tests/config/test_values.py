"""Values stay text, $ENV values are found or named, and text that is not INI is refused with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.config import Settings, load
from openmsistream.errors import ConfigError

Load = Callable[..., Settings]


@pytest.mark.parametrize(
    "text",
    ["0123456", "p%w", "%(x)s", "1e5", "nan", "infinity", "True", "pre$PW", "a=b", "a:b", "a # b", "a ; b", '"q"', "ü"],
)
def test_a_password_stays_as_it_is_written(read: Load, text: str) -> None:
    assert read(f"[producer]\nsasl.password = {text}\n", PW="no").producer.properties["sasl.password"] == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1).filter(lambda t: not t.startswith("$")))
def test_any_word_survives_as_a_value(read: Load, text: str) -> None:
    assert read(f"[consumer]\nsasl.password = {text}\n").consumer.properties["sasl.password"] == text


def test_keys_are_in_lower_case(read: Load) -> None:
    assert read("[producer]\nSASL.Username = Me\n").producer.properties["sasl.username"] == "Me"


def test_a_value_may_go_on_over_indented_lines(read: Load) -> None:
    got = read("[producer]\nssl.ca.pem = one\n  two\n").producer.properties["ssl.ca.pem"]
    assert got == "one\ntwo"


def test_a_value_that_begins_with_a_dollar_comes_from_the_environment(read: Load) -> None:
    got = read("[producer]\nsasl.password = $PW\n", PW="0%x $HOME")
    assert got.producer.properties["sasl.password"] == "0%x $HOME"


def test_braces_around_the_variable_are_understood(read: Load) -> None:
    assert read("[broker]\nbootstrap.servers = ${HOST}:9092\n", HOST="lab").admin.properties == {
        "bootstrap.servers": "lab:9092"
    }


def test_later_variables_that_are_not_set_stay_as_they_are_written(read: Load) -> None:
    assert read("[producer]\nclient.id = $A-x$B\n", A="1").producer.properties["client.id"] == "1-x$B"


def test_an_empty_variable_is_set(read: Load) -> None:
    assert read("[producer]\nclient.id = $A\n", A="").producer.properties["client.id"] == ""


def test_a_variable_that_is_not_set_is_named_with_its_place(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read("[producer]\nsasl.password = $UNSET\n")
    assert caught.value.what == (
        f"{tmp_path / 'mine.config'}, line 4, [producer] sasl.password: the environment variable UNSET is not set"
    )
    assert caught.value.advice == "set UNSET before the program is started"


def test_a_password_that_begins_with_a_dollar_is_told_the_way_and_not_shown(read: Load) -> None:
    with pytest.raises(ConfigError, match="names no environment variable") as caught:
        read("[producer]\nsasl.password = $%hush\n")
    assert "hush" not in str(caught.value)


def test_a_section_for_one_purpose_is_expanded_when_it_is_needed(read: Load) -> None:
    got = read("[s3]\nregion = $REGION\n")
    with pytest.raises(ConfigError, match="REGION is not set"):
        got.section("s3")
    assert read("[s3]\nregion = $REGION\n", REGION="eu").section("s3") == {"region": "eu"}
    assert got.section("heartbeat") == {}


def test_default_is_part_of_every_section(read: Load) -> None:
    got = read("[DEFAULT]\nclient.id = lab\n[broker]\nbootstrap.servers = a:1\n[consumer]\nclient.id = mine\n[s3]\n")
    assert got.producer.entries["client.id"].value == "lab"
    assert got.producer.entries["client.id"].origin == "file [DEFAULT]"
    assert got.consumer.properties["client.id"] == "mine"
    assert got.section("s3") == {"client.id": "lab"}


def test_unknown_sections_are_ignored(read: Load) -> None:
    got = read("[server]\nauthorizer.class.name = x\n")
    assert got.warnings == ()
    assert "authorizer.class.name" not in got.admin.properties


@pytest.mark.parametrize(
    ("name", "meant"),
    [("producers", "producer"), ("Consumer", "consumer"), ("BROKER", "broker"), ("heart_beat", "heartbeat")],
)
def test_a_misspelt_section_is_told(read: Load, name: str, meant: str) -> None:
    (warning,) = read(f"[{name}]\nlinger.ms = 1\n").warnings
    assert f"[{name}]" in warning
    assert warning.endswith(f"did you mean [{meant}]")


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ("bootstrap.servers = x\n", "line 1: this stands before the first section", "begin the file with a section"),
        ("[broker]\na = 1\nhush\n", "line 3: neither a section nor key = value", "correct that line"),
        ("[broker]\na = hush\nA = 2\n", "line 3: 'a' is set twice in [broker]", "keep one of the two"),
        ("[broker]\n[broker]\n", "line 2: a second section [broker]", "into one section"),
    ],
)
def test_what_is_not_ini_is_refused_with_its_line(tmp_path: Path, text: str, line: str, advice: str) -> None:
    path = tmp_path / "mine.config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert caught.value.what == f"{path}, {line}"
    assert advice in caught.value.advice
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__  # or a traceback would show the line


def test_a_byte_order_mark_is_no_part_of_the_first_section(tmp_path: Path) -> None:
    path = tmp_path / "mine.config"
    path.write_bytes(b"\xef\xbb\xbf[broker]\r\nbootstrap.servers = a:1\r\n")
    assert load(path, environ={}).admin.properties == {"bootstrap.servers": "a:1"}


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.config"
    path.write_bytes(b"[broker]\nbootstrap.servers = a:1\nsasl.username = \xe4\n")
    with pytest.raises(ConfigError, match=r"line 3: not UTF-8 text; save the file as UTF-8"):
        load(path, environ={})


@pytest.mark.parametrize("name", ["kafkacrypto", "KafkaCrypto", "kafka_crypto", "kafkacrypt", " kafkacrypto "])
def test_encryption_is_refused_and_never_left_out(read: Load, name: str) -> None:
    with pytest.raises(ConfigError, match="asks for encryption") as caught:
        read(f"[{name}]\nnode_id = n\n")
    assert f"[{name}]" in caught.value.what


def test_a_file_that_names_no_broker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.config"
    path.write_text("[producer]\nlinger.ms = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="names no broker") as caught:
        load(path, environ={})
    assert caught.value.advice == "write bootstrap.servers = HOST:PORT in its [broker] section"
