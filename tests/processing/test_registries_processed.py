"""What a processor lists for the people and programs that read CSV files, and what its `file_registry` tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from openmsistream.files.chunk import Chunk
from openmsistream.ledger import lists
from openmsistream.ledger.received import ReceivedFile, ReceivedLedger
from openmsistream.ledger.registry_csv import FIRST_LINE, lines_of
from openmsistream.processing.lists import Listed, ProcessingLists
from openmsistream.processing.registry import FileRegistry
from openmsistream.program.run import wait_until
from openmsistream.transfer.incoming import Incoming
from openmsistream.transfer.rows import Rows

AT = datetime(2026, 4, 6, 17, 32, 8)
TOLD = "'Mon Apr 06, 2026 at 17:32:08'"


def row(path: str, state: str = "delivered", generation: str = "g", **more: object) -> ReceivedFile:
    made = ReceivedFile(
        path, state, generation, 0, 5, 0, 0, 1, None, "blake3:1", None, AT.timestamp() + 60, chunks=3, attempts=1,  # type: ignore[arg-type]
        began=AT.timestamp(),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def on_its_way(path: str, *, chunks: int = 2) -> Incoming:
    """A file of 48 bytes of which so many chunks of 10 bytes have come."""
    chunk = Chunk(path, path, 0, 0, 48, None, b"0123456789")
    incoming = Incoming(chunk, (path,), 0, 7, 0)
    for index in range(chunks):
        incoming.reassembly.place(replace(chunk, index=index, offset=10 * index))
    incoming.began = AT.timestamp()
    incoming.last_news = AT.timestamp() + 60
    return incoming


class Kept:
    """A ledger and the lists beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = ReceivedLedger(folder / "process-data.sqlite")
        self.ledger.use_stream("cluster", "data", "id")
        self.ledger.lists_completed = True
        self.rows = Rows(self.ledger)
        self.begun: list[Incoming] = []

    def keeping(self, group: str = "g", results_to: str | None = None, folder: Path | None = None) -> ProcessingLists:
        return ProcessingLists(
            self.rows, Listed(folder or self.folder, "data", group, results_to), lambda: self.begun
        )  # fmt: skip

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return [line for _, line in lines_of(file)] if file.exists() else []


PROCESSED = "processed_from_data_by_g.csv"
IN_PROGRESS = "consuming_from_data_in_progress_by_g.csv"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(lists, "WRITE_EVERY", 0.01)
    made = Kept(tmp_path)
    with closing(made.ledger):
        yield made


def comes(condition: Callable[[], bool]) -> None:
    assert wait_until(condition, 10, step=0.02)


def test_a_processed_file_is_a_row_with_the_time_of_its_first_chunk(kept: Kept) -> None:
    kept.rows.record([row("run/a;b")])
    kept.keeping().close()
    text = (kept.folder / PROCESSED).read_text("utf-8")
    header = "filename;rel_filepath;n_chunks;first_message;processed_at"
    later = TOLD.replace("32:08", "33:08")
    path = repr(str(Path("run/a;b")))
    assert text == f'{FIRST_LINE}{header}\n"\'a;b\'";"{path}";3;{TOLD};{later}'
    assert kept.lines(IN_PROGRESS) == []


def test_a_version_is_listed_once_though_its_row_is_written_again(kept: Kept) -> None:
    for generation in ("g", "g", "h", "g"):
        kept.rows.record([row("a", generation=generation)])
    kept.keeping().close()
    assert len(kept.lines(PROCESSED)) == 3


def test_a_failed_file_is_listed_with_its_kind_until_it_is_processed(kept: Kept) -> None:
    kinds = {"a": None, "b": "failed", "c": "mismatched_hash"}
    kept.rows.record([row(path, "failed", kind=kind) for path, kind in kinds.items()])
    with closing(kept.keeping()):
        comes(
            lambda: (
                [line.split(";")[2] for line in kept.lines(IN_PROGRESS)]
                == ["'failed'", "'failed'", "'mismatched_hash'"]
            )
        )
        kept.rows.record([row("a")])
        comes(lambda: len(kept.lines(IN_PROGRESS)) == 2)
        comes(lambda: len(kept.lines(PROCESSED)) == 1)


