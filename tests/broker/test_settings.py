"""What Kafka is told, which port it takes, and what its log says: no broker needed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsistream.broker import ports
from openmsistream.broker.lock import exclusive
from openmsistream.broker.logs import LogReader, follow, last_lines, reason
from openmsistream.broker.properties import advertised_address, local_address, server_properties
from openmsistream.broker.settings import BrokerSettings
from openmsistream.errors import BrokerProcessError, UsageError

SETTINGS = BrokerSettings(Path("b"))


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def told(settings: BrokerSettings) -> dict[str, str]:
    lines = server_properties(settings, 9092, 9093, "lab-pc").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_only_this_machine_can_reach_it_unless_told_otherwise() -> None:
    assert told(SETTINGS)["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"


def test_the_controller_stays_on_loopback_when_the_broker_is_public() -> None:
    public = told(replace(SETTINGS, host="0.0.0.0"))
    assert public["listeners"] == "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093"


def test_all_interfaces_are_advertised_by_the_name_of_the_machine() -> None:
    public = replace(SETTINGS, host="0.0.0.0")
    assert advertised_address(public, 9092, "lab-pc") == "lab-pc:9092"
    assert local_address(public, 9092) == "127.0.0.1:9092"


def test_an_advertised_address_is_passed_on() -> None:
    assert told(replace(SETTINGS, advertised="gw:19092"))["advertised.listeners"] == "PLAINTEXT://gw:19092"


def test_ipv6_addresses_get_brackets() -> None:
    assert "PLAINTEXT://[::1]:9092," in told(replace(SETTINGS, host="::1"))["listeners"]


def test_retention_is_passed_on_in_kafkas_units() -> None:
    properties = told(replace(SETTINGS, retention_hours=3, retention_gb=0.5))
    assert (properties["log.retention.hours"], properties["log.retention.bytes"]) == ("3", "500000000")


@pytest.mark.parametrize("address", ["gateway", "gateway:", ":9092", "gateway:0", "gateway:70000", "gateway:x"])
def test_an_advertised_address_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        BrokerSettings(Path("b"), advertised=address)


def test_too_little_heap_is_refused() -> None:
    with pytest.raises(UsageError, match="128 MB or more"):
        BrokerSettings(Path("b"), heap_mb=64)


def test_a_free_port_is_taken_when_the_usual_one_is_not_free(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "USUAL_PORT", taken)
    assert ports.choose(SETTINGS, last=None) in ports.UNUSED_RANGE


def test_the_port_of_the_last_start_comes_first() -> None:
    last = ports.unused("127.0.0.1")
    assert ports.choose(SETTINGS, last) == last


def test_the_port_of_the_last_start_is_given_up_when_it_is_taken(taken: int) -> None:
    assert ports.choose(replace(SETTINGS, port=0), last=taken) != taken


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(BrokerProcessError, match=f"port {taken} on 127.0.0.1 is taken by"):
        ports.choose(replace(SETTINGS, port=taken), last=None)


def test_a_second_holder_of_the_lock_is_told_what_to_look_for(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "lock", timeout=1),
        pytest.raises(BrokerProcessError, match="another program has been busy with the broker"),
        exclusive(tmp_path / "lock", timeout=0),
    ):
        raise AssertionError


def test_a_lock_is_free_again_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path / "lock", timeout=0):
            pass


def test_the_log_is_read_from_an_offset_in_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("old\nnew\nha")
    reader = LogReader(log, 4)
    assert reader.new_lines() == ["new"]
    with log.open("a") as file:
        file.write("lf\n")
    assert reader.new_lines() == ["half"]


def test_a_log_that_rolled_over_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("long long line\n")
    reader = LogReader(log)
    reader.new_lines()
    log.write_text("short\n")
    assert reader.new_lines() == ["short"]


def test_last_lines_of_no_log_are_none(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "no.log", 5) == []


def test_following_ends_when_told_and_misses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("old\n")
    answers = iter([True, False])

    def write_more(_seconds: float) -> None:
        with log.open("a") as file:
            file.write("new\n")

    assert list(follow(log, lambda: next(answers), sleep=write_more)) == ["new"]


def test_the_reason_is_the_last_error_of_the_log() -> None:
    lines = [
        "2026-01-01T00:00:00.000Z INFO a: fine",
        "2026-01-01T00:00:00.000Z ERROR b: Exiting Kafka",
        "java.io.IOException: No space left on device",
        "\tat java.base/x",
    ]
    assert reason(lines, ["noise"]) == "Exiting Kafka - java.io.IOException: No space left on device"


def test_the_reason_is_what_java_printed_when_the_log_is_silent() -> None:
    assert reason([], ["Unrecognized option: -Xno", ""]) == "Unrecognized option: -Xno"
