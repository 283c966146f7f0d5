"""What the uploader remembers of each path, for each stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.files.chunk import FileState
from openmsistream.ledger.sent import SentFile, SentLedger, finished_states, sent_paths

STATE = FileState(10, 20, 30, 40)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SentLedger]:
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        ledger.use_stream("cluster", "topic", "id-1")
        yield ledger


def test_a_row_comes_back_as_it_was_written(ledger: SentLedger) -> None:
    row = SentFile("日本/a", "sending", STATE, "g" * 32, 3, 512, 7, "blake3:1", 99, "blake3:2", "why", 1.5)
    ledger.write([row])
    assert ledger.get("日本/a") == row


@pytest.mark.parametrize("inode", [0, 2**63 - 1, 2**63, 2**64 - 1])
def test_inodes_of_64_bits_are_kept(ledger: SentLedger, inode: int) -> None:
    state = FileState(1, 2, 3, inode)
    ledger.write([SentFile("a", "sent", state)])
    row = ledger.get("a")
    assert row is not None
    assert row.file == state
    assert finished_states(ledger.connection, ledger.stream, ["a"], known_too=False) == {"a": state}


def test_a_batch_is_written_whole_or_not_at_all(ledger: SentLedger) -> None:
    with pytest.raises(UnicodeEncodeError):
        ledger.write([SentFile("a", "sent", STATE), SentFile("\udcff", "sent", STATE)])
    assert ledger.get("a") is None
    ledger.write([SentFile("a", "sent", STATE)])
    assert ledger.get("a") is not None


def test_the_files_to_resume_are_those_being_sent_with_how_far_they_got(ledger: SentLedger) -> None:
    half = SentFile("big", "sending", STATE, "g" * 32, 0, 4, 2, "blake3:half", 17)
    ledger.write([half, SentFile("a", "sent", STATE), SentFile("b", "failed", STATE), SentFile("c", "known", STATE)])
    assert ledger.unfinished() == [half]


def test_a_topic_met_for_the_first_time_is_new_once(tmp_path: Path) -> None:
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        assert ledger.use_stream("cluster", "topic", "id-1")
        assert not ledger.use_stream("cluster", "topic", "id-1")


def test_of_a_topic_made_again_nothing_counts_as_sent(ledger: SentLedger) -> None:
    ledger.write([SentFile("a", "sent", STATE), SentFile("b", "failed", STATE), SentFile("c", "sending", STATE)])
    assert not ledger.use_stream("cluster", "topic", "id-2")
    assert [ledger.get(path) for path in "abc"] == [None, None, None]
    assert ledger.unfinished() == []


def test_of_a_topic_made_again_what_was_known_stays_known(ledger: SentLedger) -> None:
    ledger.write([SentFile("old", "known", STATE)])
    ledger.use_stream("cluster", "topic", "id-2")
    assert ledger.get("old") == SentFile("old", "known", STATE)


def test_on_another_cluster_nothing_counts_as_sent(ledger: SentLedger) -> None:
    ledger.write([SentFile("a", "sent", STATE)])
    ledger.use_stream("other cluster", "topic", "id-1")
    assert ledger.get("a") is None


def test_back_on_the_first_cluster_what_was_sent_there_counts(ledger: SentLedger) -> None:
    ledger.write([SentFile("a", "sent", STATE)])
    ledger.use_stream("other cluster", "topic", "id-9")
    ledger.use_stream("cluster", "topic", "id-1")
    assert ledger.get("a") is not None


def test_what_needs_nothing_more_is_found_for_many_paths_at_once(ledger: SentLedger) -> None:
    paths = [f"f{i}" for i in range(2500)]
    ledger.write(SentFile(path, "sent", STATE) for path in paths)
    ledger.write([SentFile("f0", "sending", STATE), SentFile("f1", "abandoned", STATE), SentFile("f2", "known", STATE)])
    found = finished_states(ledger.connection, ledger.stream, [*paths, "unheard"], known_too=False)
    assert set(found) == set(paths[3:])
    assert "f2" in finished_states(ledger.connection, ledger.stream, paths, known_too=True)


def test_the_sent_paths_of_a_topic_can_be_listed_beside_the_program(ledger: SentLedger) -> None:
    ledger.write([SentFile("b", "sent", STATE), SentFile("a", "sent", STATE), SentFile("c", "failed", STATE)])
    assert sent_paths(ledger.path, "topic") == ["a", "b"]
    assert sent_paths(ledger.path, "another") == []
