"""An outage of a destination is waited out; whatever is a file's own fault is not."""

from __future__ import annotations

import logging
import threading

import pytest

from openmsistream.destinations import outages
from openmsistream.destinations.contract import DestinationError, Put, Unreachable
from openmsistream.destinations.outages import WaitsOut
from openmsistream.processing.file import File, Source

FILE = File("a.txt", Source("topic", 0, 0, "g"), size=1, digest="blake3:", data=b"x")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "_FIRST_WAIT", 0.001)


class Away:
    """A destination that does not answer for so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def put(self, file: File) -> Put:
        self.times -= 1
        if self.times >= 0:
            raise Unreachable("it cannot be reached", "look at it")
        return Put.SENT


def test_a_file_waits_until_the_destination_answers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert WaitsOut(Away(5).put)(FILE) is Put.SENT
    assert [record.getMessage() for record in caplog.records] == [
        "it cannot be reached; look at it; files wait until it answers (since 0 s)",
        "it answers again, after 0 s; the files go on",
    ]


def test_an_outage_that_lasts_is_spoken_of_again(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter(range(0, 10_000, 200))
    with caplog.at_level(logging.WARNING):
        WaitsOut(Away(5).put, clock=lambda: next(seconds))(FILE)
    assert [record.getMessage().partition("(")[2] for record in caplog.records[:-1]] == [
        "since 0 s)", "since 400 s)", "since 800 s)"
    ]  # fmt: skip


def test_other_failures_go_to_the_caller_at_once() -> None:
    def put(file: File) -> Put:
        raise DestinationError("it is full", retriable=True)

    with pytest.raises(DestinationError, match="it is full"):
        WaitsOut(put)(FILE)


def test_after_the_close_nobody_waits() -> None:
    put = WaitsOut(Away(10**9).put)
    failed: list[BaseException] = []

    def waiting() -> None:
        try:
            put(FILE)
        except Unreachable as error:
            failed.append(error)

    thread = threading.Thread(target=waiting)
    thread.start()
    put.close()
    put.close()
    thread.join(5)
    assert len(failed) == 1
