"""The configurations that come with openmsistream: all can be read, and `local` finds the broker of this machine."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from openmsistream.config import Settings, Wire, load
from openmsistream.config.lookup import PACKAGED
from openmsistream.errors import ConfigError

KINDS = (
    "test",
    "test_encrypted",
    "test_encrypted_2",
    "test_heartbeats",
    "test_heartbeats_enc",
    "test_heartbeats_enc_2",
    "test_logs",
    "test_logs_enc",
    "test_logs_enc_2",
    "test_s3_transfer",
    "test_metadata_rep_consumer",
)
NAMES = ("local", "prod", *KINDS, *(f"local_broker_{name}" for name in KINDS))
CLUSTERS = {
    f"KAFKA_{cluster}_CLUSTER_{what}": what.lower()
    for cluster in ("TEST", "PROD")
    for what in ("BOOTSTRAP_SERVERS", "USERNAME", "PASSWORD")
} | {"LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS": "near:1", "OPENMSISTREAM_LOCAL_BROKER": "here:1"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def local(state: Path, **environ: str) -> Settings:
    return load("local", environ={"OPENMSISTREAM_STATE_DIR": str(state), **environ})


def test_the_names_are_those_that_people_use() -> None:
    assert {path.stem for path in PACKAGED.glob("*.config")} == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if "_enc" not in name])
def test_each_can_be_loaded_without_a_warning(name: str) -> None:
    assert load(name, environ=CLUSTERS).warnings == ()


@pytest.mark.parametrize("name", [name for name in NAMES if "_enc" in name])
def test_those_with_encryption_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="asks for encryption"):
        load(name, environ=CLUSTERS)


@pytest.mark.parametrize("name", [name for name in NAMES if "_enc" not in name])
def test_librdkafka_takes_what_each_comes_to(name: str) -> None:
    got = load(name, environ=CLUSTERS)
    quiet = {"log_level": "0", "logger": logging.getLogger("nobody")}
    Producer({**got.producer.properties, **quiet})
    Consumer({**got.consumer.properties, **quiet, "group.id": "g"}).close()
    AdminClient({**got.admin.properties, **quiet})


def test_those_for_existing_deployments_speak_their_wire() -> None:
    assert load("test", environ=CLUSTERS).wire is Wire.OPENMSISTREAM
    assert load("prod", environ=CLUSTERS).wire is Wire.OPENMSISTREAM


def test_local_finds_the_running_broker_by_its_note(tmp_path: Path) -> None:
    note = tmp_path / "broker" / "address"
    note.parent.mkdir()
    note.write_text("127.0.0.1:40123\n", encoding="utf-8")
    got = local(tmp_path)
    for client in (got.producer, got.consumer, got.admin):
        assert client.properties["bootstrap.servers"] == "127.0.0.1:40123"
    assert got.wire is Wire.NATIVE
    assert got.producer.properties["linger.ms"] == "1"


def test_local_prefers_the_environment_to_the_note(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "address").write_text("127.0.0.1:1", encoding="utf-8")
    got = local(tmp_path, OPENMSISTREAM_LOCAL_BROKER="127.0.0.1:2")
    assert got.admin.properties["bootstrap.servers"] == "127.0.0.1:2"


@pytest.mark.parametrize("note", [None, b"", b"\n", b"\xff"])
def test_local_without_a_broker_says_how_to_start_it(tmp_path: Path, note: bytes | None) -> None:
    if note is not None:
        (tmp_path / "broker").mkdir()
        (tmp_path / "broker" / "address").write_bytes(note)
    with pytest.raises(ConfigError) as caught:
        local(tmp_path)
    assert caught.value.what == "no broker of this machine is running"
    assert caught.value.advice == "start it with: openmsistream broker start"
