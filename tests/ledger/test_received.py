"""What the downloader remembers: deliveries, failures, what is incomplete, and the quarantine with its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsistream.ledger import received
from openmsistream.ledger.received import (
    IncompleteFile,
    QuarantinedRecord,
    ReceivedFile,
    ReceivedLedger,
    failures,
    quarantined,
)

ROW = ReceivedFile("a", "delivered", "g1", 0, 10, 1000, 1001, 5, -7, "blake3:0", None, 1.5)
FAILED = replace(ROW, state="failed", generation="g2", first_offset=20, reason="it would not")
HALF = IncompleteFile(0, 30, "g3", "b", 35, 2.5, False, "chunk 4")
BAD = QuarantinedRecord("t", 0, 1, 1000, "bad", b"k", b"v", 1, [("h", "x")], 3.5)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[ReceivedLedger]:
    with ReceivedLedger(tmp_path / "l.sqlite") as ledger:
        ledger.use_stream("cluster", "topic", "id-1")
        yield ledger


def test_what_was_delivered_comes_back(ledger: ReceivedLedger) -> None:
    ledger.write([ROW])
    assert ledger.get("a") == ROW


def test_a_failure_does_not_hide_what_stands_under_the_name(ledger: ReceivedLedger) -> None:
    ledger.write([ROW, FAILED])
    assert ledger.get("a") == ROW
    assert failures(ledger.connection, ledger.stream) == [FAILED]


def test_a_failure_is_over_when_something_newer_was_delivered(ledger: ReceivedLedger) -> None:
    ledger.write([FAILED])
    ledger.write([replace(ROW, first_offset=25)])
    assert failures(ledger.connection, ledger.stream) == []


def test_a_failure_stays_listed_when_something_older_is_delivered(ledger: ReceivedLedger) -> None:
    ledger.write([FAILED])
    ledger.write([ROW])
    assert failures(ledger.connection, ledger.stream) == [FAILED]


def test_a_finished_generation_is_incomplete_no_longer(ledger: ReceivedLedger) -> None:
    ledger.note_incomplete([HALF, replace(HALF, generation="g1", path="a")])
    ledger.write([ROW])
    assert ledger.incomplete() == [HALF]
    ledger.forget_incomplete("g3")
    assert ledger.incomplete() == []


def test_noting_an_incomplete_one_again_replaces_the_note(ledger: ReceivedLedger) -> None:
    later = replace(HALF, last_news=9.0, retired=True)
    ledger.note_incomplete([HALF])
    ledger.note_incomplete([later])
    assert ledger.incomplete() == [later]


def test_of_those_given_up_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsistream.ledger.received.RETIRED_KEPT", 3)
    with ReceivedLedger(tmp_path / "l") as ledger:
        ledger.use_stream("c", "t", "id")
        ledger.note_incomplete([IncompleteFile(0, 1, "live", "live", 1, 1.0, False, "x")])
        for n in range(9):
            ledger.note_incomplete([IncompleteFile(0, n, f"g{n}", f"f{n}", n, 10.0 + n, True, "x")])
        assert [row.path for row in ledger.incomplete()] == ["f6", "f7", "f8", "live"]


def test_of_a_topic_made_again_nothing_was_delivered(ledger: ReceivedLedger) -> None:
    ledger.write([ROW])
    ledger.use_stream("cluster", "topic", "id-2")
    assert ledger.get("a") is None


def test_the_installation_keeps_its_id(tmp_path: Path) -> None:
    ids = set()
    for _ in range(2):
        with ReceivedLedger(tmp_path / "l.sqlite") as ledger:
            ids.add(ledger.installation())
    assert len(ids) == 1


def test_a_batch_is_written_whole_or_not_at_all(ledger: ReceivedLedger) -> None:
    with pytest.raises(UnicodeEncodeError):
        ledger.write([ROW, replace(ROW, path="\udcff")])
    with pytest.raises(UnicodeEncodeError):
        ledger.note_incomplete([HALF, replace(HALF, path="\udcff", generation="x")])
    with pytest.raises(UnicodeEncodeError):
        ledger.quarantine([BAD, replace(BAD, reason="\udcff", offset=2)])
    assert ledger.get("a") is None
    assert ledger.incomplete() == []
    assert quarantined(ledger.connection) == []


def test_a_quarantined_record_comes_back(ledger: ReceivedLedger) -> None:
    ledger.quarantine([BAD])
    assert quarantined(ledger.connection) == [replace(BAD, id=1)]


def test_the_same_record_is_in_the_quarantine_once(ledger: ReceivedLedger) -> None:
    ledger.quarantine([BAD])
    ledger.quarantine([BAD, replace(BAD, offset=2)])
    assert [record.offset for record in quarantined(ledger.connection)] == [1, 2]


def test_the_oldest_records_leave_a_full_quarantine(ledger: ReceivedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received, "QUARANTINE_RECORDS", 10)
    for start in range(0, 100, 7):
        ledger.quarantine(replace(BAD, offset=start + i) for i in range(7))
    kept = [record.offset for record in quarantined(ledger.connection)]
    assert len(kept) == 10
    assert kept[-1] == 104


def test_of_a_large_record_the_beginning_is_kept_and_its_length(ledger: ReceivedLedger) -> None:
    headers = [("h" * 3000, "\0" * 500)] * 50
    ledger.quarantine([replace(BAD, key=b"k" * 10**6, value=b"v" * 10**6, value_bytes=10**6, headers=headers)])
    (kept,) = quarantined(ledger.connection)
    assert kept.value == b"v" * received.QUARANTINE_VALUE_BYTES
    assert kept.value_bytes == 10**6
    assert kept.key == b"k" * received.QUARANTINE_KEY_BYTES
    assert kept.headers == headers[:1]


def test_a_null_value_and_an_empty_one_are_told_apart(ledger: ReceivedLedger) -> None:
    ledger.quarantine([replace(BAD, value=None, value_bytes=None), replace(BAD, offset=2, value=b"", value_bytes=0)])
    assert [record.value for record in quarantined(ledger.connection)] == [None, b""]
