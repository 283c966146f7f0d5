"""A broker that is not there, or goes away and comes back: said in time, waited out, and nothing lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab import UPLOAD_ONE, Lab, expect, put, same

from openmsistream.broker import RunningBroker, start, stop, temporary
from openmsistream.ledger.database import reader


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port meanwhile
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker that may be stopped."""
    with temporary(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
def own(own_broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A topic and folders at that broker, which runs again afterwards."""
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = Lab(own_broker.address, tmp_path)
    try:
        yield made
    finally:
        made.close()
        start(own_broker.settings)


def under_way(lab: Lab) -> list[str]:
    """The files whose sending the uploader of `source` has begun, by its ledger."""
    with closing(reader(lab.source / "LOGS" / f"upload-{lab.topic}.sqlite")) as ledger:
        return [path for (path,) in ledger.execute("SELECT path FROM sent WHERE state='sending'")]


def test_a_broker_that_does_not_answer_ends_every_program_in_time_with_its_address(lab: Lab, nobody: str) -> None:
    config = lab.config_file("nobody", address=nobody)
    file = put(lab.source, "a", "a")
    began = time.monotonic()
    programs = [
        lab.upload_program(config=config),
        lab.download_program(config=config),
        lab.program(UPLOAD_ONE, file, "--config", config),
    ]
    assert [program.ends() for program in programs] == [4, 4, 4]
    assert time.monotonic() - began < 15  # 10 s for the broker, the rest for three Pythons to start side by side
    for program in programs:
        assert f"error: no broker answered at {nobody}" in program.said


def test_an_outage_in_the_middle_of_things_is_said_and_waited_out_and_loses_nothing(
    own: Lab, own_broker: RunningBroker
) -> None:
    up, down = own.upload_program(), own.download_program()
    up.wait_for("first start on this folder")
    for number in range(30):
        put(own.source, f"before/{number}", os.urandom(10_000))
    put(own.source, "large.bin", os.urandom(60 << 20))
    expect(lambda: (own.target / "before").exists())
    stop(own_broker.data_dir)
    for number in range(30):
        put(own.source, f"during/{number}", os.urandom(10_000))
    for program in (up, down):
        program.wait_for(f"no broker answers at {re.escape(own.address)}")
    assert start(own_broker.settings).address == own.address
    for number in range(30):
        put(own.source, f"after/{number}", os.urandom(10_000))
    expect(lambda: same(own.source, own.target), 60, lambda: up.said + down.said)
    for program in (up, down):
        program.wait_for(f"the brokers at {re.escape(own.address)} answer again")
    assert (up.stop(), down.stop()) == (0, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
def test_without_a_broker_a_signal_still_ends_both_in_time_and_what_was_not_sent_goes_later(
    own: Lab, own_broker: RunningBroker
) -> None:
    up, down = own.upload_program(), own.download_program()
    up.wait_for("first start on this folder")
    put(own.source, "a", "a")
    expect(lambda: same(own.source, own.target))
    stop(own_broker.data_dir)
    put(own.source, "b", os.urandom(2_000_000))
    expect(lambda: under_way(own) == ["b"])
    up.wait_for("no broker answers")
    began = time.monotonic()
    up.signal(signal.SIGTERM)
    down.signal(signal.SIGTERM)
    assert (up.ends(), down.ends()) == (0, 0)
    assert time.monotonic() - began < 8
    start(own_broker.settings)
    with own.uploading(), own.downloading():
        expect(lambda: same(own.source, own.target))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
def test_a_second_signal_ends_a_program_at_once_and_its_ledger_is_sound(own: Lab, own_broker: RunningBroker) -> None:
    up = own.upload_program()
    up.wait_for("first start on this folder")
    stop(own_broker.data_dir)
    put(own.source, "b", os.urandom(2_000_000))
    expect(lambda: under_way(own) == ["b"])
    up.wait_for("no broker answers")
    up.signal(signal.SIGINT)
    up.wait_for("stopping")
    assert up.running
    began = time.monotonic()
    up.signal(signal.SIGINT)
    assert up.ends() == 128 + signal.SIGINT
    assert time.monotonic() - began < 1
    start(own_broker.settings)
    with own.uploading(), own.downloading():
        expect(lambda: same(own.source, own.target))
