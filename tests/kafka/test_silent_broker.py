"""Transactions with a broker that goes silent: they end in time, and what comes of them counts once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import WITHIN, Bench, Result, after, bench_at
from lab import Lab

from openmsistream.broker import RunningBroker, temporary
from openmsistream.kafka.attempt import Attempt
from openmsistream.kafka.transactions import NotCommitted

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a process cannot be frozen there")


@pytest.fixture(scope="module")
def freezable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker that may be stopped with a signal."""
    with temporary(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
def cold(freezable: RunningBroker, tmp_path: Path) -> Iterator[Bench]:
    made = bench_at(Lab(freezable.address, tmp_path), tmp_path / "results")
    with made.stack:
        try:
            yield made
        finally:
            os.kill(freezable.pid, signal.SIGCONT)


def test_with_a_silent_broker_a_commit_ends_in_time_and_goes_through_when_it_speaks_again(
    cold: Bench, freezable: RunningBroker
) -> None:
    member, producer = cold.member(), cold.producer()
    producer.start(WITHIN)
    os.kill(freezable.pid, signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(NotCommitted) as caught:
            producer.commit([Result(b"1")], after(1), member, 1.0)
    assert caught.value.retriable
    assert time.monotonic() - began < 4
    os.kill(freezable.pid, signal.SIGCONT)
    producer.commit([Result(b"1")], after(1), member, WITHIN)
    assert (cold.seen, cold.committed()) == ([b"1"], after(1)[0])


def test_a_commit_whose_answer_was_lost_is_made_once(
    cold: Bench, freezable: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, producer = cold.member(), cold.producer()
    commit = Attempt._end

    def into_the_silence(attempt: Attempt) -> None:
        attempt.client.flush(WITHIN)
        os.kill(freezable.pid, signal.SIGSTOP)
        commit(attempt)

    monkeypatch.setattr(Attempt, "_end", into_the_silence)
    with pytest.raises(NotCommitted):
        producer.commit([Result(b"1")], after(1), member, 3.0)
    monkeypatch.undo()
    os.kill(freezable.pid, signal.SIGCONT)
    producer.commit([Result(b"1")], after(1), member, WITHIN)
    assert (cold.seen, cold.committed()) == ([b"1"], after(1)[0])
