"""Secrets are used in clear and never shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.commands import config as command
from openmsistream.config import Settings, mask
from openmsistream.config.secret import HIDDEN, hidden
from openmsistream.config.show import as_dict, as_lines

Load = Callable[..., Settings]

SECRET_KEYS = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.jaas.config",
    "secret_key_id",
    "api_key",
    "API-Key",
    "auth.token",
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_is_told_by_its_key(key: str) -> None:
    assert mask(key, "hush") == HIDDEN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sasl.username", "me"),
        ("ssl.key.location", "/etc/key.pem"),
        ("sasl.oauthbearer.token.endpoint.url", "https://id.example.org/token"),
        ("key.serializer", "StringSerializer"),
        ("bootstrap.servers", "a:1,b:2"),
        ("sasl.password", ""),
    ],
)
def test_what_is_no_secret_is_shown(key: str, value: str) -> None:
    assert mask(key, value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:hu@sh/x@id.example.org/a", f"https://{HIDDEN}@id.example.org/a"),
        ("principal=me secret=hush", HIDDEN),
        ("-----BEGIN PRIVATE KEY-----\nhush", HIDDEN),
        ("https://example.org/?api_key=hush", HIDDEN),
    ],
)
def test_a_secret_is_told_by_its_value(value: str, shown: str) -> None:
    assert mask("anything", value) == shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    key=st.sampled_from(SECRET_KEYS),
    section=st.sampled_from(["broker", "producer", "consumer", "s3", "heartbeat", "mine"]),
    word=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("C", "Z")), max_size=20),
    from_environment=st.booleans(),
)
def test_a_secret_is_in_no_output(read: Load, key: str, section: str, word: str, from_environment: bool) -> None:
    secret = f"hush{word}"
    head = "" if section == "broker" else f"[{section}]\n"
    line = f"{key} = {'$SECRET' if from_environment else secret}\n"
    got = read(f"[broker]\nbootstrap.servers = a:1\n{head}{line}", SECRET=secret)
    text = json.dumps(as_dict(got), ensure_ascii=False) + "\n".join(as_lines(got))
    for shown in (repr(got), str(got), repr(got.producer), repr(got.consumer.entries), text, str(got.warnings)):
        assert "hush" not in shown
    if section == "producer":
        assert got.producer.properties[key.lower()] == secret


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    assert command.main(parser.parse_args(["config", "show", *words])) == 0
    return capsys.readouterr().out


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "mine.config"
    path.write_text(
        "[broker]\nbootstrap.servers = lab:9092\nsasl.password = hush\n[producer]\nacks = 1\nssl.ca.pem = one\n two\n"
        "[consumer]\ngroup.id = UCSB\n[s3]\nregion = eu\nsecret_key_id = hush\n",
        encoding="utf-8",
    )
    return str(path)


def test_show_prints_values_and_where_they_are_from(capsys: pytest.CaptureFixture[str], path: str) -> None:
    lines = [" ".join(line.split()) for line in shown(capsys, path).splitlines()]
    assert lines[:3] == [f"file {path}", "wire native", "group UCSB"]
    assert lines[3].startswith("warning idempotence is switched off by acks = 1")
    assert "acks 1 file [producer]" in lines
    assert "linger.ms 5 default" in lines
    assert f"sasl.password {HIDDEN} file [broker]" in lines
    assert "ssl.ca.pem one ... (1 more lines) file [producer]" in lines
    assert f"secret_key_id {HIDDEN}" in lines


def test_show_prints_json_for_programs(capsys: pytest.CaptureFixture[str], path: str) -> None:
    answer = json.loads(shown(capsys, path, "--json"))
    assert answer["path"] == path
    assert answer["group_id"] == "UCSB"
    assert answer["producer"]["acks"] == {"value": "1", "origin": "file [producer]"}
    assert answer["admin"]["sasl.password"]["value"] == HIDDEN
    assert answer["sections"] == {"s3": {"region": "eu", "secret_key_id": HIDDEN}}
    assert len(answer["warnings"]) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("with open-sesame inside", f"with {HIDDEN} inside"),
        ("password: x, user: y", f"password: {HIDDEN}, user: y"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": {HIDDEN}, "n": 1}}'),
        ("get https://me:x@h/a", f"get https://{HIDDEN}@h/a"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nbehind", f"{HIDDEN}\nbehind"),
        ("the topic short has 4 partitions", "the topic short has 4 partitions"),
        ("credentials refused: look at them", "credentials refused: look at them"),
    ],
)
def test_in_a_text_known_secrets_and_what_looks_like_one_are_hidden(text: str, shown: str) -> None:
    assert hidden(text, {"open-sesame", "short"}) == shown
