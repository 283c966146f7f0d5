"""What a client hears of its connection, and what is said of it."""

from __future__ import annotations

import pytest

from openmsistream.kafka.connection import Connection


def test_an_outage_that_another_client_met_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    connection = Connection("host:1")
    connection.unanswered("no answer")
    connection.unanswered("no answer")
    connection.answered()
    assert [record.getMessage() for record in caplog.records] == [
        "no broker answers at host:1 (no answer); trying on",
        "the brokers at host:1 answer again",
    ]
