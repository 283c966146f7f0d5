"""Records that nobody waits for, where no broker takes them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from openmsistream.errors import ConfigError
from openmsistream.kafka import side_producer
from openmsistream.kafka.side_producer import SideProducer
from openmsistream.program.run import wait_until

NOWHERE = {"bootstrap.servers": "127.0.0.1:9", "queue.buffering.max.messages": "3"}


@pytest.fixture
def alone() -> Iterator[SideProducer]:
    """A producer without a broker, which may keep three records."""
    made = SideProducer(NOWHERE, "[heartbeat]")
    yield made
    made.close(0.0)


def test_with_nothing_on_its_way_nobody_is_away(alone: SideProducer) -> None:
    assert not alone.busy
    assert not alone.away


def test_a_broker_that_is_not_there_is_away_as_soon_as_the_client_knows(alone: SideProducer) -> None:
    alone.send("t", "k", "v")

    def away() -> bool:
        alone.poll(0.01)
        return alone.away

    assert wait_until(away, 10)


def test_nobody_takes_anything_is_noticed_also_while_more_is_sent(
    alone: SideProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_producer, "_TAKEN_WITHIN", 0.3)  # without `poll` the client tells nothing

    def sent_and_away() -> bool:
        alone.send("t", "k", "v")
        return alone.away

    assert not sent_and_away()
    assert wait_until(sent_and_away, 10, step=0.05)


def test_what_does_not_fit_the_queue_is_left_out(alone: SideProducer) -> None:
    for _ in range(10):
        alone.send("t", "k", "v")
    assert alone.busy


def test_the_end_does_not_wait_for_a_broker_that_is_away(alone: SideProducer) -> None:
    alone.send("t", "k", "v")
    assert wait_until(lambda: alone.poll(0.01) is None and alone.away, 10)
    began = time.monotonic()
    alone.close(60)
    assert time.monotonic() - began < 2


def test_a_property_that_cannot_be_used_is_refused_with_the_place_where_it_stands() -> None:
    with pytest.raises(ConfigError, match=r"the settings in \[log\] were refused: .*acks"):
        SideProducer({**NOWHERE, "acks": "2000"}, "[log]")
