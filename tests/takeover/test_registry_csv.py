"""The CSV files of OpenMSIStream's uploads: which ones belong to a topic, and their rows as text and as values."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.ledger.registry_csv import (
    BadRow,
    Completed,
    InProgress,
    completed_files,
    completed_of,
    completed_rows,
    in_progress_rows,
    lines_of,
    path_in_progress,
    readings_of,
)

WHEN = "'Mon Apr 06, 2026 at 17:32:08'"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if os.name == "nt":
        yield
        return
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def row(path_cell: str, when: str = WHEN) -> str:
    return f"'x';{path_cell};3;{WHEN};{when}"


@pytest.mark.skipif(os.name == "nt", reason="TZ cannot be set")
def test_a_row_is_read_with_its_local_times() -> None:
    assert completed_of(row("'sub/x.csv'")) == Completed("sub/x.csv", 3, 1775496728.0, 1775496728.0)


@pytest.mark.skipif(os.name == "nt", reason="TZ cannot be set")
def test_a_row_is_written_as_openmsistream_writes_it() -> None:
    assert completed_rows([Completed("sub/x.csv", 3, 1775496728.2, 1775496728.9)]) == [
        f"'x.csv';'sub/x.csv';3;{WHEN};{WHEN}"
    ]


@pytest.mark.skipif(os.name == "nt", reason="TZ cannot be set")
def test_an_upload_on_its_way_is_written_with_its_chunk_numbers() -> None:
    uploads = [InProgress("s/big", 4, 1, 1775496728.0), InProgress("all", 2, 2, 1775496728.0)]
    assert in_progress_rows(uploads) == [
        f"'big';'s/big';4;1;3;{WHEN};{{1}};{{2, 3, 4}}",
        f"'all';'all';2;2;0;{WHEN};{{1, 2}};set()",
    ]


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("'ünï.dat'", "ünï.dat"),
        ("\"'a ;.dat'\"", "a ;.dat"),
        ('"""it\'s.dat"""', "it's.dat"),
        ('"\'q""uote.dat\'"', 'q"uote.dat'),
        ('"\'both\\\'""x.dat\'"', "both'\"x.dat"),
        (r"'tab\there.dat'", "tab\there.dat"),
        (r"'new\nline.dat'", "new\nline.dat"),
        (r"'narrow\u202fspace.dat'", "narrow\u202fspace.dat"),
        (r"'\x7f.dat'", "\x7f.dat"),
        (r"'\U000e0001.dat'", "\U000e0001.dat"),
    ],
)
def test_names_with_special_characters_are_read_as_they_were(cell: str, path: str) -> None:
    assert completed_of(row(cell)).path == path


@pytest.mark.skipif(os.name == "nt", reason="a backslash is no letter of a name there")
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_every_name_comes_back_from_a_row(path: str) -> None:
    (text,) = completed_rows([Completed(path, 1, 1e9, 1e9)])
    assert "\n" not in text
    assert completed_of(text).path == path
    (text,) = in_progress_rows([InProgress(path, 2, 1, 1e9)])
    assert path_in_progress(text) == path


@pytest.mark.parametrize("name", ["tab\there.dat", "both'\"x.dat", "narrow\u202fspace", "back\\slash"])
def test_names_that_were_escaped_at_every_start_are_among_the_readings(name: str) -> None:
    grown = name
    for _ in range(4):
        grown = repr(grown)[1:-1]
        assert name in list(readings_of(grown))


def test_a_plain_name_has_one_reading() -> None:
    assert list(readings_of("a/b.dat")) == ["a/b.dat"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("'x';'x'", "it has 2 columns instead of 5"),
        (row("x"), "'x' is not a text in quotes"),
        (row("'x\""), "is not a text in quotes"),
        (row("''", "'yesterday'"), "'yesterday' is not a time such as 'Mon Apr 06, 2026 at 17:32:08'"),
        (row("''", "'Mon Abr 06, 2026 at 17:32:08'"), "is not a time"),
        (row("''", "'Mon Feb 31, 2026 at 17:32:08'"), "is not a time"),
        (f"'x';'x';many;{WHEN};{WHEN}", "'many' is not a number"),
        (f"'x';'x';{'9' * 5000};{WHEN};{WHEN}", "is not a number"),
        (row("'\udcff.dat'"), "is not valid UTF-8"),
        (row(r"'\udcff.dat'"), "is not valid UTF-8"),
        ('"' + "x" * 200_000, "cannot be read as CSV"),
    ],
)
def test_what_is_no_row_is_told_why(line: str, reason: str) -> None:
    with pytest.raises(BadRow, match=reason.replace("(", r"\(")):
        completed_of(line)


@given(st.text())
def test_whatever_stands_in_a_line_is_a_row_or_a_bad_row(line: str) -> None:
    for read in (completed_of, path_in_progress):
        try:
            read(line)
        except BadRow as problem:
            assert str(problem)  # noqa: PT017  either is right


def test_the_files_of_a_topic_are_its_own_and_those_of_its_producers(tmp_path: Path) -> None:
    own = [
        "uploaded_to_data.csv",
        "uploaded_to_data_p7f95f9a17ed0.csv",
        "uploaded_to_data_p7f95f9a17ed0_1775496728_25.csv",
    ]
    others = [
        "uploaded_to_data2.csv", "uploaded_to_data_p1.csv", "uploaded_to_data_more.csv", "uploaded_to_data.csv.bak",
        "upload_to_data_in_progress.csv", "uploaded_to_dataXcsv", "uploaded_to_data_p7f95f9a17ed0x.csv",
    ]  # fmt: skip
    for name in own + others:
        (tmp_path / name).touch()
    assert [file.name for file in completed_files(tmp_path, "data")] == sorted(own)
    assert [file.name for file in completed_files(tmp_path, "data_p1")] == ["uploaded_to_data_p1.csv"]


def test_a_topics_dot_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "uploaded_to_aXb.csv").touch()
    assert completed_files(tmp_path, "a.b") == []


def test_where_there_is_no_folder_there_are_no_files(tmp_path: Path) -> None:
    assert completed_files(tmp_path / "LOGS", "data") == []


def test_the_first_line_of_windows_and_the_header_are_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"sep=;\r\nfilename;rel_filepath;n_chunks;started;completed\r\none\r\n\r\ntwo")
    assert list(lines_of(file)) == [(3, "one"), (5, "two")]
