"""`openmsistream broker ...` as it is typed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from openmsistream.broker import RunningBroker
from openmsistream.broker.installation import jars_folder
from openmsistream.commands import broker as command
from openmsistream.errors import UsageError


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the broker of the person who runs it."""
    monkeypatch.setenv("OPENMSISTREAM_STATE_DIR", str(tmp_path))
    return tmp_path


def typed(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return command.main(parser.parse_args(["broker", *words]))


def test_status_without_a_broker_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("status") == 4
    assert "start it with: openmsistream broker start" in capsys.readouterr().out


def test_status_without_a_broker_is_json_when_asked(capsys: pytest.CaptureFixture[str], state_folder: Path) -> None:
    assert typed("status", "--json") == 4
    assert json.loads(capsys.readouterr().out) == {"running": False, "data_dir": str(state_folder / "broker")}


def test_status_json_of_a_running_one(broker: RunningBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("status", "--json", "--data-dir", str(broker.data_dir)) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["running"], facts["address"]) == (True, broker.address)


def test_start_where_one_runs_says_its_address(broker: RunningBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("start", "--data-dir", str(broker.data_dir)) == 0
    assert f"running already at {broker.address}" in capsys.readouterr().out


def test_stop_without_a_broker_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("stop") == 0
    assert "no broker was running" in capsys.readouterr().out


def test_logs_shows_the_end(broker: RunningBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("logs", "-n", "3", "--data-dir", str(broker.data_dir)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_logs_where_there_are_none_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("logs") == 0
    assert "was not started there yet" in capsys.readouterr().err


def test_reset_asks_and_deletes_nothing_when_nobody_answers(state_folder: Path) -> None:
    data = state_folder / "broker" / "data"
    data.mkdir(parents=True)
    with pytest.raises(UsageError, match="add --yes"):
        typed("reset")
    assert data.exists()


def test_reset_deletes_only_what_is_the_brokers(state_folder: Path) -> None:
    folder = state_folder / "broker"
    (folder / "data").mkdir(parents=True)
    (folder / "mine.txt").touch()
    assert typed("reset", "--yes") == 0
    assert not (folder / "data").exists()
    assert (folder / "mine.txt").exists()


def test_fetch_says_where_kafka_is_now(
    broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = jars_folder()
    assert broker.ready  # and so all is there
    monkeypatch.setenv("OPENMSISTREAM_KAFKA_DIR", str(there))
    assert typed("fetch") == 0
    assert capsys.readouterr().out == f"Apache Kafka {broker.version} is in {there}\n"


def test_both_addresses_are_asked_for_in_words() -> None:
    with pytest.raises(UsageError, match="port 9094 is asked for twice"):
        typed("run", "--port", "9094", "--outside", "localhost:9094")
