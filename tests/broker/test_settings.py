"""What Kafka is told, which port it takes, and what its log says: no broker needed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsistream.broker import ports
from openmsistream.broker.launch import gone
from openmsistream.broker.layout import Layout
from openmsistream.broker.lock import exclusive, is_locked
from openmsistream.broker.logs import LogReader, Trouble, follow, last_lines, reason, troubles
from openmsistream.broker.properties import advertised_address, local_address, server_properties
from openmsistream.broker.settings import BrokerSettings
from openmsistream.errors import BrokerProcessError, FolderError, UsageError

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


def test_a_second_listener_tells_its_own_address_to_whoever_comes_by_it() -> None:
    both = told(replace(SETTINGS, host="0.0.0.0", advertised="broker:9092", outside="localhost:9094"))
    assert both["listeners"] == "PLAINTEXT://0.0.0.0:9092,OUTSIDE://0.0.0.0:9094,CONTROLLER://127.0.0.1:9093"
    assert both["advertised.listeners"] == "PLAINTEXT://broker:9092,OUTSIDE://localhost:9094"
    assert both["inter.broker.listener.name"] == "PLAINTEXT"


def test_a_second_listener_makes_it_public() -> None:
    assert not SETTINGS.is_public
    assert replace(SETTINGS, outside="localhost:9094").is_public


def test_one_port_for_both_listeners_is_refused() -> None:
    with pytest.raises(UsageError, match="port 9092 is asked for twice: with --port and with --outside localhost:9092"):
        replace(SETTINGS, port=9092, outside="localhost:9092")


@pytest.mark.parametrize(
    "asked", [{"advertised": "0.0.0.0:9092"}, {"outside": "0.0.0.0:9094"}, {"outside": "[::]:9094"}]
)
def test_every_interface_is_no_address_for_clients(asked: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"clients cannot be told '.*write the name by which they reach"):
        BrokerSettings(Path("b"), **asked)


def test_the_usual_port_is_left_to_the_second_listener_that_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    free = ports.unused("127.0.0.1")
    monkeypatch.setattr(ports, "USUAL_PORT", free)
    assert ports.choose(replace(SETTINGS, outside=f"localhost:{free}"), last=free) not in (free, None)


def test_a_second_listener_whose_port_is_taken_is_refused() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            BrokerProcessError, match=f"port {port} on all interfaces is taken by .*give --outside another"
        ):
            ports.choose(replace(SETTINGS, outside=f"localhost:{port}"), last=None)


def test_an_advertised_address_is_passed_on() -> None:
    assert told(replace(SETTINGS, advertised="gw:19092"))["advertised.listeners"] == "PLAINTEXT://gw:19092"


def test_ipv6_addresses_get_brackets() -> None:
    assert "PLAINTEXT://[::1]:9092," in told(replace(SETTINGS, host="::1"))["listeners"]


def test_retention_is_passed_on_in_kafkas_units() -> None:
    properties = told(replace(SETTINGS, retention_hours=3, retention_gb=0.5))
    assert (properties["log.retention.hours"], properties["log.retention.bytes"]) == ("3", "500000000")


@pytest.mark.parametrize("which", ["advertised", "outside"])
@pytest.mark.parametrize("address", ["gateway", "gateway:", ":9092", "gateway:0", "gateway:70000", "gateway:x"])
def test_an_address_for_clients_without_host_or_port_is_refused(address: str, which: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        BrokerSettings(Path("b"), **{which: address})


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


@pytest.mark.skipif(sys.platform == "win32", reason="told by Kafka itself there")
def test_a_lock_of_another_program_is_seen_whatever_its_process_number_is(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path)
    path.touch()
    assert not is_locked(path)
    hold = "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert is_locked(path)
        holder.communicate(b"\n")
    assert not is_locked(path)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_asked: False)
    with pytest.raises(
        FolderError, match=r"broker's folder .* cannot be used: Permission denied; choose another one with"
    ):
        Layout.of(tmp_path / "b").make()


def test_a_full_disk_is_told_however_kafka_came_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.of(tmp_path)
    assert str(gone("it ended", "why", layout)) == f"it ended: why; its log is {layout.log}"
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
    assert re.match(
        r"it ended: the disk of .* is full \(why\); make room .*--retention-gb", str(gone("it ended", "why", layout))
    )


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


def test_warnings_and_errors_are_told_with_the_exception_below_them() -> None:
    lines = [
        "2026-01-01T00:00:00.000Z INFO a: fine",
        "2026-01-01T00:00:00.000Z ERROR LogDirFailureChannel: Error while appending records",
        "java.io.IOException: No space left on device",
        "\tat java.base/x",
        "2026-01-01T00:00:00.000Z WARN b: Stopping",
        "2026-01-01T00:00:00.000Z INFO c: fine",
    ]
    assert troubles(lines) == [
        Trouble(
            "ERROR",
            "LogDirFailureChannel: Error while appending records - java.io.IOException: No space left on device",
        ),
        Trouble("WARN", "b: Stopping"),
    ]


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
