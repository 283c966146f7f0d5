"""What is asked to be tried again: each request has its turn."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from openmsistream.ledger.database import reader
from openmsistream.ledger.requests import answer, ask, asked, is_asked
from openmsistream.ledger.sent import SentLedger


def test_requests_that_have_to_wait_hide_no_others(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with SentLedger(path):
        ask(path, [f"other{number:04}" for number in range(1000)], 1.0)
        ask(path, ["ours", "theirs"], 2.0)
    with closing(reader(path)) as connection:
        met, after = [], ""
        for _ in range(4):
            turn = asked(connection, after)
            met.append((turn[0], len(turn)))
            after = turn[-1]
    assert met == [("other0000", 500), ("other0500", 500), ("ours", 2), ("other0000", 500)]


def test_a_request_stays_until_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with SentLedger(path):
        ask(path, ["a", "b"], 1.0)
        answer(path, ["a"])
    with closing(reader(path)) as connection:
        assert [asked(connection), asked(connection, "b"), asked(connection, "a")] == [["b"]] * 3
        assert (is_asked(connection, "a"), is_asked(connection, "b")) == (False, True)
        answer(path, ["b"])
        assert asked(connection, "b") == []