def test_a_reproducer_has_its_own_list_and_its_own_word_for_a_failure(kept: Kept) -> None:
    kept.rows.record([row("a"), row("b", "failed", kind="failed"), row("c", "failed", kind="producing_message_failed")])
    kept.keeping(results_to="plots").close()
    assert len(kept.lines("results_produced_to_plots.csv")) == 1
    statuses = [line.split(";")[2] for line in kept.lines(IN_PROGRESS)]
    assert statuses == ["'computing_result_message_failed'", "'producing_message_failed'"]


def test_a_file_on_its_way_is_listed_with_the_chunks_that_it_will_have(kept: Kept) -> None:
    kept.begun = [on_its_way("a")]
    with closing(kept.keeping()):
        comes(lambda: kept.lines(IN_PROGRESS) == [f"'a';'a';'in_progress';5;{TOLD};{TOLD.replace('32:08', '33:08')}"])


def test_at_the_end_what_has_not_ended_stays_listed_as_in_progress(kept: Kept) -> None:
    kept.begun = [on_its_way("a"), on_its_way("b")]
    keeping = kept.keeping()
    comes(lambda: len(kept.lines(IN_PROGRESS)) == 2)
    kept.rows.record([row("a", updated=4e9)])
    keeping.close()
    assert [line.split(";")[0] for line in kept.lines(IN_PROGRESS)] == ["'b'"]


def test_rows_that_are_there_stay(kept: Kept) -> None:
    there = f"filename;rel_filepath;n_chunks;first_message;processed_at\n'old';'old';1;{TOLD};{TOLD}"
    (kept.folder / PROCESSED).write_text(there, "utf-8")
    kept.rows.record([row("a")])
    kept.keeping().close()
    assert [line.split(";")[0] for line in kept.lines(PROCESSED)] == ["'old'", "'a'"]


def test_a_group_with_characters_that_no_file_may_have_is_spelt_otherwise(kept: Kept) -> None:
    kept.rows.record([row("a")])
    kept.keeping('lab/1:"x"').close()
    assert len(kept.lines("processed_from_data_by_lab_1__x_.csv")) == 1


def test_a_list_that_cannot_be_written_is_said_once_and_the_ledger_can_still_be_written(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with closing(kept.keeping(folder=kept.folder / "none")):
        comes(lambda: bool(caplog.messages))
        kept.rows.record([row("a")])
    (said,) = caplog.messages
    assert said.endswith("; files are processed all the same, and the list is written when it can be")


# -- file_registry -----------------------------------------------------------------------------------------------


def test_the_registry_tells_what_is_processed_and_what_is_not(kept: Kept) -> None:
    kept.rows.record([row("run/a"), row("b", "failed", kind="mismatched_hash")])
    registry = FileRegistry(kept.ledger.path, lambda: [on_its_way("c")], "failed")
    assert registry.succeeded_table.n_entries == 1
    (address,) = registry.succeeded_table.obj_addresses
    assert registry.succeeded_table.get_entry_attrs(address) == {
        "filename": "a", "rel_filepath": Path("run/a"), "n_chunks": 3, "first_message": AT,
        "processed_at": AT.replace(minute=33),
    }  # fmt: skip
    assert registry.filepaths_to_rerun == [Path("c"), Path("b")]
    assert registry.n_files_to_rerun == 2
    by_status = registry.in_progress_table.obj_addresses_by_key_attr("status")
    assert by_status == {"in_progress": ["c"], "mismatched_hash": ["b"]}
    assert registry.in_progress_table.get_entry_attrs("b", "status") == {"status": "mismatched_hash"}
    with pytest.raises(KeyError):
        registry.succeeded_table.get_entry_attrs("nothing")


def test_before_the_first_run_the_registry_is_empty(tmp_path: Path) -> None:
    registry = FileRegistry(tmp_path / "process-t.sqlite", list, "failed")
    assert registry.succeeded_table.objects == []
    assert registry.filepaths_to_rerun == []
